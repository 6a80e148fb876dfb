# GPL-3.0-or-later (see LICENSE)
"""A cluster in memory that obeys the steps of a plan by the server's rules, and refuses what the server would refuse.

It reads the SQL of the steps and knows nothing of how they were planned. The rules: tsl/src/data_node.c and tsl/src/hypertable.c of 2.13.1.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import Any

from _build import UUID, access_node, distributed_table, look, missing_table, plain_table
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster_plan import ObservedCluster
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import looks_needed
from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding, Placement
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_plan import leaving_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Dimension, Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_cluster import WantedCluster

DAY = 86_400_000_000
INTERVALS = {"1 day": DAY, "2 days": 2 * DAY, "1 week": 7 * DAY}
SCHEMA = "public"


class Refused(AssertionError):
    """The server would have refused the step, which the plan should have known."""


@dataclass
class ModelNode:
    host: str
    port: int
    database: str
    available: bool = True


@dataclass
class ModelTable:
    """nodes is None for a table that is not distributed; chunks: the nodes that have each of them."""

    nodes: list[str] | None = None
    factor: int = 1
    interval: int = 7 * DAY
    space: str | None = None
    partitions: int | None = None
    indexes: set[tuple[str, ...]] = field(default_factory=set)
    chunks: list[set[str]] = field(default_factory=list)

    def as_table(self, number: int) -> Table:
        if self.nodes is None:
            return plain_table(indexes=tuple(self.indexes))
        space = (Dimension(self.space, "integer", None, self.partitions),) if self.space else ()
        time = Dimension("time", "timestamp with time zone", self.interval, None)
        return distributed_table(
            *sorted(self.nodes),
            hypertable_id=number,
            replication_factor=self.factor,
            dimensions=(time, *space),
            indexes=tuple(self.indexes),
            has_chunks=bool(self.chunks),
        )


@dataclass
class Model:
    nodes: dict[str, ModelNode] = field(default_factory=dict)
    tables: dict[str, ModelTable] = field(default_factory=dict)

    # As it is seen

    def access_node(self) -> AccessNode:
        return access_node(
            *(DataNode(name, Endpoint(node.host, node.port, node.database), node.available, "postgres") for name, node in self.nodes.items())
        )

    def observe(self, wanted: WantedCluster) -> ObservedCluster:
        seen = self.access_node()
        tables = {(table.schema, table.relation): self._table(table.relation) for table in wanted.hypertables}
        requests = looks_needed(wanted.nodes, seen)
        members = {node.endpoint.host for node in seen.data_nodes.values()}
        looks = {request.endpoint: look(dist_uuid=UUID if request.endpoint.host in members else None) for request in requests}
        leaving = set(wanted.leaving) & set(self.nodes) | set(leaving_nodes(wanted.hypertables, tables))
        return ObservedCluster(seen, looks, tables, INTERVALS, self._holdings(leaving, wanted.available_nodes(seen)))

    def distributed(self) -> list[tuple[str, str]]:
        return [(SCHEMA, name) for name, table in sorted(self.tables.items()) if table.nodes is not None]

    def _number(self, name: str) -> int:
        return sorted(self.tables).index(name) + 1

    def _table(self, name: str) -> Table:
        return self.tables[name].as_table(self._number(name)) if name in self.tables else missing_table()

    def _holdings(self, leaving: set[str], available: set[str]) -> list[Holding]:
        return [
            Holding(
                hypertable_id=self._number(name),
                hypertable=f"{SCHEMA}.{name}",
                replication_factor=table.factor,
                may_change=True,
                attached=frozenset(table.nodes),
                accepting=frozenset(table.nodes) & available,
                placements=tuple(Placement(frozenset(nodes), 1, ("chunk",)) for nodes in table.chunks),
            )
            for name, table in sorted(self.tables.items())
            if table.nodes is not None and leaving & set(table.nodes)
        ]

    # As it is changed

    def after(self, steps: list[Step]) -> Model:
        """A copy to which the steps were done. Raises Refused."""
        changed = copy.deepcopy(self)
        for step in steps:
            changed.do(step)
        return changed

    def do(self, step: Step) -> None:
        template, values = step.statement.template, list(step.statement.values)
        call = re.search(r"\{schema\}\.(\w+)\(", template)
        if call:
            # The named arguments come last, in the order of the values.
            names = re.findall(r"(\w+) => ", template)
            positional = values[: len(values) - len(names)]
            getattr(self, call[1])(*positional, **dict(zip(names, values[len(positional) :])))
        else:
            getattr(self, "_" + step.action.replace(" ", "_"))(template, step.statement.identifiers)

    def add_data_node(self, name: str, host: str, database: str, port: int, bootstrap: bool) -> None:
        _require(name not in self.nodes, "it exists")
        _require(all(node.host != host for node in self.nodes.values()), "the database is already a member")
        self.nodes[name] = ModelNode(host, port, database)

    def alter_data_node(self, name: str, **changes: Any) -> None:
        for option, value in changes.items():
            setattr(self.nodes[name], option, value)

    def delete_data_node(self, name: str, force: bool, repartition: bool) -> None:
        for relation, table in self.tables.items():
            if table.nodes is not None and name in table.nodes:
                self.detach_data_node(name, SCHEMA, relation, force=force, repartition=repartition)
        del self.nodes[name]

    def create_distributed_hypertable(self, schema: str, relation: str, time: str, **more: Any) -> None:
        nodes = more.get("data_nodes") or sorted(self.nodes)
        table = self.tables[relation]
        _require(table.nodes is None, "it is distributed")
        _require(bool(nodes) and all(name in self.nodes and self.nodes[name].available for name in nodes), "a data node cannot be used")
        table.nodes, table.factor = list(nodes), more.get("replication_factor") or 1
        _require(table.factor <= len(nodes), "too few data nodes")
        table.space = more.get("partitioning_column")
        table.partitions = (more.get("number_partitions") or len(nodes)) if table.space else None
        table.interval = INTERVALS.get(more.get("chunk_time_interval"), 7 * DAY)
        if more.get("create_default_indexes", True):
            table.indexes |= {("time",), *([(table.space, "time")] if table.space else [])}

    def attach_data_node(self, name: str, schema: str, relation: str, repartition: bool) -> None:
        table = self.tables[relation]
        _require(name in self.nodes and self.nodes[name].available and name not in table.nodes, "it cannot be attached")
        table.nodes.append(name)
        if repartition and table.space and len(table.nodes) > table.partitions:
            table.partitions = len(table.nodes)

    def detach_data_node(self, name: str, schema: str, relation: str, force: bool, repartition: bool, drop_remote_data: bool = False) -> None:
        table = self.tables[relation]
        here = [nodes for nodes in table.chunks if name in nodes]
        _require(all(len(nodes) > 1 for nodes in here), "it would lose data")
        _require(force or not here, "it still holds data")
        usable = [node for node in table.nodes if self.nodes[node].available]
        _require(force or table.factor < len(usable), "it would be under-replicated")
        table.nodes.remove(name)
        for nodes in here:
            nodes.remove(name)
        if repartition and table.space and 0 < len(table.nodes) < table.partitions:
            table.partitions = len(table.nodes)

    def set_chunk_time_interval(self, schema: str, relation: str, interval: str, dimension_name: str) -> None:
        self.tables[relation].interval = INTERVALS[interval]

    def set_number_partitions(self, schema: str, relation: str, partitions: int, dimension_name: str) -> None:
        self.tables[relation].partitions = partitions

    def set_replication_factor(self, schema: str, relation: str, factor: int) -> None:
        table = self.tables[relation]
        _require(factor <= len(table.nodes), "too few data nodes")
        table.factor = factor

    def _create_table(self, template: str, names: dict[str, str]) -> None:
        _require(names["relation"] not in self.tables, "it exists")
        self.tables[names["relation"]] = ModelTable()

    def _create_index(self, template: str, names: dict[str, str]) -> None:
        columns = (names["space"], names["time"]) if "{space}" in template else (names["time"],)
        self.tables[names["relation"]].indexes.add(columns)

    def _drop(self, template: str, names: dict[str, str]) -> None:
        _require(template.startswith("DROP TABLE {"), "it drops something else")
        del self.tables[names["relation"]]


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)
