# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What one node has of the roles, schemas and extensions that a task is about. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import NONE, Object, Privileges
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Secret

ACCESS_NODE = "access node"
# The key of PUBLIC among the roles that have privileges; no role can have this name.
PUBLIC = ""


@dataclass
class Role:
    """A role of a server; databases of one server share it."""

    attributes: dict[str, bool] = field(default_factory=dict)
    connection_limit: int = -1
    verifier: Secret | None = None
    member_of: set[str] = field(default_factory=set)


@dataclass
class Owned:
    """What stands against dropping a role.

    Args:
        objects: how many it owns in this database.
        sample: the first of them.
        elsewhere: other databases of the server in which it owns objects or has privileges.
        jobs: the first of the background jobs that run as it.
    """

    objects: int = 0
    sample: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    jobs: tuple[int, ...] = ()


@dataclass
class Schema:
    """A schema; objects and sample are read only of those that are to be removed."""

    owner: str
    objects: int = 0
    sample: tuple[str, ...] = ()


@dataclass
class Extension:
    """An extension, installed or not.

    Args:
        version: the installed one.
        target: the version to be had that the server would install or update to; None where it offers none, or no way to it.
    """

    version: str | None
    target: str | None


@dataclass
class Held:
    """The privileges of one role on one object.

    Args:
        all: whoever granted them.
        by_owner: those that the owner granted, which are the ones a superuser can revoke.
    """

    all: Privileges = NONE
    by_owner: Privileges = NONE

    def grant(self, privileges: Privileges) -> None:
        self.all |= privileges
        self.by_owner |= privileges

    def revoke(self, privileges: Privileges) -> None:
        """What others than the owner granted stays."""
        self.all -= privileges & self.by_owner
        self.by_owner -= privileges


@dataclass(frozen=True)
class Relation:
    """A table, view or sequence; nodes are the data nodes of a distributed hypertable, None for all else."""

    owner: str
    nodes: frozenset[str] | None = None


@dataclass
class NodeState:
    """One node's database.

    Args:
        name: C(access node), or the data node's name.
        endpoint: where a data node is to be reached; None for the access node.
        server: tells the databases of one server from those of others.
        mappings: on the access node, the data nodes for which a role has a user mapping; True where that holds a password.
        password: for the login to a data node, where the task gives one.
    """

    name: str
    endpoint: Endpoint | None
    server: str
    database: str
    login: str
    roles: dict[str, Role] = field(default_factory=dict)
    owned: dict[str, Owned] = field(default_factory=dict)
    schemas: dict[str, Schema] = field(default_factory=dict)
    extensions: dict[str, Extension] = field(default_factory=dict)
    relations: dict[Object, Relation] = field(default_factory=dict)
    acl: dict[Object, dict[str, Held]] = field(default_factory=dict)
    mappings: dict[str, dict[str, bool]] = field(default_factory=dict)
    password: Secret | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """How messages name it."""
        return f"the {ACCESS_NODE}" if self.endpoint is None else f'data node "{self.name}"'

    @property
    def host(self) -> str | None:
        """Where an error was found."""
        return str(self.endpoint) if self.endpoint else None

    def held(self, object: Object, role: str) -> Held:
        """What the role has there; an entry that can be changed."""
        return self.acl.setdefault(object, {}).setdefault(role, Held())

    def objects_in(self, kind: str, schema: str) -> Iterator[Object]:
        """The tables or the sequences of a schema."""
        return (found for found in self.relations if found.kind == kind and found.schema == schema)

    def owner_of(self, object: Object) -> str | None:
        """Who owns it, as far as that was read."""
        if object.kind == "schema":
            return self.schemas[object.name].owner if object.name in self.schemas else None
        if object.kind.startswith("default "):
            return object.name
        return self.relations[object].owner if object in self.relations else None

    def copy(self) -> NodeState:
        """The same node, to be changed without changing this one."""
        return replace(
            self,
            roles={name: replace(role, attributes=dict(role.attributes), member_of=set(role.member_of)) for name, role in self.roles.items()},
            owned=dict(self.owned),
            schemas={name: replace(schema) for name, schema in self.schemas.items()},
            extensions={name: replace(extension) for name, extension in self.extensions.items()},
            relations=dict(self.relations),
            acl={object: {role: replace(held) for role, held in entry.items()} for object, entry in self.acl.items()},
            mappings={role: dict(nodes) for role, nodes in self.mappings.items()},
        )
