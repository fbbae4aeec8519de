"""Face verification against the civil registry with FastAPI, as a team could write it instead of Padan. `make peer`
measures both.

It gives the same answers at the same address, but leaves out some work that Padan does: templates are not encrypted,
audit rows have no signature, photos are not checked for sharpness or light, and failed attempts are not limited."""

import base64
import gc
import hashlib
import hmac
import math
import re
import tomllib
import unicodedata
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import asyncpg
import numpy as np
import orjson
from fastapi import FastAPI, Request, Response
from starlette.formparsers import MultiPartParser

import settings
from faces import Faces, Unusable

# Keeps photos in memory instead of a temporary file.
MultiPartParser.spool_max_size = 16 << 20

PASS_MARK = 75
FIELDS = ("nik", "name", "date_of_birth")
JAKARTA = timezone(timedelta(hours=7))
TITLES = re.compile(r"^(?:(?:prof|drs|dra|dr|ir|hj|h) )+|,.*$")
BAD_STATUS = {"deceased", "duplicate", "inactive"}

faces = Faces(settings.VARIANT, settings.MODEL_FOLDER)
points = tomllib.loads(Path(settings.CALIBRATION).read_text())["point"]
cosines = [point["cosine"] for point in points]
percentages = [point["percentage"] for point in points]


async def skip_reset(_connection):
    """Replaces asyncpg's reset of a released connection, which costs a round trip. No session state is ever changed."""


def pool(url, **options):
    return asyncpg.create_pool(url, min_size=2, max_size=4, command_timeout=2, reset=skip_reset, **options)


@asynccontextmanager
async def lifespan(app):
    read_only = {"default_transaction_read_only": "on"}
    async with pool(settings.REGISTRY_URL, server_settings=read_only) as app.state.registry:
        async with pool(settings.DATABASE_URL) as app.state.database:
            gc.collect()
            # Excludes permanent objects from garbage collection.
            gc.freeze()
            yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


class Outcome(Exception):
    """An answer, with the values for its audit row."""

    def __init__(self, status, code, reason, result=None, percentage=None):
        self.status, self.code, self.reason, self.percentage = status, code, reason, percentage
        self.body = {"verification_status": code == "VERIFIED", "reason": reason}
        if result is not None:
            self.body["result"] = dict(zip((*FIELDS, "face_image_percentage"), result))


def respond(outcome):
    headers = {"reason-code": outcome.code, "request-id": str(uuid4())}
    return Response(orjson.dumps(outcome.body), outcome.status, headers, "application/json")


def check_credentials(headers):
    """Checks Basic credentials and the API key in constant time."""
    try:
        text = base64.b64decode(headers.get("authorization", "").removeprefix("Basic "), validate=True).decode()
    except ValueError:
        text = ""
    user, _, password = text.partition(":")
    same = hmac.compare_digest(hashlib.sha256(password.encode()).digest(), settings.PASSWORD_SHA256)
    key = hashlib.sha256(headers.get("x-api-key", "").encode()).digest()
    if not (hmac.compare_digest(key, settings.API_KEY_SHA256) and same and user == settings.USER):
        raise Outcome(401, "UNAUTHORIZED", "Unauthorized")


def parse_date(text):
    try:
        if re.fullmatch(r"[0-9]{2}-[0-9]{2}-[0-9]{4}", text):
            day = date(int(text[6:]), int(text[3:5]), int(text[:2]))
            if day <= datetime.now(JAKARTA).date():
                return day
    except ValueError:
        pass
    raise Outcome(400, "INVALID_DOB", "Invalid date_of_birth format")


def normalised(name):
    """Normalises a name for comparison: lower case, without accents, punctuation and titles."""
    name = "".join(c for c in unicodedata.normalize("NFKD", name).casefold() if not unicodedata.combining(c))
    plain = " ".join(re.sub(r"[^\w\s,]", " ", re.sub(r"['’`]", "", name)).split())
    return TITLES.sub("", plain).strip()


