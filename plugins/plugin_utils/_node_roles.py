# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What follows for hosts from the roles that a cluster declares: whom data nodes let in, and by which password. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.timescaledb.multinode.plugins.module_utils._scram import is_verifier

Declared = Sequence[Mapping[str, Any]]


def node_roles(declared: Declared, further: Sequence[str] = (), without: str = "") -> list[str]:
    """Names of the roles as which the access node reaches data nodes: those declared that can log in, and further ones.

    In one order, whatever the order of the declaration, so that files that name them stay as they are.

    Args:
        without: a role that is let in anyway.
    """
    return sorted(({role["name"] for role in declared if _logs_in(role)} | set(further)) - {without})


def node_passwords(declared: Declared, given: Mapping[str, str]) -> dict[str, str]:
    """Passwords by which the access node logs in to data nodes, by role: those given, and those that are declared as such.

    A verifier proves a password to the server and cannot be used to log in.
    """
    passwords = {role["name"]: role["password"] for role in declared if _logs_in(role) and role.get("password") and not is_verifier(role["password"])}
    return dict(sorted((passwords | dict(given)).items()))


def _logs_in(role: Mapping[str, Any]) -> bool:
    if role.get("state", "present") != "present":
        return False
    login = role.get("login")
    return bool(role.get("distributed_hypertables_in")) if login is None else boolean(login)
