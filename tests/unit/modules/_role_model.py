# GPL-3.0-or-later (see LICENSE)
"""Nodes in memory that obey the SQL of a plan for roles by the servers' rules, and refuse what a server would refuse.

It knows nothing of how the steps were planned. The rules: PostgreSQL's, and tsl/src/remote/dist_ddl.c of 2.13.1.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import PRIVILEGES, Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import PUBLIC, Held, NodeState, Owned, Role, Schema
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Step

_FLAGS = {"LOGIN": "login", "INHERIT": "inherit", "CREATEDB": "createdb", "CREATEROLE": "createrole", "SUPERUSER": "superuser"}


class Refused(AssertionError):
    """The server would have refused the step, which the plan should have known."""


def require(condition: object, reason: str) -> None:
    if not condition:
        raise Refused(reason)


class Model:
    """nodes: the access node first. Nodes of one server share their roles."""

    def __init__(self, nodes: list[NodeState]) -> None:
        self.nodes = [node.copy() for node in nodes]
        shared: dict[str, dict[str, Role]] = {}
        for node in self.nodes:
            node.roles = shared.setdefault(node.server, node.roles)

    def after(self, steps: list[Step]) -> Model:
        changed = Model(self.nodes)
        for step in steps:
            changed.do(step)
        return changed

    def state(self) -> list[NodeState]:
        """To be compared: an entry without privileges is none."""
        nodes = [node.copy() for node in self.nodes]
        for node in nodes:
            held = {object: {role: held for role, held in entry.items() if held.all} for object, entry in node.acl.items()}
            node.acl = {object: entry for object, entry in held.items() if entry}
        return nodes

    def do(self, step: Step) -> None:
        node = self.at(step.endpoint)
        values = list(step.statement.values)
        for template in step.statement.template.split("; "):
            for pattern, method in _STATEMENTS:
                match = re.fullmatch(pattern, template)
                if match:
                    getattr(self, method)(node, step.statement.identifiers, values, *match.groups())
                    break
            else:
                raise AssertionError(f"no server knows {template}")

    def at(self, endpoint: Endpoint | None) -> NodeState:
        return next(node for node in self.nodes if node.endpoint == endpoint)

    def reached(self, names: frozenset[str]) -> list[NodeState]:
        """The data nodes of a distributed hypertable, to which the access node sends what is done to it."""
        there = [node for node in self.nodes if node.name in names]
        require({node.name for node in there} == names, "some data nodes are not available for DDL commands")
        return there

    def _has_role(self, node: NodeState, *names: str) -> None:
        for name in names:
            require(name in node.roles or name == PUBLIC, f"role {name} does not exist on {node.name}")

    def create_role(self, node, names, values, options):
        require(names["role"] not in node.roles, "role already exists")
        node.roles[names["role"]] = Role(dict.fromkeys(_FLAGS.values(), False) | {"inherit": True})
        self.alter_role(node, names, values, options)

    def alter_role(self, node, names, values, options):
        self._has_role(node, names["role"])
        role = node.roles[names["role"]]
        for option in re.findall(r"CONNECTION LIMIT %s|PASSWORD %s|\w+", options or ""):
            if option == "CONNECTION LIMIT %s":
                role.connection_limit = values.pop(0)
            elif option == "PASSWORD %s":
                role.verifier = values.pop(0)
            else:
                role.attributes[_FLAGS[option.removeprefix("NO")]] = not option.startswith("NO")

    def grant_membership(self, node, names, values):
        self._has_role(node, names["role"], names["group"])
        node.roles[names["role"]].member_of.add(names["group"])

    def revoke_membership(self, node, names, values):
        node.roles[names["role"]].member_of.remove(names["group"])

    def create_schema(self, node, names, values, owner):
        require(names["schema"] not in node.schemas, "schema already exists")
        self._has_role(node, *([names["owner"]] if owner else []))
        schema = node.schemas[names["schema"]] = Schema(names["owner"] if owner else node.login)
        node.held(Object("schema", "", names["schema"]), schema.owner).grant(frozenset({"USAGE", "CREATE"}))

    def alter_schema(self, node, names, values):
        self._has_role(node, names["owner"])
        entry = node.acl.setdefault(Object("schema", "", names["schema"]), {})
        old = entry.pop(node.schemas[names["schema"]].owner, Held())
        node.held(Object("schema", "", names["schema"]), names["owner"]).grant(old.all)
        node.schemas[names["schema"]].owner = names["owner"]

    def drop_schema(self, node, names, values):
        require(not node.schemas[names["schema"]].objects, "schema is not empty")
        del node.schemas[names["schema"]]

    def create_extension(self, node, names, values, schema):
        found = node.extensions[names["extension"]]
        require(found.version is None, "extension already exists")
        require(not schema or names["schema"] in node.schemas, "schema does not exist")
        self.update_extension(node, names, values)

    def update_extension(self, node, names, values):
        found = node.extensions[names["extension"]]
        require(values[0] in self.versions(node, names["extension"]), "the server has no such version of the extension")
        node.extensions[names["extension"]] = replace(found, version=values[0])

    def versions(self, node: NodeState, extension: str) -> tuple[str, ...]:
        """Those that can be installed, or updated to."""
        return tuple(filter(None, [node.extensions[extension].target]))

    def privileges(self, node, names, values, verb, listed, kind, place, grantee):
        role = PUBLIC if grantee == "PUBLIC" else names["role"]
        if kind == "DATABASE":
            object = Object("database", "", "")
        elif place == "{schema}.{name}":
            object = Object(kind.lower(), names["schema"], names["name"])
        else:
            object = Object(kind.lower(), "", names[place[1:-1]])
        if kind == "DATABASE":
            require(names["name"] == node.database, "database does not exist")
        reached = [node]
        relation = node.relations.get(object)
        if kind in ("TABLE", "SEQUENCE"):
            require(relation, f"{object} does not exist on {node.name}")
            if relation.nodes is not None:
                reached += [other for other in self.reached(relation.nodes) if object in other.relations]
        elif kind == "SCHEMA":
            require(object.name in node.schemas, "schema does not exist")
        for other in reached:
            self._change(other, verb, object, listed, role)

    def _change(self, node, verb, object, listed, role):
        self._has_role(node, role)
        privileges = frozenset(listed.split(", "))
        require(privileges <= set(PRIVILEGES[object.kind]), f"no such privilege on {object.kind}")
        held = node.held(object, role)
        if verb == "GRANT":
            held.grant(privileges)
        else:
            held.all -= privileges & held.by_owner
            held.by_owner -= privileges

    def in_schema(self, node, names, values, listed, kinds):
        for object in list(node.objects_in(kinds.lower()[:-1], names["schema"])):
            self._change(node, "GRANT", object, listed, names["role"])

    def servers(self, node, names, values, verb):
        for key, name in names.items():
            if key.startswith("server"):
                self._change(node, verb, Object("foreign server", "", name), "USAGE", names["role"])

    def defaults(self, node, names, values, schema, verb, listed, kinds):
        self._has_role(node, names["name"])
        require(not schema or names["schema"] in node.schemas, "schema does not exist")
        self._change(node, verb, Object(f"default {kinds.lower()}", names["schema"] if schema else "", names["name"]), listed, names["role"])

    def drop_mapping(self, node, names, values):
        del node.mappings[names["role"]][names["server"]]

    def reassign(self, node, names, values, to):
        heir = names["heir"] if to == "{heir}" else node.login
        self._has_role(node, names["role"], *([heir] if to == "{heir}" else []))
        for name, schema in node.schemas.items():
            if schema.owner == names["role"]:
                self.alter_schema(node, {"schema": name, "owner": heir}, values)
        node.owned[names["role"]] = replace(node.owned.get(names["role"], Owned()), objects=0, sample=())

    def drop_owned(self, node, names, values):
        require(not node.owned.get(names["role"], Owned()).objects, "objects would be lost")
        for entry in node.acl.values():
            entry.pop(names["role"], None)
        node.mappings.pop(names["role"], None)

    def drop_role(self, node, names, values):
        for other in self.nodes:
            if other.server == node.server:
                require(not any(held.all for entry in other.acl.values() for role, held in entry.items() if role == names["role"]), "it has privileges")
                require(names["role"] not in other.mappings, "it has a user mapping")
        del node.roles[names["role"]]


_STATEMENTS = (
    (r"CREATE ROLE \{role\}( .*)?", "create_role"),
    (r"ALTER ROLE \{role\} (.*)", "alter_role"),
    (r"DROP ROLE \{role\}", "drop_role"),
    (r"GRANT \{group\} TO \{role\}", "grant_membership"),
    (r"REVOKE \{group\} FROM \{role\}", "revoke_membership"),
    (r"CREATE SCHEMA \{schema\}( AUTHORIZATION \{owner\})?", "create_schema"),
    (r"ALTER SCHEMA \{schema\} OWNER TO \{owner\}", "alter_schema"),
    (r"DROP SCHEMA \{schema\}", "drop_schema"),
    (r"CREATE EXTENSION \{extension\}( SCHEMA \{schema\})? VERSION %s", "create_extension"),
    (r"ALTER EXTENSION \{extension\} UPDATE TO %s", "update_extension"),
    (r"GRANT (.+) ON ALL (TABLES|SEQUENCES) IN SCHEMA \{schema\} TO \{role\}", "in_schema"),
    (r"(GRANT|REVOKE) USAGE ON FOREIGN SERVER .+ (?:TO|FROM) \{role\}", "servers"),
    (r"ALTER DEFAULT PRIVILEGES FOR ROLE \{name\}( IN SCHEMA \{schema\})? (GRANT|REVOKE) (.+) ON (\w+) (?:TO|FROM) \{role\}", "defaults"),
    (r"(GRANT|REVOKE) (.+) ON (DATABASE|SCHEMA|TABLE|SEQUENCE) (\S+) (?:TO|FROM) (PUBLIC|\{role\})", "privileges"),
    (r"DROP USER MAPPING FOR \{role\} SERVER \{server\}", "drop_mapping"),
    (r"REASSIGN OWNED BY \{role\} TO (\{heir\}|CURRENT_USER)", "reassign"),
    (r"DROP OWNED BY \{role\}", "drop_owned"),
)
