# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which privileges have to be granted and revoked. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import DATABASE, NONE, Object, Privileges, listed
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_draft import OBJECTS, TABLES, Draft
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import NodeState
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import EVERY_DATA_NODE, Selection, WantedRole

Declared = dict[Object, Privileges]
_RELATIONS = ("table", "sequence")


class Grants:
    """The privileges of one role on all nodes."""

    def __init__(self, draft: Draft, role: WantedRole) -> None:
        self._draft = draft
        self._role = role

    def plan(self) -> None:
        """Add the steps for all but tables and sequences to the draft."""
        self._plan(lambda kind: kind not in _RELATIONS)
        self._use_data_nodes()

    def plan_relations(self) -> None:
        """Add the steps for tables and sequences to the draft, whose nodes have those that there will be."""
        self._plan(lambda kind: kind in _RELATIONS)

    def _plan(self, concerned: Callable[[str], bool]) -> None:
        # The access node first, for what it sends has not to be done on data nodes.
        for node in self._draft.nodes:
            for selection in self._role.selections:
                if not concerned(selection.kind):
                    continue
                if selection.objects is None:
                    self._grant_in_schema(node, selection)
                else:
                    for object in self._found(node, selection):
                        self._grant(node, object, selection.privileges - node.held(object, self._role.name).all)
            if self._role.exclusive:
                for object, privileges in declared_objects(self._role, node).items():
                    if concerned(object.kind):
                        self._revoke(node, object, node.held(object, self._role.name).all - privileges)

    def _found(self, node: NodeState, selection: Selection) -> Iterator[Object]:
        for object in selection.objects or ():
            if _is_there(node, object):
                yield object
            elif object.kind == "schema" or object.kind.startswith("default "):
                name = object.name if object.kind == "schema" else object.schema
                self._draft.refuse(node, self._role.subject, f'schema "{name}" is missing there', "list it in schemas, or create it there")
            elif node is self._draft.access_node:
                self._draft.refuse(node, self._role.subject, f"{object.subject} is missing there", "create it first, or use default_privs")

    def _grant_in_schema(self, node: NodeState, selection: Selection) -> None:
        objects = list(node.objects_in(selection.kind, selection.schema))
        if selection.schema not in node.schemas:
            remedy = "list it in schemas, or create it there"
            self._draft.refuse(node, self._role.subject, f'schema "{selection.schema}" is missing there', remedy)
        lacking = [object for object in objects if selection.privileges - node.held(object, self._role.name).all]
        missing = frozenset().union(*(selection.privileges - node.held(object, self._role.name).all for object in lacking))
        if not missing:
            return
        kinds = f"{selection.kind}s"
        privileges = listed(selection.kind, missing)
        reason = f'it lacks {privileges} on {len(lacking)} of the {len(objects)} {kinds} in schema "{selection.schema}"'
        template = f"GRANT {privileges} ON ALL {kinds.upper()} IN SCHEMA {{schema}} TO {{role}}"
        self._draft.add(TABLES, node, self._role.subject, "grant", reason, template, schema=selection.schema, role=self._role.name)
        for object in objects:
            node.held(object, self._role.name).grant(missing)

    def _grant(self, node: NodeState, object: Object, missing: Privileges) -> None:
        if not missing or (object.kind.startswith("default ") and object.name == self._role.name and not object.schema):
            return
        privileges = listed(object.kind, missing)
        self._draft.add(
            _phase(object),
            node,
            self._role.subject,
            "grant",
            f"it lacks {privileges} on {object.subject}",
            _template(object, f"GRANT {privileges}", "TO"),
            **_identifiers(node, object, self._role.name),
        )
        for changed in self._reached(node, object):
            changed.held(object, self._role.name).grant(missing)

    def _revoke(self, node: NodeState, object: Object, extra: Privileges) -> None:
        if not extra or node.owner_of(object) == self._role.name:
            return
        privileges = listed(object.kind, extra)
        if extra - node.held(object, self._role.name).by_owner:
            cause = f"it has {privileges} on {object.subject}, granted by another role than the owner"
            self._draft.refuse(node, self._role.subject, cause, "revoke it there as the role that granted it")
            return
        self._draft.add(
            _phase(object),
            node,
            self._role.subject,
            "revoke",
            f"it has {privileges} on {object.subject}, which is not declared",
            _template(object, f"REVOKE {privileges}", "FROM"),
            **_identifiers(node, object, self._role.name),
        )
        for changed in self._reached(node, object):
            changed.held(object, self._role.name).revoke(extra)

    def _reached(self, node: NodeState, object: Object) -> list[NodeState]:
        """The nodes that a statement about the object reaches: TimescaleDB sends it to the data nodes of a distributed hypertable."""
        relation = node.relations.get(object)
        if relation is None or relation.nodes is None:
            return [node]
        silent = sorted(relation.nodes & self._draft.skipped)
        if silent:
            cause = f'{object.subject} is on data node "{silent[0]}", which is not available, so that TimescaleDB refuses to change privileges on it'
            self._draft.refuse(node, self._role.subject, cause, "make the data node available, or detach it")
        return [node, *(other for other in self._draft.nodes[1:] if other.name in relation.nodes and object in other.relations)]

    def _use_data_nodes(self) -> None:
        wanted = self._role.data_nodes
        if wanted is None:
            return
        node, draft = self._draft.access_node, self._draft
        for name in wanted:
            if name not in (EVERY_DATA_NODE, *draft.registered):
                draft.refuse(node, self._role.subject, f'data node "{name}" is not registered', "register it, or take it out of data_nodes")
        held = {name: node.held(Object("foreign server", "", name), self._role.name) for name in draft.registered}
        names = set(draft.registered if EVERY_DATA_NODE in wanted else wanted)
        self._on_servers("grant", [name for name in draft.registered if name in names and not held[name].all])
        if self._role.exclusive:
            self._on_servers("revoke", [name for name in draft.registered if name not in names and held[name].by_owner])

    def _on_servers(self, action: str, names: list[str]) -> None:
        if not names:
            return
        node = self._draft.access_node
        identifiers = {f"server{number}": name for number, name in enumerate(names)}
        servers = ", ".join(f"{{{key}}}" for key in identifiers)
        verb, to, has = ("GRANT", "TO", "it lacks USAGE on") if action == "grant" else ("REVOKE", "FROM", "it has USAGE, which is not declared, on")
        reason = f"{has} data node{'s' if len(names) > 1 else ''} {', '.join(names)}"
        template = f"{verb} USAGE ON FOREIGN SERVER {servers} {to} {{role}}"
        self._draft.add(OBJECTS, node, self._role.subject, action, reason, template, role=self._role.name, **identifiers)
        for name in names:
            held = node.held(Object("foreign server", "", name), self._role.name)
            (held.grant if action == "grant" else held.revoke)(frozenset({"USAGE"}))


