# GPL-3.0-or-later (see LICENSE)
"""What the queries of the modules would tell of a cluster in memory: no more than they ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock, patch

from _build import RELEASE, access_node, distributed_table, look, missing_table, plain_table
from _job_model import JOB_INTERVALS, Jobs
from _model import Model
from _place_model import Place
from _table_model import INTERVALS, Key, ModelTable
from ansible_collections.timescaledb.multinode.plugins.module_utils import _access_node, _role_look
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster import observe_roles
from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster_plan import ObservedCluster, plan_cluster
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import given_up_nodes, looks_needed
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding, LostChunk, Placement
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_plan import leaving_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_procedures import PROCEDURES, body
from ansible_collections.timescaledb.multinode.plugins.module_utils._jobs import Job, ScheduledJob
from ansible_collections.timescaledb.multinode.plugins.module_utils._left_out import LeftOut
from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import LookRequest, NodeLook
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._readiness import node_errors
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import ACCESS_NODE, PUBLIC, Extension, Held, NodeState, Owned
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Plan
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Dimension, Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_cluster import WantedCluster, wanted_cluster
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import WantedHypertable
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_jobs import WantedJob
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import WantedRoles

CHUNKS = "_timescaledb_internal"


def planned(model: Model, declared: dict[str, Any]) -> Plan:
    """As the module plans. Raises ClusterError."""
    seen = access_node_of(model)
    wanted = wanted_cluster(declared, seen, distributed(model))
    plan = plan_cluster(wanted, observed(model, seen, wanted))

    def connect_with(module: Any, parameters: dict[str, Any]) -> tuple[Any, str]:
        endpoint = Endpoint(parameters["host"], parameters["port"], parameters["dbname"])
        return (Mock(), "") if model.places.on_host(endpoint.host).is_at(endpoint) else (None, "it does not answer")

    with patch.object(_access_node, "connect_with", connect_with):
        raise_all(node_errors(None, seen, plan.steps))
    return plan


def access_node_of(model: Model) -> AccessNode:
    return access_node(*(DataNode(name, node.endpoint, node.available, "postgres") for name, node in sorted(model.registered.items())))


def distributed(model: Model) -> list[Key]:
    return [key for key, table in sorted(model.tables.items()) if table.nodes is not None]


def observed(model: Model, seen: AccessNode, wanted: WantedCluster) -> ObservedCluster:
    tables = {(table.schema, table.relation): _table(model, table) for table in wanted.hypertables}
    looks = {request.endpoint: _look(model, request) for request in looks_needed(wanted.nodes, seen)}
    leaving = set(wanted.leaving) & set(seen.data_nodes) | set(leaving_nodes(wanted.hypertables, tables))
    return ObservedCluster(
        seen,
        looks,
        tables,
        INTERVALS,
        _holdings(model, leaving, wanted.available_nodes(seen)),
        _jobs(model, seen, wanted.jobs),
        _roles(model, seen, wanted, looks),
        _lost(model, set(given_up_nodes(list(wanted.leaving.values()), seen))),
        _left_out(model, {node.node_name for node in wanted.nodes if node.present and node.available} & set(seen.data_nodes)),
    )


def _number(model: Model, key: Key) -> int:
    return sorted(model.tables).index(key) + 1


def _table(model: Model, wanted: WantedHypertable) -> Table:
    key, here = (wanted.schema, wanted.relation), model.places.access_node
    table = model.tables.get(key)
    with_schema = {name for (schema, _name), other in model.tables.items() if schema == wanted.schema != "public" for name in other.nodes or ()}
    common: dict[str, Any] = dict(
        schema_exists=wanted.schema in here.schemas,
        may_create=wanted.schema in here.schemas,
        nodes_with_schema=tuple(sorted(with_schema)),
        wanted_owner_exists=wanted.owner in here.roles,
    )
    if table is None:
        return missing_table(**common)
    common.update(owner=model.owner(key), indexes=tuple(table.indexes))
    if table.nodes is None:
        return plain_table(has_rows=table.has_rows, **common)
    space = (Dimension(table.space, "integer", None, table.partitions),) if table.space else ()
    return distributed_table(
        *sorted(table.nodes),
        hypertable_id=_number(model, key),
        replication_factor=table.factor,
        dimensions=(Dimension("time", "timestamp with time zone", table.interval, None), *space),
        has_chunks=bool(table.chunks),
        **common,
    )


def _look(model: Model, request: LookRequest) -> NodeLook:
    place = model.places.on_host(request.endpoint.host)
    if not place.is_at(request.endpoint):
        return NodeLook(unreachable=True, reason="it does not answer")
    has_extension = place.exists and place.prepared
    beside = request.needs_maintenance_database or not place.exists
    return look(
        database_exists=place.exists,
        release=RELEASE if has_extension else None,
        uuid=("its own" if place.leads else "its-uuid") if has_extension else None,
        dist_uuid=place.member_of if has_extension else None,
        distributed_members=len(place.parts) if has_extension else 0,
        own_data_nodes=int(place.leads),
        maintenance_database="postgres" if beside else None,
    )


def _attached(model: Model) -> list[tuple[Key, ModelTable]]:
    return [(key, table) for key, table in sorted(model.tables.items()) if table.nodes is not None]


def _holdings(model: Model, leaving: set[str], available: set[str]) -> list[Holding]:
    return [
        Holding(
            hypertable_id=_number(model, key),
            hypertable=".".join(key),
            replication_factor=table.factor,
            may_change=True,
            attached=frozenset(table.nodes),
            accepting=frozenset(table.nodes) & available,
            placements=tuple(Placement(frozenset(nodes), 1, (name,)) for name, nodes in table.chunks.items()),
        )
        for key, table in _attached(model)
        if leaving & set(table.nodes)
    ]


def _lost(model: Model, names: set[str]) -> list[LostChunk]:
    return [
        LostChunk(_number(model, key), ".".join(key), CHUNKS, chunk)
        for key, table in _attached(model)
        for chunk, nodes in table.chunks.items()
        if nodes <= names
    ]


def _left_out(model: Model, names: set[str]) -> list[LeftOut]:
    left_out = []
    for (schema, relation), table in _attached(model):
        usable = {name for name in table.nodes if name in names or model.registered[name].available}
        if table.space and names & set(table.nodes) and len(table.takers) < min(len(usable), table.partitions + table.factor - 1):
            left_out.append(LeftOut(schema, relation, table.factor))
    return left_out


def _jobs(model: Model, seen: AccessNode, wanted: list[WantedJob]) -> dict[str, Job]:
    asked = {PROCEDURES[job.name] for job in wanted}
    return {job.name: _job(model.jobs, job, body(job.name, seen), asked) for job in wanted}


def _job(jobs: Jobs, wanted: WantedJob, ours: str, asked: set[str]) -> Job:
    procedure = PROCEDURES[wanted.name]
    return Job(
        JOB_INTERVALS.get(wanted.schedule_interval or ""),
        schema_exists=jobs.schema,
        owns_schema=jobs.schema,
        procedure_exists=procedure in jobs.procedures,
        procedure_is_ours=jobs.procedures.get(procedure) == ours,
        schema_has_more=jobs.more or not set(jobs.procedures) <= asked,
        scheduled=tuple(
            ScheduledJob(number, job.interval, job.max_runtime, job.scheduled)
            for number, job in sorted(jobs.scheduled.items())
            if job.procedure == procedure
        ),
    )


# Roles, schemas and extensions


def _roles(model: Model, seen: AccessNode, wanted: WantedCluster, looks: dict[Any, NodeLook]) -> list[NodeState]:
    def observe_nodes(module: Any, connection: Any, access_node: AccessNode, declared: WantedRoles, asked: list[_role_look.Asked]) -> list[NodeState]:
        here = node_state(model, model.places.access_node, None, declared, {extension.name: extension.version for extension in declared.extensions})
        versions = {one.name: one.version or here.extensions[one.name].version or here.extensions[one.name].target for one in declared.extensions}
        states = [here]
        for one in asked:
            place = model.places.on_host(one.node.endpoint.host)
            if not place.is_at(one.node.endpoint) or not (place.exists or one.beside):
                raise ClusterError(f'data node "{one.node.node_name}"', "no connection")
            if one.beside:
                other = place.copy()
                other.make()
                other.roles = place.roles
                states.append(_role_look._yet_to_be_made(node_state(model, other, one.node, declared, versions)))
            else:
                states.append(node_state(model, place, one.node, declared, versions))
        return states

    with patch.object(_role_look, "observe_nodes", observe_nodes):
        return observe_roles(None, None, seen, wanted, looks)


def node_state(model: Model, place: Place, node: DataNode | None, wanted: WantedRoles, versions: dict[str, str | None]) -> NodeState:
    names, schemas, relation_schemas = wanted.role_names(), set(wanted.schema_names()), wanted.relation_schemas()
    dropped = {role.name for role in wanted.roles if not role.present}
    dropped_schemas = {schema.name for schema in wanted.schemas if not schema.present}
    roles = {name: place.roles[name] for name in names if name in place.roles}
    state = NodeState(
        node.node_name if node else ACCESS_NODE,
        node.endpoint if node else None,
        place.server,
        place.database,
        place.login,
        roles=roles,
        owned={name: _owned(model, place, name, dropped_schemas) for name in roles if name in dropped},
        schemas={name: schema for name, schema in place.schemas.items() if name in schemas},
        extensions={name: Extension(place.extensions[name].version, _target(place, name, version)) for name, version in versions.items()},
        relations={object: relation for object, relation in place.relations.items() if object.schema in relation_schemas},
        mappings={role: nodes for role, nodes in place.mappings.items() if role in names},
    ).copy()
    for name, schema in state.schemas.items():
        content = [object.subject for object in place.relations if object.schema == name] if name in dropped_schemas else []
        schema.objects, schema.sample = len(content), tuple(content[:3])
    for object, entry in place.acl.items():
        if object.kind == "database" or _is_read(object, state):
            owner = state.schemas[object.name].owner if object.kind == "schema" else None
            held = {role: replace(held) for role, held in entry.items() if role in roles or (owner and role in (PUBLIC, owner))}
            state.acl[object] = {role: entry for role, entry in held.items() if entry.all}
    return state


def _is_read(object: Object, state: NodeState) -> bool:
    if object.kind == "schema":
        return object.name in state.schemas
    return object.kind == "foreign server" or object.kind.startswith("default ") or object in state.relations


def _target(place: Place, name: str, version: str | None) -> str | None:
    found = place.extensions[name].version
    if found is None:
        return next((offered for offered in place.offered[::-1] if version in (None, offered)), None)
    return found if version in (None, found) else version if version in place.offered and version > found else None


def _owned(model: Model, place: Place, role: str, dropped_schemas: set[str]) -> Owned:
    objects = [object.subject for object, relation in place.relations.items() if relation.owner == role]
    objects += [f"schema {name}" for name, schema in place.schemas.items() if schema.owner == role and name not in dropped_schemas]
    elsewhere = [other.database for other in model.places.nodes if other.server == place.server and other is not place and _knows(other, role)]
    return Owned(len(objects), tuple(objects[:3]), tuple(sorted(elsewhere)))


def _knows(place: Place, role: str) -> bool:
    owners = {entry.owner for entry in (*place.relations.values(), *place.schemas.values())}
    return role in owners or any(entry.get(role, Held()).all for entry in place.acl.values()) or role in place.mappings
