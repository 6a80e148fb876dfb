# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a server keeps of a role's password, reckoned on the controller. No I/O."""

from __future__ import annotations

import hashlib

from ansible_collections.timescaledb.multinode.plugins.module_utils._scram import scram_verifier_like


def scram_verifier(password: object, salt: str = "") -> str:
    """The verifier of this password; see scram_verifier_like().

    Args:
        password: also one that is text only when it is asked for it, as that of a vault.
    """
    return scram_verifier_like(str(password), salt)


def verifier_digest(verifier: str) -> str:
    """What probe.sh of the role timescaledb_host says of a role's verifier, so that it can be known again without being seen.

    Who reads the digest can try passwords as slowly as who reads the verifier, and cannot log in with it.
    """
    return hashlib.sha256(verifier.encode()).hexdigest()
