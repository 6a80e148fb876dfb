# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""By which a file with passwords is compared with what it should be. Ansible shows it and keeps it in facts, so that it is salted, and slow
to compute for whoever would like to try passwords. The servers compute it in SQL, in probe.sh of the role timescaledb_host. No I/O.
"""

from __future__ import annotations

import hashlib

# As often as PostgreSQL hashes a password for its SCRAM verifier.
_ROUNDS = 4096


def passfile_digest(content: str, seen: str | None) -> str:
    """The digest of the content with the salt of one that was seen, so that the two can be compared; empty where none was seen.

    Args:
        seen: salt and digest in hexadecimal, with a colon between them.
    """
    salt, colon, _digest = (seen or "").partition(":")
    if not colon:
        return ""
    digest = (salt + content).encode()
    for _round in range(_ROUNDS):
        digest = hashlib.sha256(digest).digest()
    return f"{salt}:{digest.hex()}"
