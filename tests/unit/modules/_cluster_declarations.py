# GPL-3.0-or-later (see LICENSE)
"""Examples of what a task declares of a cluster: something else than there is, but seldom what only can be refused."""

from __future__ import annotations

from typing import Any

from _build import node_parameters, table_parameters
from _choices import Choices
from _cluster_examples import NODES, TABLES, cluster, database
from _job_model import JOB_INTERVALS
from _model import Model
from _place_model import EXTENSION
from _role_examples import NAMES, SCHEMAS, declared_roles, defaults
from _table_model import INTERVALS, Key
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import role_list

OBJECTS = tuple(Object("table", *key) for key in TABLES)
DEFINITION = "time timestamptz NOT NULL, device int NOT NULL"

Declared = dict[str, Any]
_NOTHING = dict.fromkeys(("roles", "schemas", "extensions", "analyze_job", "heal_job")) | dict(data_nodes=[], hypertables=[], prune=False, drop_data=False)


def case(choose: Choices) -> tuple[Model, Declared]:
    """A cluster, and the parameters of timescale_cluster."""
    model = cluster(choose)
    # Of what is to leave most is refused, the more so where much else is wanted.
    alone = choose.one_of([None, None, None, None, None, None, "node", "role"])
    if alone == "role":
        leaving = dict(defaults(role_list()), name=choose.one_of(NAMES), state="absent", reassign_owned_to=choose.one_of([None, "g"]))
        return model, {**_NOTHING, "roles": [leaving]}
    if alone == "node" and model.registered:
        dead = [name for name, node in sorted(model.registered.items()) if not node.available]
        names = choose.some_of(dead or sorted(model.registered), 2, least=1)
        attached = [key for key, table in sorted(model.tables.items()) if set(names) & set(table.nodes or ())]
        tables = [_of_leaving(choose, *key) for key in choose.some_of(attached)]
        return model, {**_NOTHING, "data_nodes": [_leaving(choose, model, name) for name in names], "hypertables": tables}
    prune = choose.one_in(6)
    nodes = [_node(choose, model, name) for name in choose.some_of(NODES, 3)]
    usable = {} if prune else {name: node.available for name, node in model.registered.items()}
    for node in nodes:
        usable[node["node_name"]] = node["state"] == "present" and node["available"] is not False
    there = sorted(name for name in usable if usable[name])
    declared = _roles(choose, there)
    tables = [_table(choose, model, key, there) for key in choose.some_of(TABLES, 2)]
    return model, dict(
        data_nodes=nodes,
        hypertables=tables,
        prune=prune,
        drop_data=choose.maybe(),
        analyze_job=_job(choose),
        heal_job=_job(choose),
        **declared,
    )


def _node(choose: Choices, model: Model, name: str) -> Declared:
    if choose.one_in(3):
        return _leaving(choose, model, name)
    port = model.places.on_host(f"{name}.example").endpoint.port
    bootstrap = choose.one_of([False, True]) if choose.one_in(12) else None
    if choose.one_in(12):
        port = choose.one_of([None, 5432, 6000])
    available = choose.one_of([None, True, None, True, None, True, False])
    reclaim = choose.one_of(["none", "membership", "database", "database"])
    return node_parameters(port=port, available=available, bootstrap=bootstrap, reclaim=reclaim, **_place(name))


def _leaving(choose: Choices, model: Model, name: str) -> Declared:
    dead = name in model.registered and not model.registered[name].available
    force, lose_chunks = (not choose.one_in(3), not choose.one_in(3)) if dead else (choose.maybe(), choose.one_in(40))
    more = dict(force=force, repartition=choose.maybe(), drop_database=choose.one_in(10), lose_chunks=lose_chunks)
    # Where it is has to be said for the run that finds it removed already.
    port = model.places.on_host(f"{name}.example").endpoint.port
    return node_parameters(state="absent", port=port, reclaim=choose.one_of(["none", "membership", "database"]), **_place(name), **more)


def _of_leaving(choose: Choices, schema: str, relation: str) -> Declared:
    if choose.one_in(3):
        return table_parameters(schema=schema, relation=relation, state="absent", time_column_name=None, drop_data=True)
    return table_parameters(schema=schema, relation=relation)


def _place(name: str) -> Declared:
    return dict(node_name=name, host=f"{name}.example", database=database(name))


def _roles(choose: Choices, data_nodes: list[str]) -> Declared:
    if choose.maybe():
        return dict(roles=None, schemas=None, extensions=None)
    declared = declared_roles(choose, OBJECTS, data_nodes)
    if choose.one_in(5):
        declared["roles"] = None
    if choose.maybe():
        declared["extensions"] = [dict(name=EXTENSION, version=choose.one_of(["1.3", "1.3", "1.2", None]), schema=choose.one_of([None, None, *SCHEMAS]))]
    return declared


def _table(choose: Choices, model: Model, key: Key, data_nodes: list[str]) -> Declared:
    schema, relation = key
    found = model.tables.get(key)
    if choose.one_in(4):
        return table_parameters(schema=schema, relation=relation, state="absent", time_column_name=None, drop_data=choose.maybe())
    space = choose.one_of(["device", None])
    if found and found.nodes is not None and not choose.one_in(10):
        space = choose.one_of([found.space, None])
    nodes = choose.some_of(NODES if choose.one_in(10) else data_nodes or NODES, least=1)
    return table_parameters(
        schema=schema,
        relation=relation,
        owner=choose.one_of([None, None, "g", "postgres", *NAMES]),
        definition=None if choose.one_in(8) else DEFINITION,
        partitioning_column=space,
        number_partitions=choose.one_of([None, *range(1, 7)]) if space else None,
        chunk_time_interval=choose.one_of([None, *sorted(INTERVALS)]),
        replication_factor=choose.one_of([None, None, 1, *range(1, len(nodes) + 1)]),
        data_nodes=choose.one_of([None, nodes]),
        create_default_indexes=choose.maybe(),
        force=choose.maybe(),
        repartition=choose.maybe(),
        drop_remote_data=choose.one_in(4),
    )


def _job(choose: Choices) -> Declared | None:
    state = choose.one_of([None, None, "present", "present", "absent"])
    return state and dict(state=state, schedule_interval=choose.one_of(sorted(JOB_INTERVALS)) if state == "present" else None)
