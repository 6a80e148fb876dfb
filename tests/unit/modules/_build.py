# GPL-3.0-or-later (see LICENSE)
"""Builds what the pure core takes, with harmless values for all that a test does not name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._definition_trial import Trial
from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding, Placement
from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import NodeLook
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint
from ansible_collections.timescaledb.multinode.plugins.module_utils._table_shape import Column, Shape
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Dimension, Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release

RELEASE = Release(2, 13, 1)
UUID = "our-uuid"


def endpoint(name: str, database: str = "metrics", port: int = 5432) -> Endpoint:
    return Endpoint(f"{name}.example", port, database)


def data_node(name: str, **more: Any) -> DataNode:
    return replace(DataNode(name, endpoint(name), owner="postgres"), **more)


def access_node(*nodes: Any, **more: Any) -> AccessNode:
    """With data nodes, given by name or as DataNode."""
    registered = [data_node(node) if isinstance(node, str) else node for node in nodes]
    fields: dict[str, Any] = dict(
        name="an",
        database="metrics",
        role="postgres",
        superuser=True,
        release=RELEASE,
        extension_schema="public",
        encoding="UTF8",
        collation="C.UTF-8",
        ctype="C.UTF-8",
        uuid=UUID,
        dist_uuid=UUID if nodes else None,
        may_add=True,
        settings={"port": "5432", "data_directory": "/data"},
        data_nodes={node.node_name: node for node in registered},
    )
    return AccessNode(**{**fields, **more})


def look(**more: Any) -> NodeLook:
    """A prepared database that may become a data node."""
    fields: dict[str, Any] = dict(
        postgresql_major=15,
        max_prepared_transactions=100,
        preloaded=True,
        available_versions=("2.13.1",),
        database_exists=True,
        encoding="UTF8",
        collation="C.UTF-8",
        ctype="C.UTF-8",
        may_create_database=True,
        release=RELEASE,
        uuid="its-uuid",
    )
    return NodeLook(**{**fields, **more})


def node_parameters(**more: Any) -> dict[str, Any]:
    """The options of one data node as AnsibleModule hands them over."""
    fields: dict[str, Any] = dict.fromkeys(("node_name", "host", "port", "database", "bootstrap", "password", "available", "data_nodes"))
    fields.update(state="present", force=False, repartition=True, drop_database=False, lose_chunks=False, reclaim="none", connect_timeout=10)
    return {**fields, **more}


def table_parameters(**more: Any) -> dict[str, Any]:
    """The options of one distributed hypertable as AnsibleModule hands them over."""
    fields: dict[str, Any] = dict.fromkeys(
        ("definition", "owner", "partitioning_column", "number_partitions", "chunk_time_interval", "replication_factor", "data_nodes", "hypertables")
    )
    fields.update(schema="public", relation="conditions", time_column_name="time", create_default_indexes=True)
    fields.update(state="present", migrate_data=False, force=False, repartition=True, drop_remote_data=False, drop_data=False)
    return {**fields, **more}


TIME = Dimension("time", "timestamp with time zone", 604_800_000_000, None)
SPACE = Dimension("device", "integer", None, 2)


def shape(**more: Any) -> Shape:
    """An empty table with the columns time, device and value; columns are given by their types."""
    types = more.pop("columns", {"time": "timestamp with time zone", "device": "integer", "value": "double precision"})
    columns = {name: column if isinstance(column, Column) else Column(column) for name, column in types.items()}
    return Shape(**{"kind": "r", "persistence": "p", "columns": columns, **more})


def plain_table(**more: Any) -> Table:
    """An empty table, see shape()."""
    shaped = {name: more.pop(name) for name in Shape.__dataclass_fields__ if name in more}
    fields: dict[str, Any] = dict(
        schema_exists=True,
        may_create=True,
        may_create_schema=True,
        nodes_with_schema=(),
        kind=shaped.get("kind", "r"),
        may_change=True,
        indexes=(),
        hypertable_id=None,
        replication_factor=None,
        dimensions=(),
        data_nodes=(),
        has_chunks=False,
        shape=shape(**shaped),
    )
    return Table(**{**fields, **more})


def missing_table(**more: Any) -> Table:
    """One that is not there; its definition makes what shape() is."""
    fields: dict[str, Any] = dict(may_change=False, shape=None, trial=Trial(0, shape()))
    return replace(plain_table(), kind=None, **{**fields, **more})


def distributed_table(*nodes: str, **more: Any) -> Table:
    fields: dict[str, Any] = dict(
        shape=None,
        hypertable_id=7,
        replication_factor=1,
        dimensions=(TIME, SPACE),
        data_nodes=nodes,
        indexes=(("time",), ("device", "time")),
    )
    return plain_table(**{**fields, **more})


def holding(*placements: tuple[str, int], attached: str = "dn1 dn2 dn3", accepting: str | None = None, **more: Any) -> Holding:
    """placements: names of nodes, and the number of chunks that are on just these."""
    fields: dict[str, Any] = dict(
        hypertable_id=7,
        hypertable="public.conditions",
        replication_factor=1,
        may_change=True,
        attached=frozenset(attached.split()),
        accepting=frozenset((attached if accepting is None else accepting).split()),
        placements=tuple(Placement(frozenset(nodes.split()), chunks, tuple(f"c{n}" for n in range(min(chunks, 3)))) for nodes, chunks in placements),
    )
    return Holding(**{**fields, **more})
