# GPL-3.0-or-later (see LICENSE)
"""The secrets of a run, and where they are in what has been seen."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# What a secret is decides where it may be.
PASSWORD, KEY, VERIFIER, HASH, PLANTED = "password", "private key", "verifier", "hash", "planted"


@dataclass(frozen=True)
class Finding:
    """A secret where it was seen."""

    secret: str
    kind: str
    channel: str
    place: str

    def __str__(self) -> str:
        return f"{self.secret} ({self.kind}) in {self.channel}: {self.place}"


@dataclass
class Canaries:
    """All secrets by their value. New ones can be learned at any time: what has been seen is kept and searched at the end."""

    _known: dict[str, tuple[str, str]] = field(default_factory=dict)

    def make(self, name: str, kind: str = PASSWORD) -> str:
        """A value that is nowhere else, and looks the same in YAML, JSON, SQL, a shell and a URL."""
        value = f"Canary{secrets.token_hex(12)}"
        self.learn(name, kind, value)
        return value

    def learn(self, name: str, kind: str, value: str) -> None:
        if len(value) < 16:
            raise ValueError(f"{name}: too short to be told from other text")
        self._known.setdefault(value, (name, kind))

    def learn_keys(self, name: str, text: str) -> None:
        """Private keys as PEM: the first line of each body."""
        for body in re.findall(r"-----BEGIN [A-Z ]+-----\n(?:[\w-]+: .*\n|\n)*([A-Za-z0-9+/=]+)\n", text):
            self.learn(name, KEY, body)

    def spellings(self) -> dict[bytes, tuple[str, str]]:
        """As it is, in hexadecimal, in Base64 wherever it begins, and as hashes that are quick to compute, by which passwords can be tried out."""
        return {spelling: what for value, what in self._known.items() for spelling in _spellings(value.encode())}

    def search(self, channel: str, seen: list[tuple[str, bytes]]) -> set[Finding]:
        """seen: place and content."""
        known = self.spellings()
        # One line each, whose number says where it is from.
        lines = b"\n".join(content.replace(b"\n", b"\r") for _place, content in seen)
        found = (match.split(b":", maxsplit=1) for match in self._grep(["--line-number", "-"], lines))
        return {Finding(*known[match], channel, seen[int(number) - 1][0]) for number, match in found}

    def search_files(self, channel: str, paths: dict[Path, str]) -> set[Finding]:
        """paths: those of this machine, each with its place."""
        known = self.spellings()
        found = []
        for first in range(0, len(paths), 500):
            some = [str(path) for path in list(paths)[first : first + 500]]
            found += [match.split(b"\0", maxsplit=1) for match in self._grep(["--null", "--with-filename", "--", *some])]
        return {Finding(*known[match], channel, paths[Path(os.fsdecode(path))]) for path, match in found}

    def _grep(self, arguments: list[str], stdin: bytes = b"") -> list[bytes]:
        """Hundreds of patterns in hundreds of megabytes are nothing for a module of Python's."""
        patterns = os.memfd_create("patterns")
        os.write(patterns, b"\n".join(self.spellings()))
        command = ["grep", "--text", "--only-matching", "--fixed-strings", "--no-messages", f"--file=/proc/self/fd/{patterns}", *arguments]
        try:
            done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, pass_fds=[patterns], env={"LC_ALL": "C"}, check=False)
        finally:
            os.close(patterns)
        if done.returncode > 1 and not done.stdout and stdin:
            raise RuntimeError("grep failed")
        return done.stdout.splitlines()


def _spellings(value: bytes) -> set[bytes]:
    # The first and the last characters depend on what is beside it.
    encoded = {base64.b64encode(b"x" * shift + value)[(4 if shift else 0) : -4] for shift in range(3)}
    hashes = {hashlib.new(name, value, usedforsecurity=False).hexdigest().encode() for name in ("md5", "sha1", "sha256")}
    return {value, value.hex().encode(), *encoded, *hashes}
