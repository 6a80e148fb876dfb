# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan by which roles, schemas and extensions become alike on all nodes. No I/O."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import PRIVILEGES, Object, listed, ordered
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_draft import DROP, OBJECTS, REMOVAL, ROLES, Draft
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_grants import Grants, declared_objects
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import PUBLIC, Extension, Held, NodeState, Owned, Role, Schema
from ansible_collections.timescaledb.multinode.plugins.module_utils._scram import is_verifier, scram_verifier, verifies
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, Secret, State
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import WantedExtension, WantedRole, WantedRoles, WantedSchema

# What CREATE ROLE gives to a role of which nothing else is said.
_NEW = dict.fromkeys(ATTRIBUTES, False) | {"inherit": True}


def plan_roles(wanted: WantedRoles, nodes: list[NodeState], registered: list[str], make: Callable[[str], str] = scram_verifier) -> Plan:
    """Decide the steps. Raises ClusterError(s) with every reason not to start; for the arguments see draft_roles()."""
    draft = draft_roles(wanted, nodes, registered, make)
    raise_all(draft.errors)
    return Plan(draft.steps(), shown(wanted, nodes), shown(wanted, draft.nodes), draft.warnings)


def draft_roles(
    wanted: WantedRoles,
    nodes: list[NodeState],
    registered: list[str],
    make: Callable[[str], str] = scram_verifier,
    foresee: Callable[[list[NodeState]], None] = lambda nodes: None,
) -> Draft:
    """The steps, with every reason not to start.

    Args:
        nodes: the access node, and the data nodes that are available.
        registered: the names of all data nodes.
        make: makes a new verifier of a password.
        foresee: makes the nodes what others leave of tables before privileges on these are given.
    """
    draft = Draft(nodes, registered)
    present = [role for role in wanted.roles if role.present]
    for role in present:
        _keep_role(draft, role, make)
    _require_roles(draft, wanted)
    for role in present:
        _keep_memberships(draft, role)
    for schema in wanted.schemas:
        if schema.present:
            _keep_schema(draft, schema)
    for extension in wanted.extensions:
        _keep_extension(draft, extension)
    for role in present:
        Grants(draft, role).plan()
        _keep_mappings(draft, role)
    foresee(draft.nodes)
    for role in present:
        Grants(draft, role).plan_relations()
    for schema in wanted.schemas:
        if not schema.present:
            _drop_schema(draft, schema)
    for role in wanted.roles:
        if not role.present:
            _drop_role(draft, role)
    skipped = [f'data node "{name}" is not available and was left as it is: run the task again when it is back' for name in sorted(draft.skipped)]
    draft.warnings[:0] = skipped
    return draft


# Roles


def _keep_role(draft: Draft, role: WantedRole, make: Callable[[str], str]) -> None:
    verifier = _verifier(draft, role, make)
    for node in draft.servers:
        found = node.roles.get(role.name)
        there = found or Role(dict(_NEW))
        options: list[str] = []
        values: list[Any] = []
        reasons: list[str] = []
        for name, value in role.attributes.items():
            if there.attributes[name] is not value:
                on, off = ATTRIBUTES[name]
                options.append(on if value else off)
                reasons.append(f"it is {off if value else on}")
        if role.connection_limit not in (None, there.connection_limit):
            options.append("CONNECTION LIMIT %s")
            values.append(role.connection_limit)
            reasons.append(f"its connection limit is {there.connection_limit}")
            there.connection_limit = role.connection_limit
        if verifier is not None and not _fits(role, there.verifier):
            options.append("PASSWORD %s")
            values.append(verifier)
            reasons.append("it has no password" if there.verifier is None else "its password is another")
            there.verifier = verifier
            _refuse_stale_mapping(draft, role, node)
        there.attributes.update(role.attributes)
        node.roles[role.name] = there
        if found is None:
            draft.add(ROLES, node, role.subject, "create", "it is missing", " ".join(["CREATE ROLE {role}", *options]), *values, role=role.name)
        elif options:
            draft.add(ROLES, node, role.subject, "alter", ", ".join(reasons), " ".join(["ALTER ROLE {role}", *options]), *values, role=role.name)


