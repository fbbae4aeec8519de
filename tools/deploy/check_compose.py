"""Checks deploy/compose.yaml: it must follow the schema of compose files, mount only files that exist, and restrict
each service as its first lines promise. Usage: `check_compose.py SCHEMA`"""

import json
import pathlib
import re
import sys

import jsonschema
import yaml

FILE = pathlib.Path("deploy/compose.yaml")
# Created on each machine, by make-secrets.sh.
SECRETS = "./compose/secrets/"
MAKES_SECRETS = pathlib.Path("deploy/compose/make-secrets.sh").read_text()

compose = yaml.safe_load(FILE.read_text())
schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
validator = jsonschema.Draft7Validator(schema)
wrong = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(compose)]

for name, secret in compose["secrets"].items():
    if not re.search(rf"[ \n]{re.escape(secret['file'].removeprefix(SECRETS))}[ \n;]", MAKES_SECRETS):
        wrong.append(f"make-secrets.sh does not create the secret {name}")
used = {secret for service in compose["services"].values() for secret in service.get("secrets", [])}
wrong += [f"the secret {name} is not declared" for name in used - compose["secrets"].keys()]
wrong += [f"no service uses the secret {name}" for name in compose["secrets"].keys() - used]

for name, service in compose["services"].items():
    if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
        wrong.append(f"{name} can write to its image or has capabilities")
    if "no-new-privileges:true" not in service.get("security_opt", []):
        wrong.append(f"{name} may gain privileges")
    if not service.get("mem_limit") or not service.get("pids_limit"):
        wrong.append(f"{name} has no limit for memory or processes")
    if "build" not in service and not re.search(r":[\w.-]*\d", service["image"]):
        wrong.append(f"{name} names no version of its image")
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            if not (FILE.parent / source).exists():
                wrong.append(f"{name} mounts {source}, which does not exist")
            if not volume.endswith(":ro"):
                wrong.append(f"{name} may write to {source}")
        elif source not in compose["volumes"]:
            wrong.append(f"{name} mounts the undeclared volume {source}")
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            wrong.append(f"{name} opens {port} to the network")

provider = yaml.safe_load(pathlib.Path("deploy/grafana/provisioning/dashboards/padan.yml").read_text())
folder = provider["providers"][0]["options"]["path"]
if not any(volume.split(":")[1].startswith(f"{folder}/") for volume in compose["services"]["grafana"]["volumes"]):
    wrong.append(f"Grafana is configured to read dashboards from {folder}, where none is mounted")

for fault in wrong:
    print(fault, file=sys.stderr)
print(f"{len(compose['services'])} services, {len(compose['secrets'])} secrets")
sys.exit(bool(wrong))
