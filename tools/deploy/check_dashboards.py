"""Checks Grafana's files: each panel must be complete and in its place, its expressions must be valid and use existing
metrics, and every metric of the service must be shown or alerted on."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

from known_metrics import declared, faults_and_metrics

FOLDER = pathlib.Path("deploy/grafana")
RULES = pathlib.Path("deploy/prometheus")
PANELS = {"row", "timeseries", "stat", "heatmap", "table", "bargauge"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

wrong, used, expressions = [], set(), []
recording = yaml.safe_load((RULES / "recording.rules.yml").read_text())
alerting = yaml.safe_load((RULES / "alerts.rules.yml").read_text())
rules = [rule for file in (recording, alerting) for group in file["groups"] for rule in group["rules"]]
recorded = {rule["record"] for rule in rules if "record" in rule}
for rule in rules:
    used |= faults_and_metrics(rule["expr"], recorded)[1]


def check_dashboard(file):
    dashboard = json.loads(file.read_text())
    where = file.name
    for key, kind in {"title": str, "uid": str, "schemaVersion": int, "panels": list, "time": dict}.items():
        if not isinstance(dashboard.get(key), kind):
            wrong.append(f"{where}: {key} is missing or has the wrong type")
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    ids, taken = set(), {}
    for panel in dashboard["panels"]:
        name = f"{where}, panel {panel.get('title')!r}"
        if panel["type"] not in PANELS:
            wrong.append(f"{name}: this check does not support the type {panel['type']}")
        if not panel.get("title") or panel["id"] in ids:
            wrong.append(f"{name}: it has no title, or another panel has its id")
        ids.add(panel["id"])
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            wrong.append(f"{name}: it is wider than the page")
        for cell in [(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])]:
            if taken.setdefault(cell, name) != name:
                wrong.append(f"{name}: it overlaps {taken[cell]}")
                break
        if panel["type"] == "row":
            continue
        if panel.get("datasource") != DATASOURCE or any(t.get("datasource") != DATASOURCE for t in panel["targets"]):
            wrong.append(f"{name}: its data source is not {DATASOURCE['uid']}")
        if len({target["refId"] for target in panel["targets"]}) != len(panel["targets"]) or not panel["targets"]:
            wrong.append(f"{name}: it has no queries, or two with the same refId")
        if panel["type"] in ("timeseries", "stat", "bargauge") and not panel["fieldConfig"]["defaults"].get("unit"):
            wrong.append(f"{name}: it has no unit")
        for target in panel["targets"]:
            check_expression(name, target["expr"], variables)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            expression = re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]["query"]).group(1)
            check_expression(f"{where}, variable {variable['name']}", expression, variables)
    return len(ids)


def check_expression(name, expression, variables):
    for variable in re.findall(r"\$\{?(\w+)", expression):
        if variable not in variables | {"__rate_interval"}:
            wrong.append(f"{name}: there is no variable ${variable}")
    plain = expression.replace("$__rate_interval", "5m")
    found, names = faults_and_metrics(plain, recorded)
    wrong.extend(f"{name}: {fault}" for fault in found)
    used.update(names)
    expressions.append((name, plain))


def check_with_promtool():
    group = {"name": "panels", "rules": [
        {"record": f"panel_{number}", "expr": expression} for number, (_, expression) in enumerate(expressions)
    ]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [group]}, file, width=1000)
        file.flush()
        result = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
    if result.returncode:
        wrong.append(result.stdout + result.stderr)


panels = sum(check_dashboard(file) for file in sorted(FOLDER.glob("*.dashboard.json")))
check_with_promtool()
for name in sorted(set(declared()) - used):
    wrong.append(f"{name} is neither shown nor alerted on")

datasources = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())
providers = yaml.safe_load((FOLDER / "provisioning/dashboards/padan.yml").read_text())
for entry, keys in [(d, ("name", "type", "access", "url")) for d in datasources["datasources"]] + [
    (p, ("name", "type", "options")) for p in providers["providers"]
]:
    wrong.extend(f"provisioning: {entry.get('name')} has no {key}" for key in keys if not entry.get(key))
if datasources["apiVersion"] != 1 or providers["apiVersion"] != 1:
    wrong.append("provisioning: apiVersion must be 1")

for fault in wrong:
    print(fault, file=sys.stderr)
print(f"{panels} panels and rows, {len(expressions)} expressions, {len(used)} of {len(declared())} metrics used")
sys.exit(bool(wrong))
