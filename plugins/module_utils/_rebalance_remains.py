# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a copy operation left on one data node while the node at its other end was dead, when TimescaleDB's own clean-up, which asks both, cannot help.

A slot keeps its server from removing WAL until the disk is full, a subscription tries to connect every few seconds for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import PREFIX
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

# A subscription's first copy of a table has a slot of its own (ReplicationSlotNameForTablesync() in PostgreSQL's tablesync.c), which is of no use to
# anybody where the database publishes nothing any more.
_ORPHANED = "NOT active AND slot_name ~ '^pg_[0-9]+_sync_[0-9]+_[0-9]+$' AND NOT EXISTS (SELECT FROM pg_publication)"
# Names of ours, and those that TimescaleDB gives.
_NAMED = f"~ '^({PREFIX}|ts_copy_)'"
# The other two catalogues show this database's only, or say so by name.
_SUBSCRIPTIONS = "pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
# An array, for a query on a data node. The database is one cluster's alone.
REMAINS = f"""
ARRAY (SELECT subname::text FROM {_SUBSCRIPTIONS} AND subname {_NAMED}
       UNION SELECT pubname::text FROM pg_publication WHERE pubname {_NAMED}
       UNION SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database() AND (slot_name {_NAMED} OR ({_ORPHANED}))
        ORDER BY 1)
"""

# By the access node's number of the chunk, which TimescaleDB puts into its name, tables on a data node that are no chunks there: of a copy that was given
# up before it was attached (ts_chunk_create_only_table() in src/chunk.c makes no entry in the catalogue).
HALF_COPIES = r"""
SELECT n.nspname::text AS schema, c.relname::text AS relation FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relname ~ ('^_dist_hyper_[0-9]+_' || %s || '_chunk$') AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
   AND NOT EXISTS (SELECT FROM _timescaledb_catalog.chunk k WHERE k.schema_name = n.nspname AND k.table_name = c.relname)
"""

_SUBSCRIBED = f"SELECT subname FROM {_SUBSCRIPTIONS} AND subname = %s"
# To drop it, the server would connect to the other end, and wait for as long as the network says nothing.
_UNSUBSCRIBE = (
    "ALTER SUBSCRIPTION {name} DISABLE",
    "ALTER SUBSCRIPTION {name} SET (slot_name = NONE)",
    "ALTER SUBSCRIPTION {name} CONNECTION 'host=/nowhere'",
    "DROP SUBSCRIPTION {name}",
)
_END_SENDER = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s AND database = current_database() AND active"
_DROP_SLOTS = f"""
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
 WHERE database = current_database() AND (slot_name = %s OR ({_ORPHANED}))
"""
_ATTEMPTS = 10
_PASSING = ("is active for PID", "deadlock detected", "lock timeout")


def drop_remains(node: Connection, operation_id: str) -> None:
    """Drop the subscription, the publication and the slots of an operation on one data node, without a word to any other."""
    subject = f'copy operation "{operation_id}"'
    if node.run(Statement(_SUBSCRIBED, values=(operation_id,)), subject):
        for command in _UNSUBSCRIBE:
            node.run(Statement(command, {"name": operation_id}), subject)
    node.run(Statement("DROP PUBLICATION IF EXISTS {name}", {"name": operation_id}), subject)

    def drop_slots() -> None:
        node.run(Statement(_END_SENDER, values=(operation_id,)), subject)
        node.run(Statement(_DROP_SLOTS, values=(operation_id,)), subject)

    patiently(drop_slots)


def drop_half_copy(node: Connection, schema: str, relation: str) -> None:
    """Drop a chunk that the access node does not know of there. The connection has the extension's libraries, which keep its catalogue right."""
    node.run(Statement("DROP TABLE IF EXISTS {schema}.{relation}", {"schema": schema, "relation": relation}), f'chunk "{schema}"."{relation}"')


def patiently(act: Callable[[], object]) -> None:
    """Do it, again and again while what keeps it from being done passes by itself: the slot of a copy that was ended may be in use for a moment longer."""
    for attempt in range(_ATTEMPTS):
        try:
            act()
            return
        except ClusterError as error:
            if attempt == _ATTEMPTS - 1 or not any(text in error.cause for text in _PASSING):
                raise
            sleep(1)
