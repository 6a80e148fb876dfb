# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for a distributed hypertable that is there. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.timescaledb.multinode.plugins.module_utils import _interval
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._compression import compression_on
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_planner import Call, HypertablePlanner, missing_indexes
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Dimension, Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import WantedHypertable

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding


class Change(HypertablePlanner):
    """Every drift that TimescaleDB can undo; the others are errors.

    Args:
        holding: where its chunks are; needed where it is to be detached from a data node. Afterwards: where they will be.
    """

    def __init__(self, wanted: WantedHypertable, found: Table, access_node: AccessNode, interval: int | None, holding: Holding | None) -> None:
        super().__init__(wanted, found, access_node, interval)
        self.holding = holding

    def decide(self) -> None:
        if self.found.replication_factor is None:
            self.refuse(
                "it is a hypertable, but not a distributed one",
                "create a new distributed hypertable, copy the rows with INSERT ... SELECT, and rename the two",
            )
            return
        if self.found.replication_factor < 1:
            self.refuse("it is a data node's part of a distributed hypertable", "log in to the access node")
            return
        self.check_nodes()
        time, space = self.found.time, self.found.space
        if not self.found.may_change:
            self.refuse("the role does not own it", "log in as its owner or as a superuser")
        if time is None or time.column != self.wanted.time_column_name:
            self._fixed("time column", time.column if time else None, self.wanted.time_column_name)
        if self.wanted.partitioning_column is not None and (space is None or space.column != self.wanted.partitioning_column):
            self._fixed("partitioning column", space.column if space else None, self.wanted.partitioning_column)
        self.check_interval(time.type if time else None)
        if self.errors:
            return
        if self.new_nodes():
            # attach_data_node() logs in to the data node as the owner.
            self._change_owner()
        self._set_interval()
        self._set_factor(lower=True)
        self._attach()
        self._detach()
        # A data node that leaves the cluster may lack the new owner.
        self._change_owner()
        self._set_factor(lower=False)
        self._set_partitions()
        if self.wanted.create_default_indexes and missing_indexes(self.after):
            self._check_available("create its default indexes", self.after.data_nodes)
            for columns in missing_indexes(self.after):
                self._create_index(columns)

    def _change_owner(self) -> None:
        if self.wanted.owner not in (None, self.after.owner):
            self._check_available("change its owner", self.after.data_nodes)
            self.give_to_owner(self.wanted.owner, self.after.data_nodes)

    def _check_available(self, change: str, nodes: tuple[str, ...]) -> None:
        """What TimescaleDB sends as a statement it sends to all data nodes or refuses (dist_ddl_state_add_data_node_list_from_ht() of 2.13.1)."""
        for name in nodes:
            if name in self.access_node.data_nodes and not self.access_node.data_nodes[name].available:
                self.refuse(
                    f'it is on data node "{name}", which is marked unavailable, so that TimescaleDB refuses to {change}',
                    "make the data node available, or detach it",
                )

    def _fixed(self, what: str, found: str | None, wanted: str) -> None:
        has = f'"{found}"' if found else "none"
        self.refuse(
            f'its {what} is {has}, wanted "{wanted}", and TimescaleDB cannot change that',
            "correct the task, or create a new distributed hypertable and copy the rows",
        )

    def _set_interval(self) -> None:
        time = self.found.time
        if time is None or self.interval is None or self.interval == time.interval:
            return
        was, now = (_interval.shown(units or 0, time.type) for units in (time.interval, self.interval))
        value, placeholder = self.interval_argument()
        self._set("chunk_time_interval", placeholder, value, f"chunk_time_interval is {was}, wanted {now}", time.column)
        self._change_dimension(replace(time, interval=self.interval))

    def _set_factor(self, lower: bool) -> None:
        was, now = self.found.replication_factor or 1, self.wanted.replication_factor
        if now is None or now == was or (now < was) is not lower:
            return
        self._set("replication_factor", "%s", now, f"replication_factor is {was}, wanted {now}")
        self.after = replace(self.after, replication_factor=now)
        if now > was and self.found.has_chunks:
            self.warnings.append(f"only new chunks will have replication factor {now}; the chunks that are there keep their copies")

    def _attach(self) -> None:
        new = self.new_nodes()
        self.create_schema_on(new)
        for name in new:
            call = Call("SELECT * FROM {schema}.attach_data_node(%s, format('%%I.%%I', %s, %s)::regclass", [name, self.wanted.schema, self.wanted.relation])
            call.add("repartition", self.wanted.repartition)
            # Nobody would see later that it is attached and does not compress: all of it is one transaction.
            compressed = bool(self.found.compression)
            self.call("attach", f'data node "{name}" is not attached', call, needs=[name], together=compressed)
            if compressed:
                statement = compression_on(name, self.found.compression, self.access_node.extension_schema)
                reason = f'data node "{name}" is to compress it as the others do'
                self.steps.append(Step(self.wanted.subject, "set", reason, statement, needs=(name,), together=True))
            self.after = replace(self.after, data_nodes=(*self.after.data_nodes, name))
            space = self.after.space
            if self.wanted.repartition and space and len(self.after.data_nodes) > (space.partitions or 0):
                self._change_dimension(replace(space, partitions=len(self.after.data_nodes)))

    def _detach(self) -> None:
        added = set(self.after.data_nodes) - set(self.found.data_nodes)
        if self.holding:
            self.holding = replace(
                self.holding,
                attached=self.holding.attached | added,
                accepting=self.holding.accepting | added,
                replication_factor=self.after.replication_factor or 1,
            )
        for name in sorted(set(self.found.data_nodes) - set(self.target_nodes())):
            dangers: list[str] = []
            force = self.wanted.force
            if self.holding:
                from ansible_collections.timescaledb.multinode.plugins.module_utils._leaving import given_up, leaving_errors, server_wants_force

                force = force or server_wants_force(self.holding)
                self.errors += leaving_errors(self.wanted.subject, name, self.holding, self.wanted.force)
                dangers = given_up(name, self.holding)
                self.holding = self.holding.without(name)
            call = Call("SELECT {schema}.detach_data_node(%s, format('%%I.%%I', %s, %s)::regclass", [name, self.wanted.schema, self.wanted.relation])
            call.add("force", force)
            call.add("repartition", self.wanted.repartition)
            drops_table = self.wanted.drops_table_on(name)
            if drops_table:
                call.add("drop_remote_data", True)
            needs = []
            if drops_table:
                dangers.append("the table there is dropped")
                needs.append(name)
            self.call("detach", f'data node "{name}" is attached and not wanted', call, needs, danger="; ".join(dangers))
            self.after = replace(self.after, data_nodes=tuple(node for node in self.after.data_nodes if node != name))
            space = self.after.space
            if self.wanted.repartition and space and 0 < len(self.after.data_nodes) < (space.partitions or 0):
                self._change_dimension(replace(space, partitions=len(self.after.data_nodes)))

    def _set_partitions(self) -> None:
        space, now = self.after.space, self.wanted.number_partitions
        if space is None or now is None or now == space.partitions:
            return
        self._set("number_partitions", "%s", now, f"number_partitions is {space.partitions}, wanted {now}", space.column)
        self._change_dimension(replace(space, partitions=now))

    def _create_index(self, columns: tuple[str, ...]) -> None:
        elements = ", ".join(["{space}"] * (len(columns) - 1) + ["{time} DESC"])
        names = {"time": columns[-1], "space": columns[0]}
        reason = f"default index on ({', '.join(columns)}) is missing"
        self.ddl("create index", reason, f"CREATE INDEX ON {{relation_schema}}.{{relation}} ({elements})", needs=self.after.data_nodes, **names)
        self.after = replace(self.after, indexes=(*self.after.indexes, columns))

    def _change_dimension(self, changed: Dimension) -> None:
        dimensions = tuple(changed if dimension.column == changed.column else dimension for dimension in self.after.dimensions)
        self.after = replace(self.after, dimensions=dimensions)

    def _set(self, what: str, placeholder: str, value: Any, reason: str, dimension: str | None = None) -> None:
        call = Call(f"SELECT {{schema}}.set_{what}(format('%%I.%%I', %s, %s)::regclass, {placeholder}", [])
        call.values += [self.wanted.schema, self.wanted.relation, value]
        needs: tuple[str, ...] = ()
        if dimension is not None:
            call.add("dimension_name", dimension)
            # A dimension is changed on the data nodes as well: ts_hypertable_func_call_on_data_nodes() in src/dimension.c.
            needs = self.after.data_nodes
        self.call("set", reason, call, needs)
