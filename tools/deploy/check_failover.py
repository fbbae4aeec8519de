"""Checks that deploy/patroni/patroni.yml, deploy/haproxy/store.cfg and the settings of the store agree with each other."""

import pathlib
import re
import sys
import tomllib

import yaml

PATRONI = pathlib.Path("deploy/patroni/patroni.yml")
BALANCER = pathlib.Path("deploy/haproxy/store.cfg")
UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}

patroni = yaml.safe_load(PATRONI.read_text())
balancer = re.sub(r"#.*", "", BALANCER.read_text())
store = tomllib.loads(pathlib.Path("config/default.toml").read_text())["store"]
dcs = patroni["bootstrap"]["dcs"]
wrong = []


def expect(holds, fault):
    if not holds:
        wrong.append(fault)


def timeout(name):
    number, unit = re.search(rf"^\s*timeout {name} (\d+)(\w+)", balancer, re.MULTILINE).groups()
    return int(number) * UNITS[unit]


# What no answered request may be lost for.
expect(dcs["synchronous_mode"] is True, f"{PATRONI}: synchronous_mode must be true")
parameters = dcs["postgresql"]["parameters"] | patroni["postgresql"]["parameters"]
for name in ("fsync", "full_page_writes", "synchronous_commit"):
    expect(name not in parameters, f"{PATRONI}: {name} must keep its default")
expect(dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"], f"{PATRONI}: loop_wait + 2 x retry_timeout > ttl")
expect(parameters["ssl"] == "on", f"{PATRONI}: ssl must be on")
for line in patroni["postgresql"]["pg_hba"]:
    kind, method = line.split()[0], line.split()[-1]
    expect(kind in ("local", "hostssl") and method == "scram-sha-256", f"{PATRONI}: pg_hba: {line}")
secrets = [entry["password"] for entry in patroni["postgresql"]["authentication"].values()]
secrets.append(patroni["restapi"]["authentication"]["password"])
for secret in secrets:
    expect(secret.startswith("REPLACE"), f"{PATRONI}: a password is not marked for replacement")

# HAProxy must ask Patroni, and must not close connections that Padan keeps.
address, rest_port = patroni["postgresql"]["connect_address"], patroni["restapi"]["connect_address"].rsplit(":", 1)[1]
servers = re.findall(r"^\s*server (\S+) (\S+)$", balancer, re.MULTILINE)
expect((patroni["name"], address) in servers, f"{BALANCER}: no server {patroni['name']} {address}")
expect(f"check port {rest_port}" in balancer, f"{BALANCER}: the checks do not ask port {rest_port}")
expect("on-marked-down shutdown-sessions" in balancer, f"{BALANCER}: sessions with a former primary stay open")
expect(timeout("connect") < store["connect_timeout_ms"], f"{BALANCER}: timeout connect >= store.connect_timeout_ms")
for name in ("client", "server"):
    expect(timeout(name) > store["idle_timeout_ms"], f"{BALANCER}: timeout {name} <= store.idle_timeout_ms")

for fault in wrong:
    print(fault, file=sys.stderr)
print(f"{len(servers)} servers of the store in {BALANCER}")
sys.exit(bool(wrong))
