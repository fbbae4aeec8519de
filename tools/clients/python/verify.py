"""Verifies the sample person by the client that openapi-python-client generates from the service's OpenAPI document."""

import base64
import os
import pathlib

from padan_client.api.face import match_faces
from padan_client.api.identity import verify_face, verify_fields
from padan_client.client import AuthenticatedClient
from padan_client.models import BasicForm, BasicJson, Error, FaceForm, FaceJson, MatchForm
from padan_client.types import File

PHOTO = pathlib.Path("people/images/101_s1.jpg")
PORTRAIT = pathlib.Path("people/images/101_id.jpg")
PERSON = {"nik": "3174011403870000", "name": "Budi Santoso", "date_of_birth": "14-03-1987"}


def file(path):
    return File(payload=path.open("rb"), file_name=path.name, mime_type="image/jpeg")


def check(holds, what):
    if not holds:
        raise SystemExit(f"openapi-python-client: {what}")


def main():
    credentials = f"{os.environ['PADAN_USERNAME']}:{os.environ['PADAN_PASSWORD']}".encode()
    client = AuthenticatedClient(
        base_url=os.environ["PADAN_URL"],
        prefix="Basic",
        token=base64.b64encode(credentials).decode(),
        headers={"x-api-key": os.environ["PADAN_API_KEY"]},
    )
    by_form = verify_face.sync(client=client, body=FaceForm(**PERSON, face_image=file(PHOTO)))
    check(by_form.verification_status, f"the form: {by_form}")
    check(by_form.result.face_image_percentage >= 75, f"the percentage of {by_form}")
    in_base64 = base64.b64encode(PHOTO.read_bytes()).decode()
    by_json = verify_face.sync(client=client, body=FaceJson(**PERSON, face_image=in_base64))
    check(by_json.result == by_form.result, f"JSON: {by_json}")
    for body in (BasicForm(nik=PERSON["nik"], name="Agus"), BasicJson(nik=PERSON["nik"], name="Agus")):
        fields = verify_fields.sync(client=client, body=body)
        check(fields.result.nik and fields.result.name is False, f"the fields: {fields}")
    match = match_faces.sync(client=client, body=MatchForm(captured_image=file(PHOTO), stored_image=file(PORTRAIT)))
    check(match.result.match_status_code == "MATCH", f"the match: {match}")
    refused = verify_face.sync_detailed(client=client, body=FaceJson(**{**PERSON, "nik": "1"}, face_image=in_base64))
    check(refused.status_code == 400 and isinstance(refused.parsed, Error), f"a wrong NIK: {refused}")
    print(f"openapi-python-client: {by_form.to_dict()}")


if __name__ == "__main__":
    main()
