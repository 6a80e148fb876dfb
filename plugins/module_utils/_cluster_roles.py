# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Roles, schemas and extensions as a part of a whole cluster's plan. No I/O.

Tables are planned between them: a data node needs the roles before a hypertable is attached to it, and a grant needs its table. So privileges
are planned for the tables as they will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_planner import HypertablePlanner
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import PRIVILEGES, Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_draft import Draft
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_plan import draft_roles
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import NodeState, Relation
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import WantedRoles

Tables = dict[tuple[str, str], Table]


def with_declared(wanted: WantedRoles, tables: Tables, nodes: list[NodeState], owners: Mapping[tuple[str, str], str | None]) -> Tables:
    """The tables as their plan finds them, behind the steps that make declared schemas and roles.

    Args:
        nodes: the access node, and the data nodes that get the schemas.
        owners: the wanted owners by table.
    """
    schemas = {schema.name for schema in wanted.schemas if schema.present}
    roles = {role.name for role in wanted.roles if role.present}
    names = tuple(node.name for node in nodes[1:])
    makes_more = bool(nodes) and _lacks_declared(wanted, nodes[0])
    makes_more_there = any(_lacks_declared(wanted, node) for node in nodes)
    found = dict(tables)
    for key, table in tables.items():
        if makes_more and table.trial and table.trial.lacks_something:
            # What is missing may be there by then.
            found[key] = table = replace(table, trial=None)
        if makes_more_there:
            found[key] = table = _without_presuppositions(table)
        if owners.get(key) in roles:
            found[key] = table = replace(table, wanted_owner_exists=True)
        if key[0] in schemas:
            found[key] = replace(table, schema_exists=True, may_create=True, nodes_with_schema=names)
    return found


def _lacks_declared(wanted: WantedRoles, node: NodeState) -> bool:
    """Whether the node lacks a declared schema or extension, in which something may be that a definition names."""
    there = {name for name, extension in node.extensions.items() if extension.version is not None}
    return any(extension.name not in there for extension in wanted.extensions) or any(
        schema.present and schema.name not in node.schemas for schema in wanted.schemas
    )


def _without_presuppositions(table: Table) -> Table:
    """What data nodes lack may be there by then as well."""
    nothing: dict[str, Any] = dict(own_types=(), referenced=())
    if table.trial and table.trial.shape:
        table = replace(table, trial=replace(table.trial, shape=replace(table.trial.shape, **nothing)))
    return replace(table, shape=replace(table.shape, **nothing)) if table.shape else table


def draft_cluster_roles(wanted: WantedRoles, nodes: list[NodeState], registered: list[str], planners: list[HypertablePlanner]) -> Draft:
    """The draft for roles, schemas and extensions, where tables are as the planners leave them.

    Args:
        registered: the names of the data nodes that are there behind all steps for data nodes.
    """

    def foresee(after: list[NodeState]) -> None:
        privileges, tables = after[0].acl, after[0].relations
        for object in [object for object in privileges if object.kind == "foreign server" and object.name not in registered]:
            del privileges[object]
        tables.update({table: replace(found, nodes=found.nodes & set(registered)) for table, found in tables.items() if found.nodes is not None})
        for planner in planners:
            _foresee(planner, after)

    return draft_roles(wanted, nodes, registered, foresee=foresee)


def _foresee(planner: HypertablePlanner, nodes: list[NodeState]) -> None:
    """Make the nodes what the steps for one table leave."""
    table, found, is_there = Object("table", planner.wanted.schema, planner.wanted.relation), planner.found, planner.after
    access_node = nodes[0]
    if not planner.wanted.present:
        for node in nodes if found.is_distributed else ():
            node.relations.pop(table, None)
            node.acl.pop(table, None)
        return
    for node in nodes:
        if node is not access_node and node.name not in is_there.data_nodes:
            if node.name in found.data_nodes and planner.wanted.drops_table_on(node.name):
                node.relations.pop(table, None)
                node.acl.pop(table, None)
            elif node.name in found.data_nodes and found.owner != is_there.owner and planner.new_nodes():
                # The table has a new owner before it is taken from the node, which keeps its part.
                node.acl.setdefault(table, {}).pop(found.owner, None)
                node.held(table, is_there.owner).grant(frozenset(PRIVILEGES["table"]))
                node.relations[table] = Relation(is_there.owner)
            continue
        if node is not access_node and node.name not in found.data_nodes:
            # It gets what the access node has.
            node.acl[table] = {role: replace(held) for role, held in access_node.acl.get(table, {}).items()}
        elif found.owner and found.owner != is_there.owner:
            node.acl.setdefault(table, {}).pop(found.owner, None)
        if found.kind is None if node is access_node else node.name not in found.data_nodes:
            # Made by the role of the task, where it is attached by its owner; default privileges are planned by now.
            maker = is_there.owner if found.is_distributed else access_node.login
            for schema in ("", planner.wanted.schema):
                for role, held in node.acl.get(Object("default tables", schema, maker), {}).items():
                    node.held(table, role).grant(held.all)
        node.held(table, is_there.owner).grant(frozenset(PRIVILEGES["table"]))
        node.relations[table] = Relation(is_there.owner, frozenset(is_there.data_nodes) if node is access_node else None)