def _verifier(draft: Draft, role: WantedRole, make: Callable[[str], str]) -> Secret | None:
    """The one for all nodes: the first that a node has and that fits, else a new one."""
    if role.password is None:
        return None
    there = (node.roles[role.name].verifier for node in draft.nodes if role.name in node.roles)
    fitting = next((verifier for verifier in there if _fits(role, verifier)), None)
    return fitting or Secret(role.password if is_verifier(role.password) else make(role.password))


def _fits(role: WantedRole, verifier: Secret | None) -> bool:
    """Whether that verifier is the declared one, or one of the declared password."""
    if role.password is None or verifier is None:
        return False
    return verifier == role.password if is_verifier(role.password) else verifies(role.password, verifier)


def _refuse_stale_mapping(draft: Draft, role: WantedRole, node: NodeState) -> None:
    if not role.drop_user_mappings and draft.access_node.mappings.get(role.name, {}).get(node.name):
        cause = f"its password is to change on {node.place}, and its user mapping there keeps an old one, which the access node would go on using"
        draft.refuse(draft.access_node, role.subject, cause, "set drop_user_mappings and give the role a line in the file that timescaledb.passfile names")


def _require_roles(draft: Draft, wanted: WantedRoles) -> None:
    """Roles that are named and not declared have to be on all nodes."""
    needed: dict[str, str] = {}
    for role in wanted.roles:
        if role.present:
            needed.update(dict.fromkeys(role.member_of or (), f"member_of of {role.subject}"))
            objects = [object for selection in role.selections for object in selection.objects or ()]
            needed.update({object.name: f"target_roles of {role.subject}" for object in objects if object.kind.startswith("default ")})
        elif role.reassign_owned_to:
            needed[role.reassign_owned_to] = f"reassign_owned_to of {role.subject}"
    needed.update({schema.owner: f"owner of {schema.subject}" for schema in wanted.schemas if schema.present and schema.owner})
    for name, purpose in needed.items():
        for node in draft.servers:
            if name not in node.roles:
                draft.refuse(node, f'role "{name}"', f"it is missing there, and is {purpose}", "list it in roles, or create it there")


def _keep_memberships(draft: Draft, role: WantedRole) -> None:
    if role.member_of is None:
        return
    for node in draft.servers:
        found = node.roles[role.name].member_of
        for group in role.member_of:
            if group not in found:
                reason = f'it is no member of role "{group}"'
                draft.add(ROLES, node, role.subject, "grant", reason, "GRANT {group} TO {role}", group=group, role=role.name)
        found |= set(role.member_of)
        for group in sorted(found - set(role.member_of)) if role.exclusive else ():
            reason = f'it is a member of role "{group}", which is not declared'
            draft.add(ROLES, node, role.subject, "revoke", reason, "REVOKE {group} FROM {role}", group=group, role=role.name)
            found.remove(group)


def _keep_mappings(draft: Draft, role: WantedRole) -> None:
    node = draft.access_node
    mappings = node.mappings.get(role.name, {})
    if mappings and not role.drop_user_mappings:
        names = ", ".join(f'"{name}"' for name in sorted(mappings))
        draft.warnings.append(f"{role.subject} has a user mapping for data node {names}, which TimescaleDB prefers to its passfile")
        return
    for name in sorted(mappings):
        reason = f'it has a user mapping for data node "{name}"'
        draft.add(OBJECTS, node, role.subject, "drop", reason, "DROP USER MAPPING FOR {role} SERVER {server}", role=role.name, server=name)
    mappings.clear()


def _drop_role(draft: Draft, role: WantedRole) -> None:
    for node in draft.nodes:
        if role.name in node.roles:
            _disown(draft, role, node)
    for node in draft.servers:
        if node.roles.pop(role.name, None):
            draft.add(DROP, node, role.subject, "drop", "it is to be absent", "DROP ROLE {role}", role=role.name)