def declared_objects(role: WantedRole, node: NodeState) -> Declared:
    """What the role is to have on this node, by object."""
    declared: Declared = {}
    for selection in role.selections:
        named = selection.objects is not None
        for object in selection.objects if named else node.objects_in(selection.kind, selection.schema):
            if _is_there(node, object):
                declared[object] = declared.get(object, NONE) | selection.privileges
    return declared


def _phase(object: Object) -> int:
    return TABLES if object.kind in ("table", "sequence") else OBJECTS


def _is_there(node: NodeState, object: Object) -> bool:
    if object.kind == "schema":
        return object.name in node.schemas
    if object.kind.startswith("default "):
        return not object.schema or object.schema in node.schemas
    return object == DATABASE or object in node.relations


def _template(object: Object, privileges: str, to: str) -> str:
    if object.kind.startswith("default "):
        schema = " IN SCHEMA {schema}" if object.schema else ""
        return f"ALTER DEFAULT PRIVILEGES FOR ROLE {{name}}{schema} {privileges} ON {object.kind.removeprefix('default ').upper()} {to} {{role}}"
    place = "{schema}.{name}" if object.schema else "{name}"
    return f"{privileges} ON {object.kind.upper()} {place} {to} {{role}}"


def _identifiers(node: NodeState, object: Object, role: str) -> dict[str, str]:
    schema = {"schema": object.schema} if object.schema else {}
    return dict(schema, name=node.database if object == DATABASE else object.name, role=role)
