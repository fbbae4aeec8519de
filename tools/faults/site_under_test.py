"""The site that faults.sh starts: a service that is restarted when it ends, and the databases behind proxies."""

import asyncio
import contextlib
import os
import pathlib
import re
import subprocess

PADAN = os.environ["PADAN"]
WITH_FAULT_POINTS = os.environ["PADAN_FAULTS_PROGRAM"]
CONFIG = os.environ["PADAN_FAULTS_CONFIG"]
LOG = os.environ["PADAN_FAULTS_LOG"]
REGISTRY_PRIMARY = os.environ["PADAN_FAULTS_REGISTRY_PRIMARY"]
REGISTRY = os.environ["PADAN_FAULTS_REGISTRY"]
STORE = os.environ["PADAN_FAULTS_STORE"]
STORE_FILES = os.environ["PADAN_FAULTS_STORE_FILES"]
WORK = pathlib.Path(CONFIG).parent
PORT, ADMIN_PORT = 18380, 18390
BUDI = "3174011403870000"


def sql(url, statement):
    done = subprocess.run(
        ["psql", "--quiet", "--no-align", "--tuples-only", url, "--command", statement],
        capture_output=True, text=True, check=True,
    )
    return done.stdout.split()


def through(url, proxy):
    return re.sub(r"@[^/]*/", f"@127.0.0.1:{proxy.port}/", url)


class Service:
    """The process. When it ends, it is started again, as by a supervisor."""

    def __init__(self, registry, store):
        self.environment = os.environ | {
            "PADAN__REGISTRY__URLS": through(REGISTRY, registry),
            "PADAN__STORE__URL": through(STORE, store),
            "PADAN__HTTP__PORT": str(PORT),
            "PADAN__HTTP__ADMIN_PORT": str(ADMIN_PORT),
            "PADAN__HTTP__SHUTDOWN_DELAY_SECONDS": "0",
            "PADAN__VERIFICATION__FAILED_FACES__MOST": "0",
        }
        self.command = [PADAN]
        self.extra = {}
        self.process = None
        self.starts = 0
        self.supervision = None

    async def start(self):
        await self.launch()
        if self.process.poll() is not None:
            raise RuntimeError("the service does not start: " + logged()[-2000:])
        self.supervision = asyncio.create_task(self.supervise())

    async def stop(self):
        """Ends the process. It is not started again."""
        self.supervision.cancel()
        if self.process.poll() is None:
            self.process.terminate()
        await asyncio.to_thread(self.process.wait)

    async def change(self, command, extra):
        """Goes on with another program or environment."""
        await self.stop()
        self.command, self.extra = command, extra
        await self.start()

    async def launch(self):
        command = [*self.command, "serve", "--config", CONFIG]
        with open(LOG, "ab") as log:
            self.process = subprocess.Popen(command, env=self.environment | self.extra, stderr=log)
        self.starts += 1
        for _ in range(600):
            with contextlib.suppress(OSError, IndexError):
                if await self.readiness() == 200:
                    return
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.1)
        else:
            raise RuntimeError("the service does not become ready: " + logged()[-2000:])

    async def supervise(self):
        while True:
            while self.process.poll() is None:
                await asyncio.sleep(0.05)
            await self.launch()
            await asyncio.sleep(0.5)

    async def readiness(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", ADMIN_PORT)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: padan\r\nConnection: close\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return int(line.split(b" ")[1])


def logged():
    return pathlib.Path(LOG).read_text(encoding="utf-8", errors="replace")


class Site:
    def __init__(self, registry, store, service):
        self.registry, self.store, self.service = registry, store, service
        # What a fault found, for the lines below the table.
        self.seen = []
        # What should not be.
        self.problems = []
        # When the fault began, if its function first restarts the service, which is not counted.
        self.began = 0.0
        # When the fault ended, if that is not when its function returned.
        self.healed = None
        # Control groups, to be removed when the service has left them.
        self.groups = []

    def expect(self, holds, what):
        if not holds:
            self.problems.append(what)