def _disown(draft: Draft, role: WantedRole, node: NodeState) -> None:
    """Take from a role what it has in one database. What it may come to own until then is given away and not dropped."""
    owned = node.owned.get(role.name, Owned())
    if role.name == node.login:
        draft.refuse(node, role.subject, "the task itself logs in as it", "log in as another superuser")
    if owned.objects and role.reassign_owned_to is None:
        cause = f"it owns {owned.objects} object{'s' if owned.objects > 1 else ''} there: {', '.join(owned.sample)}{', ...' if owned.objects > 3 else ''}"
        draft.refuse(node, role.subject, cause, "name the role that gets them in reassign_owned_to, or drop them first")
    if owned.jobs:
        cause = f"background job {', '.join(map(str, owned.jobs))} runs as it"
        draft.refuse(node, role.subject, cause, "delete_job() there, and add the job again as another role: REASSIGN OWNED leaves it out")
    databases = {other.database for other in draft.nodes if other.server == node.server}
    elsewhere = [name for name in owned.elsewhere if name not in databases]
    if elsewhere:
        remedy = "log in to that database, REASSIGN OWNED BY and DROP OWNED BY the role"
        draft.refuse(node, role.subject, f'it owns objects or has privileges in database "{elsewhere[0]}" of that server', remedy)
    to, names = ("{heir}", {"heir": role.reassign_owned_to}) if role.reassign_owned_to else ("CURRENT_USER", {})
    if owned.objects:
        action, reason = "reassign", f'what it owns ({", ".join(owned.sample)}{", ..." if owned.objects > 3 else ""}) goes to role "{role.reassign_owned_to}"'
    else:
        action, reason = "revoke", "its privileges go before it does"
    heir = role.reassign_owned_to or node.login
    for name, schema in node.schemas.items():
        if schema.owner == role.name:
            object = Object("schema", "", name)
            node.held(object, heir).grant(node.acl.setdefault(object, {}).pop(role.name, Held()).all)
            schema.owner = heir
    template = f"REASSIGN OWNED BY {{role}} TO {to}; DROP OWNED BY {{role}}"
    draft.add(REMOVAL, node, role.subject, action, reason, template, role=role.name, **names)


# Schemas and extensions


def _keep_schema(draft: Draft, schema: WantedSchema) -> None:
    object = Object("schema", "", schema.name)
    for node in draft.nodes:
        found = node.schemas.get(schema.name)
        if found is None:
            owner, names = (" AUTHORIZATION {owner}", {"owner": schema.owner}) if schema.owner else ("", {})
            draft.add(OBJECTS, node, schema.subject, "create", "it is missing", "CREATE SCHEMA {schema}" + owner, schema=schema.name, **names)
            found = node.schemas[schema.name] = Schema(schema.owner or node.login)
            node.held(object, found.owner).grant(frozenset(PRIVILEGES["schema"]))
        elif schema.owner and schema.owner != found.owner:
            reason = f'it is owned by role "{found.owner}"'
            draft.add(OBJECTS, node, schema.subject, "alter", reason, "ALTER SCHEMA {schema} OWNER TO {owner}", schema=schema.name, owner=schema.owner)
            # The new owner takes the old one's place in the list of privileges (aclnewowner() in PostgreSQL).
            before = node.acl.setdefault(object, {}).pop(found.owner, Held())
            node.held(object, schema.owner).grant(before.all)
            found.owner = schema.owner
        if schema.public_privs is not None:
            _keep_public(draft, node, schema, object)


def _keep_public(draft: Draft, node: NodeState, schema: WantedSchema, object: Object) -> None:
    held, wanted = node.held(object, PUBLIC), schema.public_privs or frozenset()
    missing, extra = wanted - held.all, held.all - wanted
    if missing:
        privileges = listed("schema", missing)
        reason = f"PUBLIC lacks {privileges}"
        draft.add(OBJECTS, node, schema.subject, "grant", reason, f"GRANT {privileges} ON SCHEMA {{schema}} TO PUBLIC", schema=schema.name)
        held.grant(missing)
    if extra - held.by_owner:
        cause = f"PUBLIC has {listed('schema', extra)}, granted by another role than the owner"
        draft.refuse(node, schema.subject, cause, "revoke it there as the role that granted it")
    elif extra:
        privileges = listed("schema", extra)
        reason = f"PUBLIC has {privileges}"
        draft.add(OBJECTS, node, schema.subject, "revoke", reason, f"REVOKE {privileges} ON SCHEMA {{schema}} FROM PUBLIC", schema=schema.name)
        held.revoke(extra)


