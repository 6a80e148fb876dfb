# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Tries definitions of tables that are not there, in a transaction that is rolled back: only the server can tell what they make."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._table_shape import Shape, observe_shapes
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import Key, WantedHypertable

_UNDEFINED_TABLE, _LOCK_NOT_AVAILABLE = "42P01", "55P03"
# PostgreSQL's codes for a type, function, schema or table that is not there.
_UNDEFINED = ("42704", "42883", "3F000", _UNDEFINED_TABLE)

# A definition with a foreign key locks the table that it refers to.
_BEGIN = "BEGIN; SET LOCAL lock_timeout = '5s'"
_SAVE, _GO_BACK, _ROLLBACK = Statement("SAVEPOINT trial"), Statement("ROLLBACK TO SAVEPOINT trial"), Statement("ROLLBACK")


@dataclass(frozen=True)
class Trial:
    """What came of a definition.

    Args:
        turn: its place in an order in which each finds the tables that it names.
        shape: the table that it makes; None where there was none, or where it could not be tried for a lock.
        error: why the server refused it.
    """

    turn: int = 0
    shape: Shape | None = None
    error: ClusterError | None = None

    @property
    def lacks_something(self) -> bool:
        """Whether it was refused for something that it names and that is not there."""
        return self.error is not None and self.error.sqlstate in _UNDEFINED


def try_definitions(connection: Connection, tables: list[WantedHypertable], missing_schemas: set[str]) -> dict[Key, Trial]:
    """Make them all and take them back. Leaves nothing behind, and needs the rights that making them needs."""
    made: list[Key] = []
    refused: dict[Key, ClusterError] = {}
    try:
        try:
            connection.run(_all_at_once(tables, missing_schemas), "definitions of tables")
            made += [table.key for table in tables]
        except ClusterError:
            # Which of them it is, and whether it is their order, is asked only then.
            connection.run(_ROLLBACK, "definitions of tables")
            connection.run(Statement(_BEGIN), "definitions of tables")
            refused = _make(connection, tables, missing_schemas, made)
        shapes = observe_shapes(connection, made, may_have_rows=False)
    finally:
        with suppress(ClusterError):
            connection.run(_ROLLBACK, "definitions of tables")
    trials = {key: Trial(turn, shapes.get(key)) for turn, key in enumerate(made)}
    return trials | {key: Trial(len(made), error=error if error.sqlstate != _LOCK_NOT_AVAILABLE else None) for key, error in refused.items()}


def _creation(table: WantedHypertable, missing_schemas: set[str], suffix: str = "") -> Statement:
    """What makes the table, and its schema where that is missing."""
    statement = table.create_table(suffix)
    if table.schema not in missing_schemas:
        return statement
    return Statement(f"CREATE SCHEMA IF NOT EXISTS {{relation_schema{suffix}}}; {statement.template}", statement.identifiers)


def _all_at_once(tables: list[WantedHypertable], missing_schemas: set[str]) -> Statement:
    """In one call, however many there are."""
    statements = [_creation(table, missing_schemas, f"_{number}") for number, table in enumerate(tables)]
    identifiers = {name: value for statement in statements for name, value in statement.identifiers.items()}
    return Statement(";\n".join([_BEGIN, *(statement.template for statement in statements)]), identifiers)


def _make(connection: Connection, tables: list[WantedHypertable], missing_schemas: set[str], made: list[Key]) -> dict[Key, ClusterError]:
    """Which were refused; adds the others to made. A table that names another one (LIKE) is tried again when that is there."""
    refused: dict[Key, ClusterError] = {}
    for table in tables:
        connection.run(_SAVE, table.subject)
        try:
            connection.run(_creation(table, missing_schemas), table.subject)
            made.append(table.key)
        except ClusterError as error:
            connection.run(_GO_BACK, table.subject)
            refused[table.key] = error
    again = [table for table in tables if (error := refused.get(table.key)) and error.sqlstate == _UNDEFINED_TABLE]
    if again and len(again) < len(tables):
        for table in again:
            del refused[table.key]
        refused |= _make(connection, again, missing_schemas, made)
    return refused
