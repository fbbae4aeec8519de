"""Makes a Postman collection (format 2.1) from the OpenAPI document.

    postman.py            writes docs/padan.postman_collection.json
    postman.py --check    fails if the file is not current

The document is the snapshot that a test of crates/http-api compares with the one that a service gives out.
"""

import hashlib
import json
import pathlib
import sys
import uuid

SNAPSHOT = pathlib.Path("crates/http-api/src/snapshots/padan_http_api__openapi__tests__openapi.snap")
COLLECTION = pathlib.Path("docs/padan.postman_collection.json")
FORM, JSON = "multipart/form-data", "application/json"
# The variables of the collection and their values in `make demo`. Photos are those of the demo's person.
VARIABLES = {"baseUrl": "http://127.0.0.1:8080", "username": "demo", "password": "demo", "apiKey": "demo"}
PHOTOS = {"stored_image": "people/images/101_id.jpg"}
SELFIE = "people/images/101_s1.jpg"
TEST = """const documented = {statuses};
pm.test("the status is documented", () => pm.expect(documented).to.include(pm.response.code));
pm.test("the request has succeeded", () => pm.response.to.have.status(200));
pm.test("the answer is JSON and has its id and code", () => {{
    pm.response.to.be.json;
    pm.response.to.have.header("Request-Id");
    pm.response.to.have.header("Reason-Code");
}});"""


def read_document():
    return json.loads(SNAPSHOT.read_text().split("---\n", 2)[2])


def stable_id(*words):
    """An id that stays the same as long as its subject does."""
    return str(uuid.UUID(bytes=hashlib.sha256("\n".join(words).encode()).digest()[:16], version=5))


def resolve(document, schema):
    for key in schema.get("$ref", "#").split("/")[1:]:
        document = document[key]
    return document if "$ref" in schema else schema


def example(name, field):
    """The text of a field. A photo in base64 is a variable, since the collection contains no photo."""
    if field.get("format") == "byte":
        return "{{" + name + "_base64}}"
    return field.get("examples", [""])[0]


def form_field(name, field, required):
    entry = {"key": name, "description": field.get("description", "")}
    if field.get("format") == "binary":
        return entry | {"type": "file", "src": PHOTOS.get(name, SELFIE)}
    text = example(name, field)
    # An empty field would be refused, so fields without an example are off until somebody fills them in.
    return entry | {"type": "text", "value": text} | ({} if text or required else {"disabled": True})


def body(media, schema):
    required = schema.get("required", [])
    if media == FORM:
        fields = [form_field(name, field, name in required) for name, field in schema["properties"].items()]
        return {"mode": "formdata", "formdata": fields}
    texts = {name: example(name, field) for name, field in schema["properties"].items()}
    texts = {name: text for name, text in texts.items() if text}
    raw = json.dumps(texts, indent=2, ensure_ascii=False)
    return {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}


def request(document, path, operation, media):
    schema = resolve(document, operation["requestBody"]["content"][media]["schema"])
    headers = [{"key": "x-api-key", "value": "{{apiKey}}", "description": "The client's API key."}]
    if media == JSON:
        headers.append({"key": "Content-Type", "value": JSON})
    return {
        "method": "POST",
        "header": headers,
        "url": {"raw": "{{baseUrl}}" + path, "host": ["{{baseUrl}}"], "path": path.strip("/").split("/")},
        "description": operation["description"],
        "body": body(media, schema),
    }


def answers(path, operation, sent):
    """The documented answers, one for each reason."""
    return [
        {
            "id": stable_id(path, status, code),
            "name": f"{status} {code}",
            "originalRequest": sent,
            "status": code,
            "code": int(status),
            "_postman_previewlanguage": "json",
            "header": [{"key": "Content-Type", "value": JSON}, {"key": "Reason-Code", "value": code}],
            "body": json.dumps(documented["value"], ensure_ascii=False, separators=(",", ":")),
        }
        for status, response in sorted(operation["responses"].items())
        for code, documented in response["content"][JSON].get("examples", {}).items()
    ]


def item(document, path, operation, media):
    sent = request(document, path, operation, media)
    bare = {"method": "POST", "header": [], "url": sent["url"]}
    statuses = json.dumps([int(status) for status in sorted(operation["responses"])])
    return {
        "id": stable_id(path, media),
        "name": operation["summary"] + (", in JSON" if media == JSON else ""),
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": TEST.format(statuses=statuses).split("\n")}}],
        "request": sent,
        "response": answers(path, operation, bare) if media == FORM else [],
    }


def collection(document):
    folders = []
    for tag in document["tags"]:
        operations = [(path, entry["post"]) for path, entry in document["paths"].items() if tag["name"] in entry["post"]["tags"]]
        items = [item(document, path, operation, media) for path, operation in operations for media in (FORM, JSON)]
        folders.append({"id": stable_id(tag["name"]), "name": tag["name"], "description": tag["description"], "item": items})
    basic = [{"key": name, "value": "{{" + name + "}}", "type": "string"} for name in ("username", "password")]
    return {
        "info": {
            "_postman_id": stable_id(document["info"]["title"]),
            "name": document["info"]["title"],
            "description": "Made by tools/clients/postman.py. Set the variables of the collection. Photos are files of the "
            "checkout of Padan: choose yours, or make the checkout Postman's working directory. For the requests in JSON, "
            "set variables such as face_image_base64 to photos in base64. Passive liveness needs a service with a "
            "liveness set.",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {"type": "basic", "basic": basic},
        "variable": [{"key": name, "value": value} for name, value in VARIABLES.items()],
        "item": folders,
    }


def main():
    text = json.dumps(collection(read_document()), indent=1, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        COLLECTION.write_text(text)
    elif not COLLECTION.exists() or COLLECTION.read_text() != text:
        sys.exit(f"{COLLECTION} is not current: run python3 -B tools/clients/postman.py")
    else:
        print(f"{COLLECTION} is current")


if __name__ == "__main__":
    main()
