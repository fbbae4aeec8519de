"""Creates the service's tables and a template for each person in the registry."""

import asyncio
import hmac

import asyncpg

import settings
from faces import Faces

TABLES = """
CREATE TABLE template (person bytea PRIMARY KEY, embedding bytea NOT NULL);
CREATE TABLE audit (
    id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), client text NOT NULL, person bytea,
    reason text NOT NULL, percentage float8
);
"""


async def main():
    faces = Faces(settings.VARIANT, settings.MODEL_FOLDER)
    registry = await asyncpg.connect(settings.REGISTRY_URL)
    database = await asyncpg.connect(settings.DATABASE_URL)
    await database.execute(TABLES)
    for nik, portrait in await registry.fetch("SELECT nik, portrait FROM padan.citizen WHERE portrait IS NOT NULL"):
        person = hmac.digest(settings.PERSON_KEY, nik.encode(), "sha256")
        embedding = faces.examine(portrait).astype("<f4").tobytes()
        await database.execute("INSERT INTO template VALUES ($1, $2)", person, embedding)
    await registry.close()
    await database.close()


asyncio.run(main())
