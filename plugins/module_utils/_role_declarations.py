# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What a task declares of roles, schemas and extensions. Typed and validated, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import DATABASE, Object, expanded
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES
from ansible_collections.timescaledb.multinode.plugins.module_utils._scram import is_verifier
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Secret
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import (
    EVERY_DATA_NODE,
    Selection,
    WantedExtension,
    WantedRole,
    WantedRoles,
    WantedSchema,
    is_default,
)

# NAMEDATALEN - 1; the server cuts longer names off without a word.
_MAXIMUM_NAME_BYTES = 63
# PostgreSQL's own words for a role.
_RESERVED = {"public", "none", "current_role", "current_user", "session_user"}
_DEFAULT_OBJECTS = ("TABLES", "SEQUENCES", "FUNCTIONS", "TYPES")


def wanted_roles(parameters: dict[str, Any]) -> WantedRoles:
    """The module's parameters as what is wanted. Raises ClusterError(s) for what can be judged without a server."""
    errors: list[ClusterError] = []
    wanted = WantedRoles(
        roles=[_role(row, errors) for row in parameters["roles"] or []],
        schemas=[_schema(row, errors) for row in parameters["schemas"] or []],
        extensions=[WantedExtension(row["name"], row["version"], row["schema"]) for row in parameters["extensions"] or []],
    )
    errors += [error for role in wanted.roles for error in _role_errors(role)]
    for extension in wanted.extensions:
        if extension.name == "timescaledb":
            errors.append(ClusterError(extension.subject, "it is what makes a node", "leave it out: add_data_node and upgrades see to it"))
    errors += _errors_of_names(wanted)
    errors += _contradictions(wanted)
    raise_all(errors)
    return wanted


def _role(row: dict[str, Any], errors: list[ClusterError]) -> WantedRole:
    subject = f'role "{row["name"]}"'
    selections = [selection for grant in row["grants"] or [] for selection in _selections_of(grant, subject, errors)]
    attributes = {name: row[name] for name in ATTRIBUTES if row[name] is not None}
    data_nodes = row["data_nodes"]
    schemas = row["distributed_hypertables_in"]
    if schemas:
        selections.append(Selection("database", expanded("database", ["CONNECT"]), (DATABASE,)))
        selections.append(Selection("schema", expanded("schema", ["ALL"]), tuple(Object("schema", "", name) for name in schemas)))
        attributes.setdefault("login", True)
        data_nodes = [EVERY_DATA_NODE] if data_nodes is None else data_nodes
    return WantedRole(
        name=row["name"],
        present=row["state"] == "present",
        attributes=attributes,
        connection_limit=row["connection_limit"],
        password=None if row["password"] is None else Secret(row["password"]),
        member_of=_tuple(row["member_of"]),
        data_nodes=_tuple(data_nodes),
        selections=tuple(selections),
        exclusive=row["exclusive"],
        drop_user_mappings=row["drop_user_mappings"],
        reassign_owned_to=row["reassign_owned_to"],
    )


