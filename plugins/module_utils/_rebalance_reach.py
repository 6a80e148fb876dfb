# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Proves that data nodes can fetch chunks from each other, before the first one is moved.

A data node that takes a chunk logs in to the one that has it by a subscription, with the connection string that the access node would use itself
(remote_connection_get_connstr() in tsl/src/remote/connection.c): address, role and paths of files are the access node's, what is in the files is the
data node's own. So the data node is made to create such a subscription without a slot, which logs in and does no more, in a transaction that is
rolled back. Nothing stays of it on either node.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import RebalancePlan
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Secret, Statement

_PARALLEL = 16
_SECONDS = 10

# The log must not have a password that a user mapping may hold. The server tries to connect for as long as it takes, whatever connect_timeout says.
_QUIETLY = """
SELECT set_config(name, setting, true) FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('statement_timeout', %s))
    AS local (name, setting)
"""
_TELL = "SELECT set_config('timescaledb_multinode.connection', %s, true), set_config('timescaledb_multinode.refusal', '', true)"
# Errors are caught here, for the server's log would show the statement with the connection. The publication need not be there.
_TRY = """
DO $$
BEGIN
  EXECUTE format('CREATE SUBSCRIPTION timescaledb_multinode_reach CONNECTION %L PUBLICATION timescaledb_multinode_reach'
                 ' WITH (create_slot = false, enabled = false, copy_data = false)', current_setting('timescaledb_multinode.connection'));
EXCEPTION WHEN query_canceled OR OTHERS THEN
  PERFORM set_config('timescaledb_multinode.refusal', SQLERRM, true);
END $$
"""
_REFUSAL = "SELECT current_setting('timescaledb_multinode.refusal') AS refusal"

_NETWORK = "open the way from the host of {destination} to this address, which must mean the same node there as on the access node"
_REMEDIES = (
    ("statement timeout", _NETWORK),
    ("no password supplied", "give the role a line for it in {passfile} on the host of {destination}, by running deploy on all hosts"),
    ("password authentication failed", "make the password in {passfile} on the host of {destination} the role's on {source}, by running deploy on all hosts"),
    ("pg_hba.conf", "let the host of {destination} in, in pg_hba.conf of {source}, by running deploy on all hosts"),
    ("ertificate", "give the host of {destination} the role's certificate, its key and the authority's at the paths they have on the access node"),
    ("SSL", "have all data nodes use ssl as the access node does, by running deploy on all hosts"),
    ("walsender", "give the role REPLICATION on {source}"),
    ("max_wal_senders", "raise max_wal_senders on {source} and restart it"),
    ("does not exist", "create it on {source}"),
    ("", _NETWORK),
)


def check_reach(module: AnsibleModule, connection: Connection, access_node: AccessNode, plan: RebalancePlan) -> None:
    """Raise where a data node that shall take chunks cannot log in to one that has them."""
    sources: dict[str, set[str]] = defaultdict(set)
    for move in plan.moves:
        sources[move.destination].add(move.source)
    if not sources:
        return

    def ask(destination: str) -> ClusterError | None:
        nodes = [access_node.data_nodes[name] for name in sorted(sources[destination])]
        return _check(module, access_node, access_node.data_nodes[destination], nodes)

    with ThreadPoolExecutor(min(_PARALLEL, len(sources))) as pool:
        raise_all([error for error in pool.map(ask, sorted(sources)) if error])


def _check(module: AnsibleModule, access_node: AccessNode, destination: DataNode, sources: list[DataNode]) -> ClusterError | None:
    """The first that it cannot log in to; what is wrong with one is mostly wrong with all."""
    subject = f'data node "{destination.node_name}"'
    raw, reason = reach_node(module, access_node, destination.endpoint, _SECONDS)
    if raw is None:
        return ClusterError(subject, f"no connection: {reason}", "start the node", str(destination.endpoint))
    with closing(raw) as connection:
        for source in sources:
            login = copy_login(access_node, source)
            refusal = refusal_of(connection, conninfo(login), subject)
            if refusal:
                name = f'data node "{source.node_name}"'
                cause = f'it cannot log in to {name} at {source.endpoint} as "{login["user"]}", as it has to for chunks that come from there: {refusal}'
                remedy = next(text for fragment, text in _REMEDIES if fragment in refusal)
                return ClusterError(subject, cause, remedy.format(destination=subject, source=name, passfile=login["passfile"]), str(destination.endpoint))
    return None


def copy_login(access_node: AccessNode, source: DataNode) -> dict[str, Any]:
    """What the access node has a data node log in with; relative paths are left to that node's server."""
    settings, data_directory = access_node.settings, access_node.settings.get("data_directory", "")
    login: dict[str, Any] = dict(host=source.endpoint.host, port=source.endpoint.port, dbname=source.endpoint.database, user=access_node.role)
    login.update(source.endpoint.login)
    login["passfile"] = settings.get("timescaledb.passfile") or os.path.join(data_directory, "passfile")
    if settings.get("ssl") == "on":
        login["sslmode"] = "require"
        if settings.get("ssl_ca_file"):
            login["sslrootcert"] = settings["ssl_ca_file"]
        directory = settings.get("timescaledb.ssl_dir") or os.path.join(data_directory, "timescaledb", "certs")
        certificate = os.path.join(directory, hashlib.md5(login["user"].encode(), usedforsecurity=False).hexdigest())
        login.update(sslcert=f"{certificate}.crt", sslkey=f"{certificate}.key")
    return login


def conninfo(login: dict[str, Any]) -> Secret:
    """As libpq reads it."""

    def quoted(value: Any) -> str:
        return str(value).replace("\\", "\\\\").replace("'", "\\'")

    return Secret(" ".join(f"{name}='{quoted(value)}'" for name, value in login.items()))


def refusal_of(connection: Connection, login: Secret, subject: str, seconds: int = _SECONDS) -> str:
    """Why the server of the connection cannot log in there; empty where it can."""
    connection.run(Statement("BEGIN"), subject)
    try:
        connection.run(Statement(_QUIETLY, values=(f"{seconds}s",)), subject)
        connection.run(Statement(_TELL, values=(login,)), subject)
        connection.run(Statement(_TRY), subject)
        refusal = connection.run(Statement(_REFUSAL), subject)[0]["refusal"]
    finally:
        connection.run(Statement("ROLLBACK"), subject)
    return " ".join(refusal.removeprefix("could not connect to the publisher: ").split())