def _drop_schema(draft: Draft, schema: WantedSchema) -> None:
    for node in draft.nodes:
        found = node.schemas.pop(schema.name, None)
        if found is None:
            continue
        if found.objects:
            cause = f"it holds {found.objects} object{'s' if found.objects > 1 else ''}: {', '.join(found.sample)}{', ...' if found.objects > 3 else ''}"
            draft.refuse(node, schema.subject, cause, "drop them first: nothing is lost with a schema")
        draft.add(REMOVAL, node, schema.subject, "drop", "it is to be absent", "DROP SCHEMA {schema}", schema=schema.name)


def _keep_extension(draft: Draft, extension: WantedExtension) -> None:
    here = draft.access_node.extensions[extension.name]
    version = extension.version or here.version or here.target
    for node in draft.nodes:
        found: Extension = node.extensions[extension.name]
        if extension.schema and found.version is None and extension.schema not in node.schemas:
            draft.refuse(node, extension.subject, f'schema "{extension.schema}" is missing there', "list it in schemas, or create it there")
        if found.version == version and version is not None:
            continue
        if found.target is None or found.target != version:
            what = f"version {version} of it" if version else "such extension"
            cause = f"the server has no {what} to install" if found.version is None else f"the server has no way from version {found.version} to {version}"
            draft.refuse(node, extension.subject, cause, "install the extension's package on that host, the same one on all")
        elif found.version is None:
            schema, names = (" SCHEMA {schema}", {"schema": extension.schema}) if extension.schema else ("", {})
            template = "CREATE EXTENSION {extension}" + schema + " VERSION %s"
            draft.add(OBJECTS, node, extension.subject, "create", "it is missing", template, version, extension=extension.name, **names)
        else:
            template = "ALTER EXTENSION {extension} UPDATE TO %s"
            draft.add(OBJECTS, node, extension.subject, "alter", f"its version is {found.version}", template, version, extension=extension.name)
        found.version = version


# As the user is shown it


def shown(wanted: WantedRoles, nodes: list[NodeState]) -> State:
    """The declared objects, one entry for each on each node that has it."""
    fits: dict[tuple[str, str], bool] = {}

    def password(role: WantedRole, verifier: Secret | None) -> str | None:
        if verifier is None:
            return None
        if (role.name, verifier) not in fits:
            fits[role.name, verifier] = _fits(role, verifier)
        return "as declared" if fits[role.name, verifier] else "another"

    def entry(role: WantedRole, node: NodeState) -> dict[str, Any]:
        found = node.roles[role.name]
        shown = dict(node=node.name, name=role.name, **found.attributes, connection_limit=found.connection_limit, member_of=sorted(found.member_of))
        if role.password is not None:
            shown["password"] = password(role, found.verifier)
        if role.data_nodes is not None and node.endpoint is None:
            servers = (object for object in node.acl if object.kind == "foreign server" and node.held(object, role.name).all)
            shown["data_nodes"] = sorted(object.name for object in servers)
        if node.endpoint is None:
            shown["user_mappings"] = sorted(node.mappings.get(role.name, {}))
        objects = sorted(declared_objects(role, node)) if role.present else []
        held = {object: node.held(object, role.name).all for object in objects}
        shown["privileges"] = {object.subject: ordered(object.kind, privileges) for object, privileges in held.items() if privileges}
        return shown

    def schema(wanted: WantedSchema, node: NodeState) -> dict[str, Any]:
        held = node.held(Object("schema", "", wanted.name), PUBLIC).all
        return dict(node=node.name, name=wanted.name, owner=node.schemas[wanted.name].owner, public_privs=ordered("schema", held))

    return {
        "roles": [entry(role, node) for role in wanted.roles for node in nodes if role.name in node.roles],
        "schemas": [schema(entry, node) for entry in wanted.schemas for node in nodes if entry.name in node.schemas],
        "extensions": [
            dict(node=node.name, name=extension.name, version=node.extensions[extension.name].version)
            for extension in wanted.extensions
            for node in nodes
            if node.extensions[extension.name].version
        ],
    }
