# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""A look at data nodes themselves, before anything is changed; all of them at once.

The access node's own checks come late, one node at a time, and leave some things out (max_prepared_transactions of a node that
add_data_node() bootstraps: the first distributed write then fails).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Callable, TypeVar

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Secret, Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import FIRST_WITH_MULTINODE, FIRST_WITHOUT_MULTINODE, Release

_Asked, _Answer = TypeVar("_Asked"), TypeVar("_Answer")

# add_data_node() tries these two in turn (bootstrap_databases in tsl/src/data_node.c).
_BOOTSTRAP_DATABASES = ("postgres", "template1")
_PARALLEL = 16

_SERVER = """
SELECT current_setting('server_version_num')::int / 10000 AS postgresql_major,
       current_setting('max_prepared_transactions')::int AS max_prepared_transactions,
       current_setting('timescaledb.license', true) AS license, pg_is_in_recovery() AS in_recovery,
       d.datname IS NOT NULL AS database_exists, pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS collation, d.datctype AS ctype,
       e.extversion AS extension_version, current_setting('is_superuser') = 'on' AS superuser
  FROM (SELECT) AS always
  LEFT JOIN pg_database d ON d.datname = %s
  LEFT JOIN pg_extension e ON e.extname = 'timescaledb' AND current_database() = d.datname
"""

# Without its library the server knows a licence only where somebody has set one. An Apache edition is a build without the second
# library (APACHE_ONLY in CMakeLists.txt). Who may not see files has the library loaded, which tells the build's own licence.
_EDITION = """
SELECT CASE WHEN (pg_stat_file(format('%%s/timescaledb-%%s.so', setting, %s), true)).size IS NOT NULL
             AND (pg_stat_file(format('%%s/timescaledb-tsl-%%s.so', setting, %s), true)).size IS NULL THEN 'apache' END AS license
  FROM pg_config WHERE name = 'PKGLIBDIR'
"""
_LOAD_LIBRARIES = "SET timescaledb.disable_load = off"
_LICENSE = "SELECT current_setting('timescaledb.license', true) AS license"

# Slow to ask (the last reads every control file of the server), so they are asked only where the database or the extension is to be made.
_INSTALLABLE = r"""
SELECT (SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user) AS may_create_database,
       (SELECT setting ~ '\mtimescaledb\M' FROM pg_settings WHERE name = 'shared_preload_libraries') AS preloaded,
       (SELECT array_agg(version::text) FROM pg_available_extension_versions WHERE name = 'timescaledb') AS available_versions
"""

_MEMBERSHIP = """
SELECT (SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'uuid') AS uuid,
       (SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid') AS dist_uuid,
       EXISTS (SELECT FROM pg_foreign_server) AS has_foreign_servers
"""

# Only former members and other access nodes have these. replication_factor = -1 marks the node's part of a distributed hypertable.
_HOLDINGS = """
SELECT (SELECT count(*) FROM _timescaledb_catalog.hypertable WHERE replication_factor = -1) AS distributed_members,
       (SELECT count(*) FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
         WHERE f.fdwname = 'timescaledb_fdw') AS own_data_nodes
"""


@dataclass(frozen=True)
class NodeLook:
    """What was seen at a data node's endpoint. Only unreachable and reason are set where nobody answered.

    preloaded is None where the extension need not be made or the role may not see shared_preload_libraries. license is None where nobody set it
    and nothing speaks against the full edition.
    maintenance_database is another database of that server that lets us in, looked for only where one is needed: to create or drop
    the node's database.
    """

    unreachable: bool = False
    reason: str = ""
    postgresql_major: int = 0
    max_prepared_transactions: int = 0
    license: str | None = None
    preloaded: bool | None = None
    in_recovery: bool = False
    available_versions: tuple[str, ...] = ()
    database_exists: bool = False
    encoding: str | None = None
    collation: str | None = None
    ctype: str | None = None
    may_create_database: bool = False
    release: Release | None = None
    uuid: str | None = None
    dist_uuid: str | None = None
    distributed_members: int = 0
    own_data_nodes: int = 0
    maintenance_database: str | None = None


