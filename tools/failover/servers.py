"""Two servers of the store under Patroni, with etcd and HAProxy, from the files in deploy/."""

import json
import os
import pathlib
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ["PADAN_FAILOVER_FOLDER"])
PROGRAMS = os.environ["PADAN_FAILOVER_PROGRAMS"]
USER, GROUP = int(os.environ["PADAN_FAILOVER_USER"]), int(os.environ["PADAN_FAILOVER_GROUP"])
FIRST_PORT = int(os.environ.get("PADAN_FAILOVER_PORT", "18500"))
BALANCER, ETCD, ETCD_PEER = FIRST_PORT + 2, FIRST_PORT + 3, FIRST_PORT + 4
PASSWORDS = {name: secrets.token_hex(16) for name in ("RESTAPI", "SUPERUSER", "REPLICATION", "REWIND")}
# Longer than two servers need to start, on a busy machine.
PATIENCE = 120


def start(command, folder, log):
    """Starts a program as the user of the servers, who owns the folder."""
    as_user = {} if os.getuid() else {"user": USER, "group": GROUP, "extra_groups": []}
    environment = os.environ | {"HOME": str(folder), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    output = open(FOLDER / log, "ab")
    return subprocess.Popen(
        command, cwd=folder, stdout=output, stderr=output, env=environment, start_new_session=True, **as_user
    )


def own(path):
    if not os.getuid():
        os.chown(path, USER, GROUP)


def make_folder(name):
    folder = FOLDER / name
    folder.mkdir(mode=0o700)
    own(folder)
    return folder


def make_certificate():
    """A certificate for this machine, signed by itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=store",
         "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", FOLDER / "store.key", "-out", FOLDER / "store.crt"],
        check=True, capture_output=True,
    )
    for name in ("store.key", "store.crt"):
        os.chmod(FOLDER / name, 0o600 if name.endswith("key") else 0o644)
        own(FOLDER / name)


class Server:
    """PostgreSQL and its Patroni."""

    def __init__(self, name, number):
        self.name, self.folder = name, make_folder(name)
        self.port, self.rest_port = FIRST_PORT + 10 + number, FIRST_PORT + 20 + number
        text = (ROOT / "deploy/patroni/patroni.yml").read_text(encoding="utf-8")
        replacements = {
            "name: store-a": f"name: {name}",
            "10.1.0.31:2379,10.1.0.32:2379,10.1.0.33:2379": f"127.0.0.1:{ETCD}",
            "10.1.0.21:8008": f"127.0.0.1:{self.rest_port}",
            "10.1.0.21:5432": f"127.0.0.1:{self.port}",
            "/var/lib/postgresql/15/store.pgpass": f"{self.folder}/pgpass",
            "/var/lib/postgresql/15/store": f"{self.folder}/data",
            "/usr/lib/postgresql/15/bin": PROGRAMS,
            "/var/run/postgresql": str(self.folder),
            "/etc/patroni": str(FOLDER),
            "10.1.0.0/24": "127.0.0.1/32",
        } | {f"REPLACE-{name}": password for name, password in PASSWORDS.items()}
        for old, new in replacements.items():
            if old not in text:
                raise RuntimeError(f"deploy/patroni/patroni.yml has no {old!r}")
            text = text.replace(old, new)
        self.config = self.folder / "patroni.yml"
        self.config.write_text(text, encoding="utf-8")
        self.config.chmod(0o600)
        own(self.config)
        self.patroni = None

    def start(self):
        self.patroni = start(["patroni", self.config], self.folder, f"{self.name}.log")

    def postgres(self):
        """The process of PostgreSQL; None while there is none."""
        try:
            process = int((self.folder / "data/postmaster.pid").read_text().split()[0])
            os.kill(process, 0)
        except (OSError, ValueError, IndexError):
            return None
        return process

    def processes(self):
        """All processes of the server: PostgreSQL's own ones first, so that none starts another."""
        postgres = self.postgres()
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(postgres)], capture_output=True, text=True, check=False
        ).stdout.split() if postgres else []
        return [self.patroni.pid, *([postgres] if postgres else []), *map(int, children)]

    def signal_all(self, number):
        for process in self.processes():
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """As if the machine had lost its power."""
        self.signal_all(signal.SIGKILL)
        self.patroni.wait()

    def status(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest_port}/patroni", timeout=1) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (OSError, ValueError):
            return {}


class Servers:
    def __init__(self):
        make_certificate()
        etcd = make_folder("etcd")
        client, peer = f"http://127.0.0.1:{ETCD}", f"http://127.0.0.1:{ETCD_PEER}"
        self.etcd_command = [
            "etcd", "--data-dir", etcd / "data", "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        ]
        self.etcd_folder = etcd
        self.etcd = None
        self.all = [Server("store-a", 0), Server("store-b", 1)]
        self.balancer = None

    def start_etcd(self):
        self.etcd = start(self.etcd_command, self.etcd_folder, "etcd.log")

    def start(self):
        self.start_etcd()
        time.sleep(2)
        for server in self.all:
            server.start()
        text = (ROOT / "deploy/haproxy/store.cfg").read_text(encoding="utf-8")
        text = text.replace("bind 127.0.0.1:5000", f"bind 127.0.0.1:{BALANCER}").replace(" check port 8008", " check")
        for server, address in zip(self.all, ("10.1.0.21:5432", "10.1.0.22:5432")):
            assert address in text, address
            text = text.replace(address, f"127.0.0.1:{server.port} port {server.rest_port}")
        path = FOLDER / "haproxy.cfg"
        path.write_text(text, encoding="utf-8")
        own(path)
        self.wait_until_whole()
        self.balancer = start(["haproxy", "-f", path], FOLDER, "haproxy.log")

    def stop(self):
        for server in self.all:
            if server.patroni:
                server.signal_all(signal.SIGCONT)
                server.kill()
        for process in (self.balancer, self.etcd):
            if process:
                process.kill()
                process.wait()

    def primary(self):
        return next((server for server in self.all if server.status().get("role") in ("master", "primary")), None)

    def standby(self):
        primary = self.primary()
        return next(server for server in self.all if server is not primary)

    def is_whole(self):
        """One primary, which commits to the other server."""
        primary = self.primary()
        replicas = primary.status().get("replication", []) if primary else []
        return [replica.get("sync_state") for replica in replicas] == ["sync"]

    def wait_until_whole(self):
        began = time.monotonic()
        while not self.is_whole():
            if time.monotonic() - began > PATIENCE:
                raise RuntimeError(f"there is no primary with a synchronous standby: {[s.status() for s in self.all]}")
            time.sleep(0.5)

    def switch_over(self):
        """The planned exchange of primary and standby."""
        primary, standby = self.primary(), self.standby()
        manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        url = f"http://127.0.0.1:{primary.rest_port}/switchover"
        manager.add_password(None, url, "patroni", PASSWORDS["RESTAPI"])
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
        body = json.dumps({"leader": primary.name, "candidate": standby.name}).encode()
        opener.open(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=60).read()
