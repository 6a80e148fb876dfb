# GPL-3.0-or-later (see LICENSE)
"""Examples of privileges, and of what a task declares of roles and schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import PRIVILEGES, Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES, role_list, schema_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import Held
from hypothesis import strategies as st

# Declared are r and q; g is on all nodes.
NAMES, SCHEMAS = ("r", "q"), ("public", "m")
# They are verifiers, so that none has to be computed.
VERIFIERS = tuple(f"SCRAM-SHA-256$4096:c2FsdA==${letter * 43}=:{letter * 43}=" for letter in "AB")


def subset(values) -> st.SearchStrategy:
    return st.lists(st.sampled_from(sorted(values)), unique=True, max_size=3)


def defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {name: option.get("default") for name, option in options["options"].items()}


@st.composite
def held(draw, kind: str) -> Held:
    privileges = frozenset(draw(subset(PRIVILEGES[kind])))
    return Held(privileges, privileges - {min(privileges)} if privileges and not draw(st.integers(0, 40)) else privileges)


@st.composite
def grants(draw, tables: Sequence[Object]) -> dict[str, Any]:
    kind = draw(st.sampled_from(["database", "schema", "table", "sequence", "default_privs"]))
    grant: dict[str, Any] = dict(type=kind, objs=None, schema=None, target_roles=None)
    if kind == "default_privs":
        return dict(grant, objs=["TABLES"], target_roles=[draw(st.sampled_from(["g", "g", "r", "postgres"]))], privs=draw(subset(PRIVILEGES["table"])))
    grant["privs"] = draw(st.one_of(subset(PRIVILEGES[kind]), st.just(["ALL"])))
    if kind == "schema":
        grant["objs"] = draw(st.lists(st.sampled_from(SCHEMAS), min_size=1, unique=True))
    elif kind != "database":
        grant["schema"] = draw(st.sampled_from(SCHEMAS))
        there = [object.name for object in tables if (object.kind, object.schema) == (kind, grant["schema"])]
        grant["objs"] = draw(st.sampled_from([None, there]))
    return grant


@st.composite
def declared_roles(draw, tables: Sequence[Object], data_nodes: Sequence[str]) -> dict[str, Any]:
    rows = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)):
        row = defaults(role_list())
        row.update(name=name, state=draw(st.sampled_from(["present", "present", "present", "absent"])), exclusive=draw(st.booleans()))
        row.update({attribute: draw(st.sampled_from([None, True, False])) for attribute in ATTRIBUTES})
        row.update(connection_limit=draw(st.sampled_from([None, 5, 6])), password=draw(st.sampled_from([None, *VERIFIERS])))
        row.update(member_of=draw(st.sampled_from([None, [], ["g"]])), grants=draw(st.lists(grants(tables), max_size=3)))
        row.update(data_nodes=draw(st.one_of(st.none(), st.just(["*"]), subset(data_nodes))), drop_user_mappings=draw(st.booleans()))
        row.update(distributed_hypertables_in=draw(st.one_of(st.none(), subset(SCHEMAS))))
        rows.append(row)
    schema = dict(defaults(schema_list()), name="m", owner=draw(st.sampled_from([None, "r", "postgres"])))
    schema.update(state=draw(st.sampled_from(["present", "present", "absent"])), public_privs=draw(st.sampled_from([None, [], ["USAGE"], ["ALL"]])))
    return dict(roles=rows, schemas=draw(st.sampled_from([None, [schema]])), extensions=None)
