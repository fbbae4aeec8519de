"""Photos for schemathesis, which would otherwise send random bytes that no service takes for a photo."""

import base64
import os
import pathlib

import schemathesis
from hypothesis import strategies as st

PEOPLE = pathlib.Path("people/images")
# The photos of tools/clients/make_inputs.py, without the one that is above the limit of a body.
FAULTY = sorted(pathlib.Path(os.environ["PADAN_FAULTY_PHOTOS"]).glob("*.jpg"))
FILES = [PEOPLE / "101_s1.jpg", PEOPLE / "101_id.jpg", PEOPLE / "118_s1.jpg"]
FILES += [file for file in FAULTY if file.name != "huge.jpg"]

photos = st.one_of(st.sampled_from(FILES).map(pathlib.Path.read_bytes), st.binary())
schemathesis.openapi.format("binary", photos)
schemathesis.openapi.format("byte", photos.map(lambda photo: base64.b64encode(photo).decode()))
