# GPL-3.0-or-later (see LICENSE)
"""Whether a node has a role as it was declared."""

from __future__ import annotations

from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._role_grants import declared_objects
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import NodeState
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import WantedRole


def check_role(row: dict[str, Any], role: WantedRole, node: NodeState) -> None:
    """row: what the task says; role: the same, typed."""
    assert (role.name in node.roles) is role.present
    if not role.present:
        return
    found = node.roles[role.name]
    assert all(found.attributes[name] is row[name] for name in ATTRIBUTES if row[name] is not None)
    assert row["connection_limit"] in (None, found.connection_limit) and row["password"] in (None, found.verifier)
    assert row["member_of"] is None or (set(row["member_of"]) == found.member_of if role.exclusive else set(row["member_of"]) <= found.member_of)
    for object, privileges in declared_objects(role, node).items():
        has = node.held(object, role.name).all
        if object.kind == "default tables" and object.name == role.name:
            continue
        assert privileges <= has
        if role.exclusive and node.owner_of(object) != role.name:
            assert privileges == has
