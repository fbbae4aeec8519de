"""The program and its surroundings: folders, databases on other machines, arguments."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import attacked_site as site

NOBODY = 65534


def library_of_the_current_folder():
    """A library and models in a folder that is the current one when somebody runs the program there."""
    with tempfile.TemporaryDirectory() as folder:
        planted = pathlib.Path(folder, ".deps/onnxruntime/libonnxruntime.so")
        planted.parent.mkdir(parents=True)
        pathlib.Path(folder, ".deps/models").symlink_to(site.ROOT / ".deps/models")
        marker = pathlib.Path(folder, "loaded")
        source = pathlib.Path(folder, "evil.c")
        source.write_text(f'#include <stdio.h>\n__attribute__((constructor)) void run(void) {{ fopen("{marker}", "w"); }}\n')
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(planted), str(source)], check=True)
        if os.geteuid() == 0:
            for path in [pathlib.Path(folder), *pathlib.Path(folder).rglob("*")]:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        # A program that is installed, not one of a checkout, whose own library is found first.
        installed = pathlib.Path(folder, "bin/padan")
        installed.parent.mkdir()
        shutil.copy(site.PADAN, installed)
        photo = str(site.ROOT / "people/images/101_s1.jpg")
        env = {"PATH": "/usr/bin:/bin", "HOME": folder}
        for words in (["compare", photo, photo], ["doctor"], ["serve", "--config", site.CONFIG]):
            try:
                subprocess.run([installed, *words], cwd=folder, env=env, capture_output=True, timeout=20, check=False)
            except subprocess.TimeoutExpired:
                pass
            if marker.exists():
                return False, f"`padan {words[0]}` ran the planted library"
        return True, "no command ran the planted library"


def plaintext_to_a_database():
    """URLs of databases on other machines, without TLS that is checked."""
    weak = ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require", "?host=203.0.113.7"]
    accepted = []
    for section in ("store.url", "registry.urls"):
        for parameters in weak:
            url = f"postgres://padan@203.0.113.7/padan{parameters}"
            done = site.padan("config", "check", "--set", f"{section}={url}")
            said = done.stdout + done.stderr
            # Refused for another reason is not refused for this one.
            if done.returncode == 0 or "sslmode" not in said:
                accepted.append(f"{section} {parameters or 'without sslmode'}")
    return not accepted, f"accepted: {', '.join(accepted) or 'none'} of {2 * len(weak)}"


def plaintext_to_callers():
    """Requests without TLS on an address that others reach."""
    accepted = []
    for address in ("0.0.0.0", "::", "203.0.113.7"):
        done = site.padan("config", "check", "--set", f"http.address={address}")
        # Refused for another reason is not refused for this one.
        if done.returncode == 0 or "http.allow_plaintext" not in done.stdout + done.stderr:
            accepted.append(address)
    return not accepted, f"accepted: {', '.join(accepted) or 'none'} of 3 addresses"


def connections_to_others():
    """To whom a service that serves is connected: only to its databases."""
    site.send(site.face_form())
    sockets = {os.readlink(link) for link in pathlib.Path(f"/proc/{site.PROCESS}/fd").iterdir() if link.exists()}
    databases = {int(re.search(r":(\d+)/", url)[1]) for url in (site.REGISTRY_URL, site.STORE_URL)}
    others, established = set(), "01"
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in pathlib.Path("/proc/net", table).read_text().splitlines()[1:]:
            _, here, there, state, *_, inode = line.split()[:10]
            local, remote = (int(end.split(":")[1], 16) for end in (here, there))
            if f"socket:[{inode}]" in sockets and state == established and local not in (site.PORT, site.ADMIN_PORT):
                others |= {remote} - databases
    return not others, f"other ports to which it is connected: {sorted(others) or 'none'}"


def niks_in_arguments():
    """Whether a NIK can be given so that `ps` does not show it."""
    done = site.padan("audit", "export", "--nik", "-", stdin=site.BUDI["nik"] + "\n")
    said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    return done.returncode == 0, f"`padan audit export --nik -`: {said[:80]}"


ATTACKS = [
    ("program: a library in the current folder", library_of_the_current_folder),
    ("program: databases on other machines without TLS", plaintext_to_a_database),
    ("program: requests without TLS beyond the loopback", plaintext_to_callers),
    ("program: connections to others than the databases", connections_to_others),
    ("program: NIKs in arguments", niks_in_arguments),
]
