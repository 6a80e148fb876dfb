# GPL-3.0-or-later (see LICENSE)
"""Certificates for the tests, by openssl: one authority for each folder."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path


def openssl(*arguments: object, folder: Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj", f"/CN={name}",
            "-keyout", "ca.key", "-out", "ca.crt", folder=folder)  # fmt: skip


def issue(folder: Path, file: str, common_name: str, address: str = "127.0.0.1") -> None:
    """Key and certificate of the folder's authority; as a server's it is for the address."""
    subject = "/CN=" + common_name.replace("/", "\\/")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
            "-keyout", f"{file}.key", "-out", f"{file}.csr", folder=folder)  # fmt: skip
    (folder / f"{file}.ext").write_text(f"subjectAltName = IP:{address}\n")
    openssl("x509", "-req", "-in", f"{file}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", 1, "-extfile", f"{file}.ext",
            "-out", f"{file}.crt", folder=folder)  # fmt: skip
    (folder / f"{file}.key").chmod(0o600)


def md5(role: str) -> str:
    """The name under which TimescaleDB looks for a role's files."""
    return hashlib.md5(role.encode()).hexdigest()
