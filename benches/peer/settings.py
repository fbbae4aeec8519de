"""The settings of the service and its enrolment, from the environment."""

import os

VARIANT = os.environ.get("PEER_VARIANT", "careful")
REGISTRY_URL = os.environ["PEER_REGISTRY_URL"]
DATABASE_URL = os.environ["PEER_DATABASE_URL"]
MODEL_FOLDER = os.environ["PEER_MODEL_FOLDER"]
CALIBRATION = os.environ["PEER_CALIBRATION"]
# The key of the hash that identifies a person outside the registry.
PERSON_KEY = bytes.fromhex(os.environ["PEER_PERSON_KEY"])
USER = os.environ["PEER_USER"]
PASSWORD_SHA256 = bytes.fromhex(os.environ["PEER_PASSWORD_SHA256"])
API_KEY_SHA256 = bytes.fromhex(os.environ["PEER_API_KEY_SHA256"])
