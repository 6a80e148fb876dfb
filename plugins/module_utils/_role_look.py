# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Reads roles, schemas and extensions from the access node and, side by side, from all data nodes: one query each."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_queries import JOBS_OF_ROLES, STATE_OF_ACCESS_NODE, STATE_OF_DATA_NODE
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import (
    ACCESS_NODE,
    Extension,
    Held,
    NodeState,
    Owned,
    Relation,
    Role,
    Schema,
)
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Secret, Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import WantedRoles

_PARALLEL = 16

# Where it is on, the access node sends CREATE SCHEMA, grants on schemas and databases and default privileges to data nodes as well
# (tsl/src/remote/dist_ddl.c); this collection goes to them itself.
_ONLY_HERE = "SET timescaledb_experimental.enable_distributed_ddl = off"


@dataclass(frozen=True)
class Asked:
    """A data node to be read.

    Args:
        beside: another database of its server, to be asked where its own is yet to be made.
    """

    node: DataNode
    password: Secret | None = None
    connect_timeout: int = 10
    beside: str | None = None


def available_nodes(module: AnsibleModule, access_node: AccessNode) -> list[Asked]:
    """The registered data nodes that are available. Raises ClusterError where the option connect_timeout is out of its range."""
    connect_timeout = module.params["connect_timeout"]
    if connect_timeout < 1:
        raise ClusterError("option connect_timeout", f"it is {connect_timeout}", "choose 1 or more seconds")
    return [Asked(node, connect_timeout=connect_timeout) for name, node in sorted(access_node.data_nodes.items()) if node.available]


def observe_nodes(module: AnsibleModule, connection: Connection, access_node: AccessNode, wanted: WantedRoles, asked: list[Asked]) -> list[NodeState]:
    """Read the access node, which comes first, and these data nodes. Raises ClusterError(s), one for each node that cannot be read."""
    if not access_node.superuser:
        raise ClusterError(
            "access node", f"role {access_node.role} is no superuser, and others cannot see password verifiers", "log in as a superuser", connection.name
        )
    connection.run(Statement(_ONLY_HERE), "session of the access node")
    here = _state(connection, None, wanted, {extension.name: extension.version for extension in wanted.extensions})
    versions = {extension.name: extension.version or _version(here.extensions[extension.name]) for extension in wanted.extensions}

    def ask(one: Asked) -> NodeState | ClusterError:
        node = one.node
        endpoint = replace(node.endpoint, database=one.beside) if one.beside else node.endpoint
        there, reason = reach_node(module, access_node, endpoint, one.connect_timeout, password=one.password)
        role = access_node.role if one.password else access_node.login_role(endpoint)
        subject = f'data node "{node.node_name}"'
        if there is None:
            remedy = "start the node, see that the access node may log in there, or mark it as not available"
            return ClusterError(subject, f"no connection as role {role}: {reason.rstrip('.')}", remedy, str(node.endpoint))
        try:
            state = replace(_state(there, node, wanted, versions), password=one.password)
            return _yet_to_be_made(state) if one.beside else state
        except ClusterError as error:
            if "permission denied" not in error.cause:
                return error
            return ClusterError(subject, f"role {role} is no superuser there", "ALTER ROLE ... SUPERUSER there", str(node.endpoint))
        finally:
            there.close()

    answers: list[NodeState | ClusterError] = []
    if asked:
        with ThreadPoolExecutor(max_workers=min(_PARALLEL, len(asked))) as pool:
            answers = list(pool.map(ask, asked))
    raise_all([answer for answer in answers if isinstance(answer, ClusterError)])
    return [here, *(answer for answer in answers if isinstance(answer, NodeState))]


def _yet_to_be_made(state: NodeState) -> NodeState:
    """A database as add_data_node() makes it, seen from another one of its server: the same roles, and of schemas only public."""
    return replace(
        state,
        database=state.endpoint.database if state.endpoint else state.database,
        schemas={name: schema for name, schema in state.schemas.items() if name == "public"},
        extensions={name: replace(extension, version=None) for name, extension in state.extensions.items()},
        relations={},
        acl={object: held for object, held in state.acl.items() if object == Object("schema", "", "public")},
    )


def _version(extension: Extension) -> str | None:
    return extension.version or extension.target


def _state(connection: Connection, node: DataNode | None, wanted: WantedRoles, versions: dict[str, str | None]) -> NodeState:
    subject = f'data node "{node.node_name}"' if node else ACCESS_NODE
    dropped = [role.name for role in wanted.roles if not role.present]
    values = (
        wanted.role_names(),
        dropped,
        wanted.schema_names(),
        [schema.name for schema in wanted.schemas if not schema.present],
        wanted.relation_schemas(),
        list(versions),
        [version or "" for version in versions.values()],
    )
    row = connection.run(Statement(STATE_OF_DATA_NODE if node else STATE_OF_ACCESS_NODE, values=values), subject)[0]
    state = _parsed(row, node)
    # Not part of the one query: the stand-in of the tests has no jobs, and a query cannot leave a table out.
    if dropped and connection.run(Statement("SELECT to_regclass('_timescaledb_config.bgw_job') IS NOT NULL AS jobs"), subject)[0]["jobs"]:
        for job in connection.run(Statement(JOBS_OF_ROLES, values=(dropped,)), subject):
            state.owned[job["role"]] = replace(state.owned[job["role"]], jobs=tuple(job["sample"]))
    return state


def _parsed(row: dict[str, Any], node: DataNode | None) -> NodeState:
    state = NodeState(
        name=node.node_name if node else ACCESS_NODE,
        endpoint=node.endpoint if node else None,
        server=row["server"],
        database=row["database"],
        login=row["login"],
        roles={name: _role(entry) for name, entry in (row["roles"] or {}).items()},
        owned={name: Owned(entry["objects"], _tuple(entry["sample"]), _tuple(entry["elsewhere"])) for name, entry in (row["owned"] or {}).items()},
        schemas={name: Schema(entry["owner"], entry["objects"], _tuple(entry["sample"])) for name, entry in (row["schemas"] or {}).items()},
        extensions={name: Extension(**entry) for name, entry in (row["extensions"] or {}).items()},
        relations={
            Object(kind, schema, name): Relation(owner, None if nodes is None else frozenset(nodes))
            for kind, schema, name, owner, nodes in row["relations"] or ()
        },
    )
    for kind, schema, name, role, privileges, by_owner in row["acl"] or ():
        state.acl.setdefault(Object(kind, schema, name), {})[role] = Held(frozenset(privileges), frozenset(by_owner or ()))
    for role, data_node, has_password in row["mappings"] or ():
        state.mappings.setdefault(role, {})[data_node] = has_password
    return state


def _role(entry: dict[str, Any]) -> Role:
    verifier = None if entry["verifier"] is None else Secret(entry["verifier"])
    return Role(entry["attributes"], entry["connection_limit"], verifier, set(entry["member_of"] or ()))


def _tuple(values: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(values or ())