def _tuple(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(dict.fromkeys(names))


def _selections_of(grant: dict[str, Any], subject: str, errors: list[ClusterError]) -> list[Selection]:
    kind, names, schema = grant["type"], grant["objs"], grant["schema"]
    try:
        if kind == "default_privs":
            return _defaults(grant)
        privileges = expanded(kind, grant["privs"])
    except ValueError as error:
        errors.append(ClusterError(subject, f"there is no privilege {error} on {kind}", "choose of those that PostgreSQL has for it, or ALL"))
        return []
    cause = _wrong_combination(kind, names, schema, grant["target_roles"])
    if cause:
        errors.append(ClusterError(subject, f"a grant of type {kind} {cause}", "see the documentation of grants"))
        return []
    if kind == "database":
        return [Selection(kind, privileges, (DATABASE,))]
    if kind == "schema":
        return [Selection(kind, privileges, tuple(Object(kind, "", name) for name in names))]
    return [Selection(kind, privileges, None if names is None else tuple(Object(kind, schema, name) for name in names), schema)]


def _wrong_combination(kind: str, names: list[str] | None, schema: str | None, target_roles: list[str] | None) -> str:
    if target_roles:
        return "has no target_roles"
    if kind == "database" and (names or schema):
        return "is on the cluster's database, and has neither objs nor schema"
    if kind == "schema" and (not names or schema):
        return "names its schemas in objs"
    if kind in ("table", "sequence") and not schema:
        return "needs a schema"
    return ""


def _defaults(grant: dict[str, Any]) -> list[Selection]:
    names = [name.upper() for name in grant["objs"] or []]
    if not names or not grant["target_roles"] or not set(names) <= set(_DEFAULT_OBJECTS):
        raise ValueError(f"without target_roles and, in objs, some of {', '.join(_DEFAULT_OBJECTS)}")
    return [
        Selection(
            f"default {name.lower()}",
            expanded(f"default {name.lower()}", grant["privs"]),
            tuple(Object(f"default {name.lower()}", grant["schema"] or "", owner) for owner in dict.fromkeys(grant["target_roles"])),
            grant["schema"] or "",
        )
        for name in dict.fromkeys(names)
    ]


def _schema(row: dict[str, Any], errors: list[ClusterError]) -> WantedSchema:
    privileges = None
    try:
        privileges = None if row["public_privs"] is None else expanded("schema", row["public_privs"])
    except ValueError as error:
        errors.append(ClusterError(f'schema "{row["name"]}"', f"there is no privilege {error} on schema", "choose of USAGE and CREATE"))
    return WantedSchema(row["name"], row["state"] == "present", row["owner"], privileges)


def _role_errors(role: WantedRole) -> Iterator[ClusterError]:
    if role.name in _RESERVED or role.name.startswith("pg_"):
        yield ClusterError(role.subject, "the name is PostgreSQL's own", "choose another one; member_of takes predefined roles")
    if role.password is not None:
        if not role.password:
            yield ClusterError(role.subject, "the password is empty", "choose one, or leave it out")
        elif role.password.startswith("md5") and len(role.password) == 35:
            yield ClusterError(role.subject, "the password is an md5 hash", "give the password itself or its SCRAM-SHA-256 verifier")
        elif role.password.startswith("SCRAM-SHA-256$") and not is_verifier(role.password):
            yield ClusterError(role.subject, "the password looks like a verifier and is none", "give the password itself, or a whole verifier")
        elif "\0" in role.password:
            yield ClusterError(role.subject, "the password has a NUL", "choose another one")
    if role.connection_limit is not None and role.connection_limit < -1:
        yield ClusterError(role.subject, f"connection_limit is {role.connection_limit}", "choose 0 or more, or -1 for no limit")
    if role.member_of and role.name in role.member_of:
        yield ClusterError(role.subject, "it cannot be a member of itself", "take it out of member_of")
    if role.present and role.reassign_owned_to is not None:
        yield ClusterError(role.subject, "reassign_owned_to only goes with state=absent", "leave it out")


def _errors_of_names(wanted: WantedRoles) -> Iterator[ClusterError]:
    objects = {object.name for role in wanted.roles for selection in role.selections for object in selection.objects or ()}
    versions = {extension.version for extension in wanted.extensions if extension.version is not None}
    named: dict[str, Iterable[str]] = {
        "role": wanted.role_names(),
        "schema": wanted.schema_names(),
        "extension": [extension.name for extension in wanted.extensions],
        "object": objects,
        "version": versions,
    }
    for kind, names in named.items():
        for name in sorted(names):
            if len(name.encode()) > _MAXIMUM_NAME_BYTES:
                yield ClusterError(f'{kind} "{name}"', f"the name is longer than {_MAXIMUM_NAME_BYTES} bytes", "choose a shorter one")
    for declared in (wanted.roles, wanted.schemas, wanted.extensions):
        for subject, count in Counter(entry.subject for entry in declared).items():
            if count > 1:
                yield ClusterError(subject, f"it is listed {count} times", "list it once")
        for entry in declared:
            if not entry.name:
                yield ClusterError(entry.subject, "the name is empty", "give name")


def _contradictions(wanted: WantedRoles) -> Iterator[ClusterError]:
    leaving = {role.name for role in wanted.roles if not role.present}
    for schema in wanted.schemas:
        if schema.present and schema.owner in leaving:
            yield ClusterError(schema.subject, f'its owner is to be role "{schema.owner}", which is to be removed', "name another owner")
    gone = {schema.name for schema in wanted.schemas if not schema.present}
    for role in wanted.roles:
        if role.reassign_owned_to in leaving:
            yield ClusterError(role.subject, f'reassign_owned_to is role "{role.reassign_owned_to}", which is to be removed', "name another one")
        if not role.present:
            continue
        for name in sorted(leaving & set(role.member_of or ())):
            yield ClusterError(role.subject, f'it is to be a member of role "{name}", which is to be removed', "take it out of member_of")
        for selection in role.selections:
            for object in selection.objects or ():
                if is_default(object) and object.name in leaving:
                    yield ClusterError(role.subject, f'target_roles has role "{object.name}", which is to be removed', "take it out")
            names = {object.name for object in selection.objects or () if object.kind == "schema"} | {selection.schema}
            for name in sorted(names & gone):
                yield ClusterError(role.subject, f'it is to have privileges in schema "{name}", which is to be removed', "take them out")
