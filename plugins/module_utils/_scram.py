# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""SCRAM-SHA-256 verifiers as PostgreSQL keeps them, so that the password itself never reaches a server. No I/O.

Form: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> (src/common/scram-common.c of PostgreSQL).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from contextlib import suppress

from ansible_collections.community.postgresql.plugins.module_utils.saslprep import saslprep

_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d{1,10}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]{44}):([A-Za-z0-9+/=]{44})")
# PostgreSQL's own figures: SCRAM_DEFAULT_ITERATIONS, SCRAM_DEFAULT_SALT_LEN.
_ITERATIONS, _SALT_BYTES = 4096, 16


def is_verifier(text: str) -> bool:
    """Whether PostgreSQL takes the text for a verifier and keeps it as it is."""
    return _VERIFIER.fullmatch(text) is not None


def scram_verifier(password: str) -> str:
    """A new verifier of the password, with a salt of its own."""
    return _verifier(password, secrets.token_bytes(_SALT_BYTES), _ITERATIONS)


def scram_verifier_like(password: str, salt: str | None) -> str:
    """The verifier that a server keeps which has that password already, so that the two can be compared; else a new one.

    Args:
        salt: iterations and salt as the server's verifier has them, C(4096:c2FsdA==). They are no secret.
    """
    iterations, _colon, encoded = (salt or "").partition(":")
    if not encoded or not iterations.isdigit() or not 0 < int(iterations) < 10**7:
        return scram_verifier(password)
    try:
        return _verifier(password, base64.b64decode(encoded, validate=True), int(iterations))
    except binascii.Error:
        return scram_verifier(password)


def verifies(password: str, verifier: str | None) -> bool:
    """Whether a login with this password would succeed at a server that has this verifier."""
    match = _VERIFIER.fullmatch(verifier or "")
    if match is None:
        return False
    try:
        salt = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(_verifier(password, salt, int(match[1])), match[0])


def _verifier(password: str, salt: bytes, iterations: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(hashlib.sha256(client_key).digest())}:{_text(server_key)}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _prepared(password: str) -> bytes:
    """As libpq prepares it: what SASLprep refuses is taken as it is (pg_saslprep() in src/common/saslprep.c)."""
    if not password.isascii():
        with suppress(ValueError):
            password = saslprep(password) or password
    # What is no UTF-8 reaches Python in this disguise.
    return password.encode("utf-8", "surrogateescape")
