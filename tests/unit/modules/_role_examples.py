# GPL-3.0-or-later (see LICENSE)
"""Examples of privileges, and of what a task declares of roles and schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from _choices import Choices
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import PRIVILEGES, Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES, role_list, schema_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import Held, Role
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Secret

# Declared are r and q; g is on all nodes.
NAMES, SCHEMAS = ("r", "q"), ("public", "m")
# They are verifiers, so that none has to be computed.
VERIFIERS = tuple(f"SCRAM-SHA-256$4096:c2FsdA==${letter * 43}=:{letter * 43}=" for letter in "AB")


def defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {name: option.get("default") for name, option in options["options"].items()}


def held(choose: Choices, kind: str) -> Held:
    privileges = frozenset(choose.some_of(PRIVILEGES[kind], 3))
    return Held(privileges, privileges - {min(privileges)} if privileges and choose.one_in(40) else privileges)


def role(choose: Choices) -> Role:
    attributes = {attribute: choose.maybe() for attribute in ATTRIBUTES}
    verifier = choose.one_of([None, *map(Secret, VERIFIERS)])
    return Role(attributes, choose.one_of([-1, 5]), verifier, set(choose.some_of(["g", "postgres"])))


def grant(choose: Choices, tables: Sequence[Object]) -> dict[str, Any]:
    kind = choose.one_of(["database", "schema", "table", "sequence", "default_privs"])
    declared: dict[str, Any] = dict(type=kind, objs=None, schema=None, target_roles=None)
    if kind == "default_privs":
        owners = [choose.one_of(["g", "g", "r", "postgres"])]
        return dict(declared, objs=["TABLES"], target_roles=owners, privs=choose.some_of(PRIVILEGES["table"], 3))
    declared["privs"] = ["ALL"] if choose.maybe() else choose.some_of(PRIVILEGES[kind], 3)
    if kind == "schema":
        declared["objs"] = choose.some_of(SCHEMAS, least=1)
    elif kind != "database":
        declared["schema"] = choose.one_of(SCHEMAS)
        there = [object.name for object in tables if (object.kind, object.schema) == (kind, declared["schema"])]
        declared["objs"] = choose.one_of([None, there])
    return declared


def declared_roles(choose: Choices, tables: Sequence[Object], data_nodes: Sequence[str]) -> dict[str, Any]:
    rows = []
    for name in choose.some_of(NAMES, least=1):
        row = defaults(role_list())
        row.update(name=name, state="absent" if choose.one_in(4) else "present", exclusive=choose.maybe(), drop_user_mappings=choose.maybe())
        row.update({attribute: choose.one_of([None, True, False]) for attribute in ATTRIBUTES})
        row.update(connection_limit=choose.one_of([None, 5, 6]), password=choose.one_of([None, *VERIFIERS]))
        row.update(member_of=choose.one_of([None, [], ["g"]]), grants=[grant(choose, tables) for _number in range(choose.up_to(3))])
        row.update(data_nodes=choose.one_of([None, ["*"], choose.some_of(data_nodes, 3)]))
        row.update(distributed_hypertables_in=choose.one_of([None, choose.some_of(SCHEMAS)]))
        row.update(reassign_owned_to=choose.one_of([None, "g", "g"]) if row["state"] == "absent" else None)
        rows.append(row)
    schema = dict(defaults(schema_list()), name="m", owner=choose.one_of([None, "r", "postgres"]))
    schema.update(state="absent" if choose.one_in(3) else "present", public_privs=choose.one_of([None, [], ["USAGE"], ["ALL"]]))
    return dict(roles=rows, schemas=choose.one_of([None, [schema]]), extensions=None)
