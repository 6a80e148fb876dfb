# GPL-3.0-or-later (see LICENSE)
"""Examples of whole clusters."""

from __future__ import annotations

from dataclasses import replace

from _build import UUID, access_node
from _choices import Choices
from _job_model import JOB_INTERVALS, Jobs, ModelJob
from _model import Model
from _place_model import EXTENSION, Place, Registered
from _role_examples import NAMES, held, role
from _table_model import INTERVALS, Key, ModelTable
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_procedures import PROCEDURES, body
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import PRIVILEGES, Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import ACCESS_NODE, PUBLIC, Extension, Relation, Role
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint

NODES = ["dn1", "dn2", "dn3", "dn4", "dn5"]
TABLES: list[Key] = [("public", "a"), ("public", "b"), ("m", "c")]
INDEXES = [("time",), ("device", "time")]
OURS = {name: body(name, access_node()) for name in PROCEDURES}
# dn2 may be on the access node's server, dn3 on that of dn1.
SERVERS = {"dn2": ["dn2", ACCESS_NODE], "dn3": ["dn3", "dn1"]}


def database(name: str) -> str:
    """No two of one server are alike."""
    return f"metrics{NODES.index(name)}"


def cluster(choose: Choices) -> Model:
    servers: dict[str, dict[str, Role]] = {}
    schema_is = choose.one_of(["everywhere", "everywhere", "nowhere", "somewhere"])
    here = _place(choose, None, ACCESS_NODE, servers, schema_is)
    others = {name: _place(choose, _endpoint(choose, name), name, servers, schema_is) for name in NODES}
    registered = {name: _registered(choose, others[name], name) for name in choose.some_of(NODES)}
    for name, place in others.items():
        if name not in registered:
            _stray(choose, place)
    model = Model([here, *others.values()], registered, {}, _jobs(choose))
    owners = ["postgres", *_owners(choose, model)]
    for key in choose.some_of(TABLES, least=1):
        _table(choose, model, key, choose.one_of(owners))
    for place in model.places.nodes:
        if place.exists:
            _privileges(choose, place, sorted(registered) if place is model.places.access_node else [])
    return model


def _endpoint(choose: Choices, name: str) -> Endpoint:
    return Endpoint(f"{name}.example", choose.one_of([5432, 6000]), database(name))


def _place(choose: Choices, endpoint: Endpoint | None, name: str, servers: dict[str, dict[str, Role]], schema_is: str) -> Place:
    """A prepared database that belongs to nobody."""
    server = choose.one_of(SERVERS.get(name, [name]))
    if server not in servers:
        servers[server] = {"postgres": Role(dict.fromkeys(ATTRIBUTES, True)), "g": Role(dict.fromkeys(ATTRIBUTES, False) | {"login": True})}
        servers[server].update({name: role(choose) for name in choose.some_of(NAMES)})
    place = Place("" if endpoint else ACCESS_NODE, endpoint, server, endpoint.database if endpoint else "metrics", "postgres", roles=servers[server])
    place.make()
    if schema_is == "everywhere" or (schema_is == "somewhere" and choose.maybe()):
        place.make_schema("m")
    place.offered = ("1.2",) if choose.one_in(12) else ("1.2", "1.3")
    place.extensions = {EXTENSION: Extension(choose.one_of([None, "1.2", "1.2", "1.3"] if len(place.offered) > 1 else [None, "1.2"]), None)}
    return place


def _registered(choose: Choices, place: Place, name: str) -> Registered:
    place.name, place.member_of = name, UUID
    available = not choose.one_in(7)
    place.answers = not (choose.one_in(20) if available else choose.maybe())
    # Some have moved, which is yet to be told.
    return Registered(replace(place.endpoint, port=5432) if choose.one_in(12) else place.endpoint, available)


