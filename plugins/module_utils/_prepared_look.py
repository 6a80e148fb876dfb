# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Prepared transactions: one query on each data node, all of them at once, then two on the access node for all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared import Known, Prepared, is_ours
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

PREPARED = """
SELECT gid, owner::text AS owner, prepared, extract(epoch FROM now() - prepared)::float AS age_seconds
  FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared, gid
"""
_NODE = f"""
SELECT (SELECT jsonb_agg(to_jsonb(p)) FROM ({PREPARED}) AS p) AS transactions, pg_is_in_recovery() AS in_recovery,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       (SELECT value FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid') AS dist_uuid
"""

# The status first, the records in a statement of its own: what commits between the two is in progress for us, and never without its record.
#
# What is not below xmax has not ended, or, with an access node that was restored from a backup, has not begun. A gid has the xid without its epoch:
# of the transactions that it may stand for, it is the last one before xmax, unless that one is further away than PostgreSQL can count.
_STATUS = """
SELECT gid, CASE WHEN behind = 0 OR behind >= 2147483648 THEN 'in progress' WHEN xmax - behind > 2 THEN txid_status(xmax - behind) END AS status
  FROM (SELECT gid, xmax, (xmax - split_part(gid, '-', 3)::bigint + 4294967296) %% 4294967296 AS behind
          FROM unnest(%s::text[]) AS g (gid), txid_snapshot_xmax(txid_current_snapshot()) AS xmax) AS counted
"""
_RECORDS = "SELECT remote_transaction_id AS gid FROM _timescaledb_catalog.remote_txn WHERE remote_transaction_id = ANY (%s)"
_SERVERS = "SELECT srvname::text AS node_name, oid::bigint AS server FROM pg_foreign_server WHERE srvname::text = ANY (%s)"

_PARALLEL = 16


@dataclass(frozen=True)
class NodeAnswer:
    """What a data node said; reason: why it did not, or why nothing can be ended there."""

    node: DataNode
    transactions: tuple[Prepared, ...] = ()
    superuser: bool = False
    reason: str = ""


def ask_nodes(module: AnsibleModule, access_node: AccessNode, nodes: list[DataNode], connect_timeout: int) -> list[NodeAnswer]:
    """The answer of each of the nodes. Never raises."""
    if not nodes:
        return []
    with ThreadPoolExecutor(max_workers=min(_PARALLEL, len(nodes))) as pool:
        return list(pool.map(lambda node: _ask(module, access_node, node, connect_timeout), nodes))


def _ask(module: AnsibleModule, access_node: AccessNode, node: DataNode, connect_timeout: int) -> NodeAnswer:
    connection, reason = reach_node(module, access_node, node.endpoint, connect_timeout)
    if connection is None:
        return NodeAnswer(node, reason=f"no connection as role {access_node.login_role(node.endpoint)}: {reason.rstrip('.')}")
    try:
        row = connection.run(Statement(_NODE), f'data node "{node.node_name}"')[0]
    except ClusterError as error:
        return NodeAnswer(node, reason=error.cause)
    finally:
        connection.close()
    return _answer(access_node, node, row)


def _answer(access_node: AccessNode, node: DataNode, row: dict[str, Any]) -> NodeAnswer:
    if row["dist_uuid"] != access_node.uuid:
        return NodeAnswer(node, reason="the database there is no data node of this cluster")
    if row["in_recovery"]:
        return NodeAnswer(node, reason="the server there is a standby")
    transactions = tuple(Prepared(node.node_name, **transaction) for transaction in row["transactions"] or ())
    return NodeAnswer(node, transactions, row["superuser"])


def known_of(connection: Connection, gids: list[str]) -> dict[str, Known]:
    """What the access node knows of the transactions that it prepared, by gid."""
    ours = sorted(set(filter(is_ours, gids)))
    if not ours:
        return {}
    subject = "prepared transactions"
    status = {row["gid"]: row["status"] for row in connection.run(Statement(_STATUS, values=(ours,)), subject)}
    recorded = {row["gid"] for row in connection.run(Statement(_RECORDS, values=(ours,)), subject)}
    return {gid: Known(status[gid], gid in recorded) for gid in ours}


def servers_of(connection: Connection, names: list[str]) -> dict[str, int]:
    """The oids of the data nodes' foreign servers by their names."""
    return {row["node_name"]: row["server"] for row in connection.run(Statement(_SERVERS, values=(names,)), "data nodes")}
