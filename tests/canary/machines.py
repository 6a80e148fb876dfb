# GPL-3.0-or-later (see LICENSE)
"""What is to be seen on the test hosts: files, the journal, what servers are asked, and the secrets that came to be there."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from canaries import HASH, VERIFIER, Canaries

PROJECT = "timescaledb-multinode-canary"
HOSTS = ("access", "data1", "data2", "standby1")
# All but what is the kernel's, the programs of packages, and the repository of the tests.
FOLDERS = ("/etc", "/var", "/root", "/home", "/tmp", "/run", "/dev/shm", "/opt", "/usr/local", "/boot", "/media", "/mnt")
WATCH = (Path(__file__).resolve().parent / "watch.py").read_text()
KEYS = "cat /etc/timescaledb-multinode.ssl/*.key 2>/dev/null"
HASHES = "for program in md5sum sha1sum sha256sum; do $program </etc/timescaledb-multinode.passfile | cut -d ' ' -f 1; done 2>/dev/null"
VERIFIERS = "SELECT unnest(string_to_array(split_part(rolpassword, '$', 3), ':')) FROM pg_authid WHERE rolpassword IS NOT NULL"


def on(host: str, *command: str, user: str = "root", stdin: bytes = b"") -> bytes:
    run = ["docker", "exec", "--interactive", "--user", user, f"{PROJECT}-{host}", *command]
    return subprocess.run(run, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout


def shell(host: str, script: str, user: str = "root") -> str:
    return on(host, "/bin/sh", "-c", script, user=user).decode()


def learn(canaries: Canaries) -> None:
    """The secrets that hosts have made themselves: private keys, what servers keep of passwords, and by what passwords could be tried out."""
    for host in HOSTS:
        canaries.learn_keys(f"a private key of {host}", shell(host, KEYS))
        for digest in shell(host, HASHES).splitlines():
            canaries.learn(f"a hash of the passfile of {host}", HASH, digest)
        for key in on(host, "psql", "-XAtq", "-c", VERIFIERS, user="postgres").decode().splitlines():
            canaries.learn(f"a password's verifier on {host}", VERIFIER, key)


def files(host: str, canaries: Canaries) -> list[tuple[str, bytes]]:
    """Each file with a secret in it, with its attributes, and the secret."""
    patterns = b"\n".join(canaries.spellings())
    # Devices and the like are left out, from which one would read for ever.
    found = on(host, "env", "LC_ALL=C", "grep", "-raoFZ", "--devices=skip", "-f", "-", *FOLDERS, stdin=patterns)
    # A file's name ends with a zero byte, the match behind it with the line.
    matches = {tuple(line.split(b"\0", maxsplit=1)) for line in found.splitlines() if b"\0" in line}
    attributes = {path: _attributes(host, path.decode()) for path, _match in matches}
    return [(f"{host}:{path.decode()} {attributes[path]}", match) for path, match in sorted(matches)]


def _attributes(host: str, path: str) -> str:
    return on(host, "stat", "--format=%a %U", path).decode().strip()


def journal(host: str) -> list[tuple[str, bytes]]:
    return [(f"{host}:journal", on(host, "journalctl", "--no-pager", "--all", "--output=export"))]


class Watches:
    """One program on each host, which notes what its server is asked."""

    def __init__(self) -> None:
        self._seen: list[tuple[str, bytes]] = []
        self._programs = []
        for host in HOSTS:
            command = ["docker", "exec", "--interactive", f"{PROJECT}-{host}", "/usr/bin/python3", "-c", WATCH]
            program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            threading.Thread(target=self._collect, args=(host, program), daemon=True).start()
            self._programs.append(program)

    def _collect(self, host: str, program: subprocess.Popen[bytes]) -> None:
        for line in program.stdout or ():
            self._seen.append((f"{host}: {line.split(maxsplit=1)[0].decode(errors='replace')} ...", line))

    def stop(self) -> list[tuple[str, bytes]]:
        for program in self._programs:
            if program.stdin:
                program.stdin.close()
            program.wait()
        return self._seen
