# GPL-3.0-or-later (see LICENSE)
"""Distributed hypertables in memory. The rules: tsl/src/hypertable.c, tsl/src/data_node.c and tsl/src/remote/dist_ddl.c of 2.13.1."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from _place_model import Places
from _role_model import require
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object

DAY = 86_400_000_000
INTERVALS = {"1 day": DAY, "2 days": 2 * DAY, "1 week": 7 * DAY}
Key = tuple[str, str]


@dataclass
class ModelTable:
    """nodes is None for a table that is not distributed, which alone may have rows here; its owner is where all relations are.

    Args:
        chunks: the nodes that have each of them.
        takers: the nodes that new chunks go to, as far as that is reckoned beforehand.
    """

    nodes: list[str] | None = None
    factor: int = 1
    interval: int = 7 * DAY
    space: str | None = None
    partitions: int | None = None
    indexes: set[tuple[str, ...]] = field(default_factory=set)
    chunks: dict[str, set[str]] = field(default_factory=dict)
    takers: set[str] = field(default_factory=set)
    has_rows: bool = False

    def copy(self) -> ModelTable:
        chunks = {name: set(nodes) for name, nodes in self.chunks.items()}
        return replace(self, nodes=self.nodes and list(self.nodes), indexes=set(self.indexes), chunks=chunks, takers=set(self.takers))


class Hypertables:
    """By schema and name."""

    def __init__(self, places: Places, tables: dict[Key, ModelTable]) -> None:
        self.places = places
        self.tables = tables

    def reckon(self, table: ModelTable) -> None:
        """Which data nodes take new chunks: ts_dimension_partition_info_recreate() in src/dimension_partition.c."""
        if table.space:
            usable = sorted(name for name in table.nodes if self.places.registered[name].available)
            table.takers = set(usable[: table.partitions + table.factor - 1])

    def _changed(self, key: Key) -> None:
        """The catalogue of relations knows where a hypertable is."""
        relations, object = self.places.access_node.relations, Object("table", *key)
        relations[object] = replace(relations[object], nodes=frozenset(self.tables[key].nodes))

    def create_distributed_hypertable(self, schema: str, relation: str, time: str, **more: Any) -> None:
        key, table, object = (schema, relation), self.tables[schema, relation], Object("table", schema, relation)
        nodes = more.get("data_nodes") or sorted(self.places.registered)
        require(table.nodes is None and not table.has_rows, "it is distributed or not empty")
        require(bool(nodes) and all(name in self.places.registered and self.places.registered[name].available for name in nodes), "a data node cannot be used")
        table.nodes, table.factor = list(nodes), more.get("replication_factor") or 1
        require(table.factor <= len(nodes), "too few data nodes")
        table.space = more.get("partitioning_column")
        table.partitions = (more.get("number_partitions") or len(nodes)) if table.space else None
        table.interval = INTERVALS.get(more.get("chunk_time_interval"), 7 * DAY)
        if more.get("create_default_indexes", True):
            table.indexes |= {("time",), *([(table.space, "time")] if table.space else [])}
        for name in nodes:
            # Whoever owns the table: they are made by who distributes it.
            self.places.make_part(name, object, self.places.access_node.login)
        self.reckon(table)
        self._changed(key)

    def attach_data_node(self, name: str, schema: str, relation: str, repartition: bool) -> None:
        table, object = self.tables[schema, relation], Object("table", schema, relation)
        require(name in self.places.registered and self.places.registered[name].available and name not in table.nodes, "it cannot be attached")
        self.places.make_part(name, object, self.places.access_node.relations[object].owner)
        table.nodes.append(name)
        if repartition and table.space and len(table.nodes) > table.partitions:
            table.partitions = len(table.nodes)
        self.reckon(table)
        self._changed((schema, relation))

    def detach_data_node(self, name: str, schema: str, relation: str, force: bool, repartition: bool, drop_remote_data: bool = False) -> None:
        table = self.tables[schema, relation]
        here = [nodes for nodes in table.chunks.values() if name in nodes]
        require(all(len(nodes) > 1 for nodes in here), "it would lose data")
        require(force or not here, "it still holds data")
        usable = [node for node in table.nodes if self.places.registered[node].available]
        require(force or table.factor < len(usable), "it would be under-replicated")
        table.nodes.remove(name)
        for nodes in here:
            nodes.remove(name)
        if repartition and table.space and 0 < len(table.nodes) < table.partitions:
            table.partitions = len(table.nodes)
        if drop_remote_data:
            self.places.drop_table(self.places.of(name), Object("table", schema, relation))
        self.reckon(table)
        self._changed((schema, relation))

    def set_chunk_time_interval(self, schema: str, relation: str, interval: str, dimension_name: str) -> None:
        self._connect(self.tables[schema, relation])
        self.tables[schema, relation].interval = INTERVALS[interval]

    def set_number_partitions(self, schema: str, relation: str, partitions: int, dimension_name: str) -> None:
        self._connect(self.tables[schema, relation])
        self.tables[schema, relation].partitions = partitions
        self.reckon(self.tables[schema, relation])

    def set_replication_factor(self, schema: str, relation: str, factor: int) -> None:
        table = self.tables[schema, relation]
        require(factor <= len(table.nodes), "too few data nodes")
        table.factor = factor
        self.reckon(table)

    def distributed_exec(self, schema: str, same: str, node_list: list[str]) -> None:
        """Of all that can be sent, the block that makes a schema."""
        for name in node_list:
            place = self.places.of(name)
            if schema not in place.schemas:
                self.places.create_schema(place, {"schema": schema}, [], None)

    def _connect(self, table: ModelTable) -> None:
        """A dimension is changed on all data nodes, whether or not they are marked available."""
        for name in table.nodes:
            self.places.of(name)

    def create_schema(self, names):
        self.places.create_schema(self.places.access_node, {"schema": names["name"]}, [], None)

    def create_table(self, names):
        key = (names["relation_schema"], names["relation"])
        self.places.make_table(self.places.access_node, Object("table", *key), self.places.access_node.login)
        self.tables[key] = ModelTable()

    def create_index(self, names, space):
        table = self.tables[names["relation_schema"], names["relation"]]
        self.places.reached(frozenset(table.nodes))
        table.indexes.add((names["space"], names["time"]) if space else (names["time"],))

    def give(self, names):
        key = (names["relation_schema"], names["relation"])
        for place in (self.places.access_node, *self.places.reached(frozenset(self.tables[key].nodes or ()))):
            self.places.give(place, Object("table", *key), names["owner"])

    def drop_table(self, names):
        key = (names["relation_schema"], names["relation"])
        for place in (self.places.access_node, *(self.places.of(name) for name in self.tables.pop(key).nodes or ())):
            self.places.drop_table(place, Object("table", *key))

    def drop_chunk(self, names):
        """It is dropped on the access node only."""
        table = next(table for table in self.tables.values() if names["relation"] in table.chunks)
        del table.chunks[names["relation"]]


STATEMENTS = (
    (r"CREATE SCHEMA \{name\}", "create_schema"),
    (r"CREATE TABLE \{relation_schema\}\.\{relation\} \(.*\)", "create_table"),
    (r"CREATE INDEX ON \{relation_schema\}\.\{relation\} \((\{space\}, )?\{time\} DESC\)", "create_index"),
    (r"ALTER TABLE \{relation_schema\}\.\{relation\} OWNER TO \{owner\}", "give"),
    (r"DROP TABLE \{relation_schema\}\.\{relation\}", "drop_table"),
    (r"DROP FOREIGN TABLE \{schema\}\.\{relation\}", "drop_chunk"),
)