@dataclass(frozen=True)
class LookRequest:
    """Whom to look at and how to log in there."""

    endpoint: Endpoint
    password: Secret | None = field(default=None, compare=False)
    connect_timeout: int = 10
    needs_maintenance_database: bool = False


def look_at_nodes(module: AnsibleModule, access_node: AccessNode, requests: list[LookRequest]) -> dict[Endpoint, NodeLook]:
    """Look at all endpoints side by side; a dead one costs its timeout once, not once per node."""
    looks = side_by_side(lambda request: _look(module, access_node, request), requests)
    return {request.endpoint: look for request, look in zip(requests, looks)}


def silent_nodes(module: AnsibleModule, access_node: AccessNode, names: Iterable[str], connect_timeout: int = 10) -> dict[str, str]:
    """Those of the registered data nodes that do not let the access node in, with the reason. All are asked side by side."""
    nodes = [access_node.data_nodes[name] for name in sorted(set(names) & set(access_node.data_nodes))]

    def reason(node: DataNode) -> str:
        connection, reason = reach_node(module, access_node, node.endpoint, connect_timeout)
        if connection is not None:
            connection.close()
        return reason

    return {node.node_name: why for node, why in zip(nodes, side_by_side(reason, nodes)) if why}


def side_by_side(ask: Callable[[_Asked], _Answer], whom: list[_Asked]) -> list[_Answer]:
    """The answers in the order of those asked, who are asked at the same time."""
    if not whom:
        return []
    # What most runs do not need is not imported beforehand.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(_PARALLEL, len(whom))) as pool:
        return list(pool.map(ask, whom))


def _look(module: AnsibleModule, access_node: AccessNode, request: LookRequest) -> NodeLook:

    def connect(endpoint: Endpoint) -> tuple[Connection | None, str]:
        return reach_node(module, access_node, endpoint, request.connect_timeout, password=request.password)

    # libpq waits for at least two seconds, and counts whole ones: up to one less than asked for.
    silence = max(request.connect_timeout, 2) - 1
    started = monotonic()
    connection, reason = connect(request.endpoint)
    if connection is None and monotonic() - started >= silence:
        return NodeLook(unreachable=True, reason=reason)  # nobody answers there: another database would only take as long again
    look = None
    if connection is not None:
        look = _read(connection, request)
        if not request.needs_maintenance_database:
            return look
    # The database may not be there yet: then a neighbour tells. libpq gives no error code that would say so.
    for database in _BOOTSTRAP_DATABASES:
        neighbour, _reason = connect(replace(request.endpoint, database=database))
        if neighbour is not None:
            seen = _read(neighbour, request)
            look = replace(look or seen, maintenance_database=database)
            break
    if look is None or (connection is None and look.database_exists):
        return NodeLook(unreachable=True, reason=reason)
    return look


def _read(connection: Connection, request: LookRequest) -> NodeLook:
    subject = "data node"
    try:
        row: dict[str, Any] = connection.run(Statement(_SERVER, values=(request.endpoint.database,)), subject)[0]
        version, superuser = row.pop("extension_version"), row.pop("superuser")
        if version is None or request.needs_maintenance_database:
            row.update(connection.run(Statement(_INSTALLABLE), subject)[0])
        if version and row["license"] is None and superuser:
            row.update(connection.run(Statement(_EDITION, values=(version, version)), subject)[0])
        elif version and row["license"] is None:
            connection.run(Statement(_LOAD_LIBRARIES), subject)
            row.update(connection.run(Statement(_LICENSE), subject)[0])
        release = Release.parse(version) if version else None
        # Other releases lack hypertable.replication_factor, and are refused whatever they are part of.
        has_multinode = release is not None and FIRST_WITH_MULTINODE <= release < FIRST_WITHOUT_MULTINODE
        if has_multinode:
            row.update(connection.run(Statement(_MEMBERSHIP), subject)[0])
            if row.pop("has_foreign_servers") or row["dist_uuid"]:
                row.update(connection.run(Statement(_HOLDINGS), subject)[0])
    finally:
        connection.close()
    row["available_versions"] = tuple(row.get("available_versions") or ())
    return NodeLook(**row, release=release)
