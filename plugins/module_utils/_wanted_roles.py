# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which roles, schemas and extensions are wanted alike on all nodes. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object, Privileges
    from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Secret

EVERY_DATA_NODE = "*"


@dataclass(frozen=True)
class Selection:
    """Privileges on objects: on those named, or on all tables or sequences of a schema (objects is None)."""

    kind: str
    privileges: Privileges
    objects: tuple[Object, ...] | None = None
    schema: str = ""


@dataclass(frozen=True)
class WantedRole:
    """One role as the task describes it; None means: not said, leave as it is."""

    name: str
    present: bool
    attributes: dict[str, bool]
    connection_limit: int | None
    password: Secret | None
    member_of: tuple[str, ...] | None
    data_nodes: tuple[str, ...] | None
    selections: tuple[Selection, ...]
    exclusive: bool
    drop_user_mappings: bool
    reassign_owned_to: str | None

    @property
    def subject(self) -> str:
        """How messages name it."""
        return f'role "{self.name}"'


@dataclass(frozen=True)
class WantedSchema:
    """One schema; None means: not said, leave as it is."""

    name: str
    present: bool
    owner: str | None
    public_privs: Privileges | None

    @property
    def subject(self) -> str:
        """How messages name it."""
        return f'schema "{self.name}"'


@dataclass(frozen=True)
class WantedExtension:
    """One extension; without a version it has the access node's."""

    name: str
    version: str | None
    schema: str | None

    @property
    def subject(self) -> str:
        """How messages name it."""
        return f'extension "{self.name}"'


@dataclass(frozen=True)
class WantedRoles:
    """All that a task declares."""

    roles: list[WantedRole]
    schemas: list[WantedSchema]
    extensions: list[WantedExtension]

    @property
    def given(self) -> bool:
        """Whether anything is declared."""
        return bool(self.roles or self.schemas or self.extensions)

    def role_names(self) -> list[str]:
        """Of every role that is declared or named."""
        owners = [object.name for role in self.roles for selection in role.selections for object in selection.objects or () if is_default(object)]
        named = [name for role in self.roles for name in (*(role.member_of or ()), role.reassign_owned_to)]
        names = [role.name for role in self.roles] + [schema.owner for schema in self.schemas] + owners + named
        return sorted({name for name in names if name})

    def schema_names(self) -> list[str]:
        """Of every schema that is declared or named."""
        named = [extension.schema for extension in self.extensions]
        for selection in self._selections():
            named.append(selection.schema)
            named += [object.name if object.kind == "schema" else object.schema for object in selection.objects or ()]
        return sorted({name for name in [*named, *(schema.name for schema in self.schemas)] if name})

    def relation_schemas(self) -> list[str]:
        """Of the schemas in which there are tables or sequences to be granted."""
        return sorted({selection.schema for selection in self._selections() if selection.kind in ("table", "sequence")})

    def _selections(self) -> Iterator[Selection]:
        for role in self.roles:
            yield from role.selections


def is_default(object: Object) -> bool:
    """Whether it stands for default privileges; its name is the role's that makes objects then."""
    return object.kind.startswith("default ")
