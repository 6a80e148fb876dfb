# GPL-3.0-or-later (see LICENSE)
"""What a cluster is after any plan: what was declared is there, nothing else is touched, and no row is lost."""

from __future__ import annotations

from typing import Any

from _build import UUID
from _cases import cases, done, many, planned_or_forgotten
from _cluster_declarations import Declared
from _cluster_examples import OURS
from _job_model import JOB_INTERVALS, ModelJob
from _model import Model
from _place_model import Place
from _role_checks import check_role
from _table_model import INTERVALS
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_procedures import PROCEDURES
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import PUBLIC, Held
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_cluster import declared_roles
from hypothesis import given


def outcome(case: tuple[Model, Declared]) -> tuple[Model, Declared, Model]:
    """Before, the declaration, and after."""
    model, declared = case
    return model, declared, done(model, declared, planned_or_forgotten(model, declared).steps)


def usable_places(model: Model) -> list[Place]:
    """The access node and all data nodes that are available."""
    return [model.places.access_node, *(model.places.of(name) for name, node in model.registered.items() if node.available)]


@many
@given(cases)
def test_data_nodes_are_as_declared(case):
    model, declared, result = outcome(case)
    for row in declared["data_nodes"]:
        name, place, before = row["node_name"], result.places.on_host(row["host"]), model.places.on_host(row["host"])
        found = result.registered.get(name)
        assert (found is not None) is (row["state"] == "present") and place.name == (name if found else "")
        if found:
            assert row["port"] in (None, found.endpoint.port) and row["available"] in (None, found.available)
            assert (found.endpoint.host, found.endpoint.database) == (row["host"], row["database"])
            assert place.member_of == UUID and place.exists and place.prepared
            # What held parts of hypertables is not taken over with them.
            assert before.name or not before.parts or row["reclaim"] == "database"
        elif row["drop_database"]:
            assert not (place.exists and before.name)
        elif row["reclaim"] == "membership" and before.name:
            assert place.member_of is None and not place.parts and place.exists
        else:
            assert place.exists is before.exists
    for table in result.tables.values():
        if table.space and any(row["available"] and row["node_name"] in table.nodes for row in declared["data_nodes"]):
            usable = [name for name in table.nodes if result.registered[name].available]
            assert len(table.takers) >= min(len(usable), table.partitions + table.factor - 1)
    if declared["prune"]:
        assert set(result.registered) <= {row["node_name"] for row in declared["data_nodes"]}


@many
@given(cases)
def test_hypertables_are_as_declared(case):
    _model, declared, result = outcome(case)
    for row in declared["hypertables"]:
        key = (row["schema"], row["relation"])
        found = result.tables.get(key)
        if row["state"] == "absent":
            assert found is None or found.nodes is None
            continue
        assert found.nodes is not None
        assert row["owner"] in (None, result.owner(key))
        assert row["data_nodes"] is None or sorted(row["data_nodes"]) == sorted(found.nodes)
        assert row["number_partitions"] in (None, found.partitions)
        assert row["replication_factor"] in (None, found.factor)
        assert row["chunk_time_interval"] is None or INTERVALS[row["chunk_time_interval"]] == found.interval
        assert not row["create_default_indexes"] or ("time",) in found.indexes
    if declared["prune"]:
        distributed = {key for key, table in result.tables.items() if table.nodes is not None}
        assert distributed <= {(row["schema"], row["relation"]) for row in declared["hypertables"]}


@many
@given(cases)
def test_hypertables_are_alike_on_all_their_nodes(case):
    _model, _declared, result = outcome(case)
    for key, table in result.tables.items():
        object = Object("table", *key)
        for name in table.nodes or ():
            place = next(place for place in result.places.nodes if place.name == name)
            assert object in place.parts
            # What is not available is left to the run that finds it back.
            assert place.relations[object].owner == result.owner(key) or not result.registered[name].available
        assert all(nodes and nodes <= set(table.nodes) for nodes in table.chunks.values())


@many
@given(cases)
def test_roles_schemas_and_extensions_are_as_declared_on_all_nodes(case):
    _model, declared, result = outcome(case)
    wanted = declared_roles(declared)
    for place in usable_places(result) if wanted.given else ():
        for row, role in zip(declared["roles"] or (), wanted.roles):
            check_role(row, role, place)
        for schema in wanted.schemas:
            assert (schema.name in place.schemas) is schema.present
            if schema.present:
                public = place.held(Object("schema", "", schema.name), PUBLIC).all
                assert schema.owner in (None, place.schemas[schema.name].owner) and schema.public_privs in (None, public)
        for extension in wanted.extensions:
            version = place.extensions[extension.name].version
            assert version == (extension.version or result.places.access_node.extensions[extension.name].version) and version is not None
    for role in wanted.roles:
        held = {object.name for object, entry in result.places.access_node.acl.items() if object.kind == "foreign server" and entry.get(role.name, Held()).all}
        if role.present and role.data_nodes is not None:
            names = set(result.registered) if "*" in role.data_nodes else set(role.data_nodes)
            assert names <= held and (not role.exclusive or held == names)


