# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for a distributed hypertable that must not be there. No I/O."""

from __future__ import annotations

from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_planner import HypertablePlanner


class Removal(HypertablePlanner):
    """DROP TABLE, which TimescaleDB sends to all data nodes. What is no distributed hypertable is left alone."""

    def decide(self) -> None:
        found = self.found
        if found.kind is None:
            return
        if found.replication_factor is None:
            self.warnings.append("there is a table of that name that is not distributed; it is left alone")
            return
        if found.replication_factor < 1:
            self.refuse("it is a data node's part of a distributed hypertable", "log in to the access node")
            return
        if not found.may_change:
            self.refuse("the role does not own it", "log in as its owner or as a superuser")
        if found.has_chunks and not self.wanted.drop_data:
            self.refuse("it is to be dropped, and it has chunks", "set drop_data to drop it with all its rows, or leave it out")
        if found.dependents:
            self.refuse(f"it is to be dropped, and {', '.join(found.dependents)} depend on it", "drop what depends on it first")
        reason = "it is not wanted and has chunks" if found.has_chunks else "it is not wanted and has no chunks"
        danger = "all its rows go, on all data nodes" if found.has_chunks else ""
        self.ddl("drop", reason, "DROP TABLE {relation_schema}.{relation}", needs=found.data_nodes, danger=danger)