def _stray(choose: Choices, place: Place) -> None:
    """A server that is not registered: with something made for it, with nothing yet, or with what is left of a membership."""
    what = choose.one_of([*["prepared"] * 8, "database", *["server"] * 5, *["member"] * 6, "leader", "dead"])
    place.answers = what != "dead" or choose.maybe()
    if what in ("server", "database"):
        place.drop()
        place.exists, place.prepared = what == "database", False
    elif what == "leader":
        place.leads, place.member_of = True, "its own"
    elif what == "member":
        place.member_of = choose.one_of([UUID, UUID, "another"])
        if choose.maybe():
            table = Object("table", "public", choose.one_of(["x", "a"]))
            place.parts.add(table)
            place.relations[table] = Relation("postgres")
            place.held(table, "postgres").grant(frozenset(PRIVILEGES["table"]))


def _owners(choose: Choices, model: Model) -> list[str]:
    """Roles on all servers, which may log in and create tables: else no data node could be attached."""
    owners = ["g", *choose.some_of(NAMES)]
    for place in model.places.nodes:
        for name in owners:
            found = place.roles.setdefault(name, Role(dict.fromkeys(ATTRIBUTES, False)))
            found.attributes["login"] = True
            for schema in place.schemas:
                place.held(Object("schema", "", schema), name).grant(frozenset(PRIVILEGES["schema"]))
    return owners


def _table(choose: Choices, model: Model, key: Key, owner: str) -> None:
    here, object = model.places.access_node, Object("table", *key)
    if key[0] not in here.schemas:
        return
    attached = choose.some_of(sorted(model.registered), least=1) if model.registered and not choose.one_in(4) else []
    for place in (here, *(place for place in model.places.nodes if place.name in attached)):
        if key[0] not in place.schemas:
            place.make_schema(key[0])
            place.held(Object("schema", "", key[0]), owner).grant(frozenset(PRIVILEGES["schema"]))
        place.relations[object] = Relation(owner, frozenset(attached) if attached and place is here else None)
        place.held(object, owner).grant(frozenset(PRIVILEGES["table"]))
        if place is not here:
            place.parts.add(object)
    table = model.tables[key] = ModelTable(has_rows=not attached and choose.one_in(6))
    if attached:
        table.nodes, table.factor = attached, choose.up_to(len(attached), least=1)
        table.interval = choose.one_of(sorted(INTERVALS.values()))
        table.space = choose.one_of(["device", "device", None])
        table.partitions = choose.up_to(6, least=1) if table.space else None
        table.indexes = set(choose.some_of(INDEXES))
        table.chunks = {f"{key[1]}_{number}": set(choose.some_of(attached, table.factor, 1)) for number in range(choose.up_to(3))}
        model.hypertables.reckon(table)
        if choose.one_in(4):
            table.takers = set(sorted(table.takers)[:1])


def _privileges(choose: Choices, place: Place, data_nodes: list[str]) -> None:
    """Of the roles that may be declared, on all that there is; what is theirs by now is left to them."""
    objects = [Object("database", "", ""), *(Object("schema", "", schema) for schema in place.schemas), *place.relations]
    objects += [Object("foreign server", "", name) for name in data_nodes]
    objects += [Object("default tables", "", name) for name in ("postgres", "g", *NAMES) if name in place.roles]
    for object in objects:
        for name in NAMES:
            if name in place.roles and name not in place.acl.get(object, {}) and name != object.name and choose.one_in(3):
                place.acl.setdefault(object, {})[name] = held(choose, object.kind)
    for schema in place.schemas:
        if choose.maybe():
            place.acl[Object("schema", "", schema)][PUBLIC] = held(choose, "schema")


def _jobs(choose: Choices) -> Jobs:
    found = Jobs(schema=choose.maybe())
    if found.schema:
        found.more = choose.one_in(10)
        for name, text in OURS.items():
            if choose.maybe():
                found.procedures[PROCEDURES[name]] = choose.one_of([text, text, "another"])
                for _job in range(choose.up_to(2)):
                    intervals = sorted(JOB_INTERVALS.values())
                    job = ModelJob(PROCEDURES[name], choose.one_of(intervals), choose.one_of(intervals), not choose.one_in(10))
                    found.scheduled[1000 + len(found.scheduled)] = job
    return found