@many
@given(cases)
def test_jobs_are_as_declared(case):
    model, declared, result = outcome(case)
    for name, procedure in PROCEDURES.items():
        row = declared[f"{name}_job"]
        found = [job for job in result.jobs.scheduled.values() if job.procedure == procedure]
        before = [job for job in model.jobs.scheduled.values() if job.procedure == procedure]
        if row is None:
            assert found == before and result.jobs.procedures.get(procedure) == model.jobs.procedures.get(procedure)
        elif row["state"] == "absent":
            assert found == [] and procedure not in result.jobs.procedures
        else:
            interval = JOB_INTERVALS[row["schedule_interval"]]
            assert found == [ModelJob(procedure, interval, interval)] and result.jobs.procedures[procedure] == OURS[name]
    assert result.jobs.more == model.jobs.more and (result.jobs.schema or not (result.jobs.procedures or result.jobs.more))


@many
@given(cases)
def test_no_row_is_lost(case):
    model, declared, result = outcome(case)
    named = {(row["schema"], row["relation"]): row for row in declared["hypertables"]}
    given_up = {row["node_name"] for row in declared["data_nodes"] if row["lose_chunks"]}
    for key, table in model.tables.items():
        if not named.get(key, declared)["drop_data"]:
            assert {name for name, nodes in table.chunks.items() if not nodes <= given_up} <= set(result.tables[key].chunks if table.chunks else ())
        if table.nodes is None:
            assert result.tables[key].has_rows is table.has_rows
    for place, before in zip(result.places.nodes[1:], model.places.nodes[1:]):
        # What was a data node's part once is dropped with its database only, which has to be said.
        row = next((row for row in declared["data_nodes"] if row["host"] == place.endpoint.host), None)
        if not before.name and not (row and row["reclaim"] == "database"):
            assert before.parts <= place.parts


@many
@given(cases)
def test_hypertables_and_data_nodes_that_are_not_declared_are_not_touched(case):
    model, declared, result = outcome(case)
    touched = {row["node_name"] for row in declared["data_nodes"]}
    named = {(row["schema"], row["relation"]) for row in declared["hypertables"]}
    if not declared["prune"]:
        assert all(result.registered[name] == node for name, node in model.registered.items() if name not in touched)
    leaving = set(model.registered) - set(result.registered)
    for key, table in model.tables.items():
        if key in named or (declared["prune"] and table.nodes is not None):
            continue
        taken_in = {row["node_name"] for row in declared["data_nodes"] if row["available"]} & set(table.nodes or ())
        if not leaving & set(table.nodes or ()):
            assert result.tables[key] == table or taken_in
        assert result.owner(key) == model.owner(key) or _is_declared(declared, model.owner(key))
    for place, before in zip(result.places.nodes[1:], model.places.nodes[1:]):
        if before.leads or (not before.name and not place.name and before.endpoint.host not in {f"{name}.example" for name in touched}):
            assert _without_roles(place) == _without_roles(before)


def _is_declared(declared: Declared, role: str) -> bool:
    return any(row["name"] == role for row in declared["roles"] or ())


def _without_roles(place: Place) -> Any:
    """Those of its server may be declared for another database of it."""
    return place.exists, place.member_of, place.leads, place.parts, place.schemas, place.extensions, place.relations, place.acl


@many
@given(cases)
def test_roles_and_their_privileges_that_are_not_declared_are_not_touched(case):
    model, declared, result = outcome(case)
    mine = {row["name"] for row in declared["roles"] or ()}
    remade = {row["host"] for row in declared["data_nodes"] if row["reclaim"] == "database" or row["drop_database"]}
    schemas = {row["name"] for row in declared["schemas"] or ()}
    for before, after in zip(model.places.nodes, result.places.nodes):
        assert all(after.roles[name] == role for name, role in before.roles.items() if name not in mine)
        if not before.exists or (before.endpoint and before.endpoint.host in remade):
            continue
        assert set(before.schemas) - schemas <= set(after.schemas)
        assert declared["extensions"] or before.extensions == after.extensions
        for object, entry in before.acl.items():
            if object.kind in ("database", "schema") or object.kind.startswith("default "):
                # What a role owned goes to others with it.
                kept = {role: held for role, held in entry.items() if role not in mine and not (object.name in schemas and object.kind == "schema")}
                assert all(after.held(object, role).all >= held.all for role, held in kept.items())
