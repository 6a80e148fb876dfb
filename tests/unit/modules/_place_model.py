# GPL-3.0-or-later (see LICENSE)
"""Databases in memory, those of the cluster and those that may become part of it, with the roles of their servers.

What is done to roles, schemas and extensions is obeyed as _role_model does it; here is what tables and other databases of a server have to do with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from _role_model import Model as Roles
from _role_model import require
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import PRIVILEGES, Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import PUBLIC, Extension, Held, NodeState, Relation, Schema
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint

EXTENSION = "pgcrypto"


class Unforeseen(AssertionError):
    """The server would have refused, for a role on a data node is not what a table on it needs. Only who declares the role has it foreseen.

    Args:
        node_name: the data node.
        schema: where the role may not create tables; None where there is no such role.
    """

    def __init__(self, role: str, node_name: str, schema: str | None = None) -> None:
        super().__init__(f"role {role} may not create tables in {schema}" if schema else f"role {role} does not exist")
        self.role = role
        self.node_name = node_name
        self.schema = schema


@dataclass
class Place(NodeState):
    """A database, or the place for one. Its name is that of the data node, empty where none is registered; its endpoint is where it really is.

    Args:
        exists: the database is there.
        prepared: it has the extension timescaledb.
        member_of: the dist_uuid.
        leads: it is an access node itself, with data nodes of its own.
        answers: the server runs.
        parts: the tables that are its part of a distributed hypertable.
        offered: the versions of EXTENSION that the server has.
    """

    exists: bool = True
    prepared: bool = True
    member_of: str | None = None
    leads: bool = False
    answers: bool = True
    parts: set[Object] = field(default_factory=set)
    offered: tuple[str, ...] = ("1.2", "1.3")

    def copy(self) -> Place:
        return replace(super().copy(), parts=set(self.parts))

    def is_at(self, endpoint: Endpoint) -> bool:
        """Whether somebody answers there; an endpoint has another database where that is asked for what is to be made or dropped."""
        return self.answers and (self.endpoint.host, self.endpoint.port) == (endpoint.host, endpoint.port)

    def make(self) -> None:
        """The database anew, as it comes from template1."""
        self.exists, self.prepared, self.member_of, self.leads, self.parts = True, True, None, False, set()
        self.schemas, self.relations, self.acl, self.mappings = {}, {}, {}, {}
        self.extensions = {EXTENSION: Extension(None, None)}
        self.make_schema("public")
        self.held(Object("schema", "", "public"), PUBLIC).grant(frozenset({"USAGE"}))

    def make_schema(self, name: str) -> None:
        self.schemas[name] = Schema(self.login)
        self.held(Object("schema", "", name), self.login).grant(frozenset(PRIVILEGES["schema"]))

    def drop(self) -> None:
        self.make()
        self.exists = False


@dataclass
class Registered:
    """A data node, as the access node has it."""

    endpoint: Endpoint
    available: bool = True


class Places(Roles):
    """All of them, the access node first; registered: the data nodes by name."""

    def __init__(self, places: list[Place], registered: dict[str, Registered]) -> None:
        super().__init__(places)
        self.registered = {name: replace(node) for name, node in registered.items()}

    @property
    def access_node(self) -> Place:
        return self.nodes[0]

    def copy(self) -> Places:
        return Places(self.nodes, self.registered)

    def on_host(self, host: str) -> Place:
        return next(place for place in self.nodes[1:] if place.endpoint.host == host)

    def of(self, name: str) -> Place:
        """The database of a data node, which the access node connects to."""
        place = next(place for place in self.nodes[1:] if place.name == name)
        require(place.is_at(self.registered[name].endpoint), f"no connection to data node {name}")
        return place

    def at(self, endpoint: Endpoint | None) -> Place:
        if endpoint is None:
            return self.access_node
        place = self.on_host(endpoint.host)
        require(place.exists and place.is_at(endpoint), "no connection")
        return place

    def reached(self, names: frozenset[str]) -> list[Place]:
        require(all(self.registered[name].available for name in names), "some data nodes are not available for DDL commands")
        return [self.of(name) for name in names]

    def versions(self, node: Place, extension: str) -> tuple[str, ...]:
        return node.offered

    # Tables

    def make_table(self, place: Place, table: Object, owner: str) -> None:
        require(table.schema in place.schemas, f"schema does not exist on {place.name}")
        require(table not in place.relations, f"relation already exists on {place.name}")
        place.relations[table] = Relation(owner)
        place.held(table, owner).grant(frozenset(PRIVILEGES["table"]))
        for schema in ("", table.schema):
            for role, held in place.acl.get(Object("default tables", schema, owner), {}).items():
                place.held(table, role).grant(held.all)

    def make_part(self, name: str, table: Object, owner: str) -> None:
        """What the access node sends to a data node: the table and who has privileges on it (tsl/src/hypertable.c, tsl/src/deparse.c)."""
        place, here = self.of(name), self.access_node
        require(table.schema in place.schemas, f"schema does not exist on {place.name}")
        if owner != here.login and not self._may_create(place, table.schema, owner):
            raise Unforeseen(owner, place.name, table.schema)
        self.make_table(place, table, owner)
        place.parts.add(table)
        for role, held in here.acl.get(table, {}).items():
            if role != here.relations[table].owner and held.all:
                if role not in place.roles:
                    raise Unforeseen(role, place.name)
                place.held(table, role).grant(held.all)

    def _may_create(self, place: Place, schema: str, owner: str) -> bool:
        if owner not in place.roles or not place.roles[owner].attributes["login"]:
            return False
        granted = frozenset[str]().union(*(place.held(Object("schema", "", schema), role).all for role in (owner, PUBLIC)))
        return place.roles[owner].attributes["superuser"] or place.schemas[schema].owner == owner or granted >= {"USAGE", "CREATE"}

    def drop_table(self, place: Place, table: Object) -> None:
        place.relations.pop(table, None)
        place.acl.pop(table, None)
        place.parts.discard(table)

    def give(self, place: Place, table: Object, owner: str) -> None:
        """The new owner takes the old one's place in the list of privileges (aclnewowner() in PostgreSQL)."""
        if owner not in place.roles:
            raise Unforeseen(owner, place.name)
        old = place.relations[table]
        if owner == old.owner:
            return
        place.held(table, owner).grant(place.acl[table].pop(old.owner, Held()).all)
        place.relations[table] = replace(old, owner=owner)

    # What tables have to do with schemas and roles

    def drop_schema(self, node, names, values):
        require(not [table for table in node.relations if table.schema == names["schema"]], "schema is not empty")
        super().drop_schema(node, names, values)
        node.acl.pop(Object("schema", "", names["schema"]), None)

    def reassign(self, node, names, values, to):
        super().reassign(node, names, values, to)
        for table, relation in list(node.relations.items()):
            if relation.owner == names["role"]:
                self.give(node, table, names["heir"] if to == "{heir}" else node.login)

    def drop_owned(self, node, names, values):
        require(not [table for table, found in node.relations.items() if found.owner == names["role"]], "tables would be lost")
        super().drop_owned(node, names, values)

    def drop_role(self, node, names, values):
        for other in self.nodes:
            owners = [entry.owner for entry in (*other.relations.values(), *other.schemas.values())]
            require(other.server != node.server or names["role"] not in owners, f"it owns something on {other.name}")
        super().drop_role(node, names, values)
