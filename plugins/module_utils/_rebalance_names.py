# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Tells before the first move of chunks that TimescaleDB cannot copy for the name of their hypertable."""

from __future__ import annotations

from collections import defaultdict

from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import RebalancePlan
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Hypertable, Observed
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

_COMPRESSED = "SELECT DISTINCT hypertable_id FROM _timescaledb_catalog.chunk WHERE id = ANY (%s) AND status & 1 = 1"


def check_names(connection: Connection, plan: RebalancePlan, observed: Observed) -> None:
    """Raise where compressed chunks are to be moved of a hypertable whose name another compressed one has in another schema.

    TimescaleDB looks for the place of the compressed part by the name alone, and finds two (chunk_copy_create_dest_empty_compressed_chunk() in
    tsl/src/chunk_copy.c).
    """
    names: dict[str, list[Hypertable]] = defaultdict(list)
    for table in observed.hypertables.values():
        if table.compression:
            names[table.relation].append(table)
    shared = {table.id: tables for tables in names.values() if len(tables) > 1 for table in tables}
    chunks = [move.chunk.id for move in plan.moves if move.hypertable.id in shared]
    if not chunks:
        return
    errors = []
    for row in connection.run(Statement(_COMPRESSED, values=(chunks,)), "access node"):
        table = observed.hypertables[row["hypertable_id"]]
        others = ", ".join(f'"{other.schema}"."{other.relation}"' for other in shared[table.id] if other is not table)
        subject = f'distributed hypertable "{table.schema}"."{table.relation}"'
        cause = f"TimescaleDB cannot copy its compressed chunks as long as {others} has the same name and is compressed as well"
        errors.append(ClusterError(subject, cause, "ALTER TABLE ... RENAME one of them while chunks are moved, or decompress the chunks"))
    raise_all(errors)
