"""Checks Prometheus's rules: their metrics must exist in the source, and each alert needs tests and a chapter in the
runbook."""

import pathlib
import sys

import yaml

from known_metrics import LIST, SOURCE, declared, declared_in_source, faults_and_metrics

FOLDER = pathlib.Path("deploy/prometheus")
RUNBOOK = pathlib.Path("docs/runbook.md")

wrong = []
recording = yaml.safe_load((FOLDER / "recording.rules.yml").read_text())
alerting = yaml.safe_load((FOLDER / "alerts.rules.yml").read_text())
recorded = [rule["record"] for group in recording["groups"] for rule in group["rules"]]
alerts = [rule for group in alerting["groups"] for rule in group["rules"]]
chapters = {line[3:].strip() for line in RUNBOOK.read_text().splitlines() if line.startswith("## ")}

for rule in [rule for group in recording["groups"] for rule in group["rules"]] + alerts:
    name = rule.get("record") or rule["alert"]
    wrong += [f"{name}: {fault}" for fault in faults_and_metrics(rule["expr"], recorded)[0]]

fires, silent = set(), set()
for file in sorted((FOLDER / "tests").glob("*.yml")):
    for case in yaml.safe_load(file.read_text())["tests"]:
        for test in case.get("alert_rule_test", []):
            (fires if test.get("exp_alerts") else silent).add(test["alertname"])

for alert in alerts:
    name = alert["alert"]
    if alert.get("labels", {}).get("severity") not in ("critical", "warning"):
        wrong.append(f"{name} has no severity of critical or warning")
    if not alert.get("annotations", {}).get("summary"):
        wrong.append(f"{name} has no summary")
    if alert.get("annotations", {}).get("runbook") != f"{RUNBOOK}#{name.lower()}":
        wrong.append(f"{name} does not point to its chapter, {RUNBOOK}#{name.lower()}")
    if name not in chapters:
        wrong.append(f"{RUNBOOK} has no chapter {name}")
    if name not in fires:
        wrong.append(f"no test case in {FOLDER}/tests expects {name} to fire")
    if name not in silent:
        wrong.append(f"no test case in {FOLDER}/tests expects {name} not to fire")
for name in fires - {alert["alert"] for alert in alerts}:
    wrong.append(f"a test case in {FOLDER}/tests is about {name}, but there is no such alert")

metrics = {name: entry for name, entry in declared().items() if name.startswith("padan_")}
for name, entry in declared_in_source().items():
    if metrics.get(name) != entry:
        wrong.append(f"{name} is {entry} in {SOURCE}, but {metrics.get(name)} in {LIST}")
wrong += [f"{name} is in {LIST}, but not in {SOURCE}" for name in metrics.keys() - declared_in_source().keys()]

for fault in wrong:
    print(fault, file=sys.stderr)
print(f"{len(recorded)} recorded rules, {len(alerts)} alerts; {len(declared_in_source())} metrics in the source")
sys.exit(bool(wrong))