async def read_form(request):
    """Reads and validates NIK, name, date and photo."""
    form = await request.form(max_part_size=16 << 20)
    for field in FIELDS:
        if not isinstance(form.get(field), str):
            raise Outcome(400, "MISSING_FIELD", f"{field} is required")
    if not re.fullmatch(r"[0-9]{16}", form["nik"]):
        raise Outcome(400, "INVALID_NIK", "Invalid NIK number format")
    if not form["name"].strip():
        raise Outcome(400, "MISSING_FIELD", "name is required")
    born = parse_date(form["date_of_birth"])
    file = form.get("face_image")
    if file is None or isinstance(file, str):
        raise Outcome(400, "MISSING_FIELD", "face_image is required")
    photo = await file.read()
    if not photo.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise Outcome(415, "UNSUPPORTED_IMAGE", "face_image is neither PNG nor JPEG")
    return form["nik"], form["name"], born, photo


def judge(name_matches, date_matches, percentage):
    """The documented answer. The shown percentage is truncated and at least 1."""
    shown = max(1, math.floor(percentage * 100) / 100)
    result = (True, name_matches, date_matches, shown)
    if not name_matches:
        return Outcome(200, "NAME_MISMATCH", "Name does not match", result, percentage)
    if not date_matches:
        return Outcome(200, "DOB_MISMATCH", "Date of birth does not match", result, percentage)
    if percentage < PASS_MARK:
        return Outcome(200, "FACE_MISMATCH", "Selfie image does not pass the threshold", result, percentage)
    return Outcome(200, "VERIFIED", "Verification Success", result, percentage)


async def verify(nik, name, born, photo, person):
    """Compares the form with the registry and the stored template."""
    citizen = await app.state.registry.fetchrow(
        "SELECT name, date_of_birth, status FROM padan.citizen WHERE nik = $1", nik
    )
    if citizen is None:
        return Outcome(200, "NIK_NOT_FOUND", "NIK not found on Dukcapil database", (False, None, None, 0))
    if citizen["status"] in BAD_STATUS:
        status = citizen["status"]
        code, reason = f"NIK_{status.upper()}", f"NIK is registered as {status}"
        return Outcome(200, code, reason, (True, None, None, None))
    matches = normalised(name) == normalised(citizen["name"]), born == citizen["date_of_birth"]
    stored = await app.state.database.fetchval("SELECT embedding FROM template WHERE person = $1", person)
    try:
        # Not in a thread of its own, which costs a context switch: two workers keep two processors busy.
        embedding = faces.examine(photo)
    except Unusable as why:
        return Outcome(400, why.args[1], why.args[0])
    if stored is None:
        return Outcome(200, "NO_REFERENCE_PHOTO", "No reference photo for this NIK", (True, *matches, None))
    cosine = float(np.dot(embedding, np.frombuffer(stored, "<f4")))
    return judge(*matches, float(np.interp(cosine, cosines, percentages)))


@app.post("/identity/v1/face-verification")
async def face_verification(request: Request):
    try:
        check_credentials(request.headers)
        form = await read_form(request)
    except Outcome as refusal:
        return respond(refusal)
    person = hmac.digest(settings.PERSON_KEY, form[0].encode(), "sha256")
    try:
        outcome = await verify(*form, person)
        # The row is committed before the answer is sent.
        await app.state.database.execute(
            "INSERT INTO audit (id, client, person, reason, percentage) VALUES ($1, $2, $3, $4, $5)",
            uuid4(), settings.USER, person, outcome.code, outcome.percentage,
        )  # fmt: skip
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        outcome = Outcome(
            503, "REGISTRY_UNAVAILABLE", "Something wrong in Dukcapil server", (None, None, None, None)
        )
    return respond(outcome)


@app.get("/readyz")
async def ready():
    await app.state.registry.fetchval("SELECT 1")
    await app.state.database.fetchval("SELECT 1")
    return Response(status_code=200)
