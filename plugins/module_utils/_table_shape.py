# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What decides whether a table can be distributed. One query for any number of tables, and one more for those that may have rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import Key

# A column is hashable where lookup_type_cache() of PostgreSQL finds a function for its type, by which TimescaleDB makes partitions
# (src/partitioning.c): that of the type itself, of one it can stand for as it is, or of all types of its kind.
_SHAPES = """
SELECT n.nspname AS schema_name, c.relname AS table_name, c.relkind::text AS kind, c.relpersistence::text AS persistence,
       pg_has_role(c.relowner, 'USAGE') AS is_ours, c.relrowsecurity AS row_security,
       (SELECT jsonb_object_agg(a.attname, jsonb_build_object(
                 'type', format_type(a.atttypid, NULL), 'generated', a.attgenerated <> '',
                 'hashable', EXISTS (
                    SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
                     WHERE m.amname = 'hash' AND o.opcdefault
                       AND (o.opcintype IN (b.oid, CASE WHEN b.typcategory = 'A' THEN 'anyarray'::regtype::oid END,
                                            CASE b.typtype WHEN 'e' THEN 'anyenum'::regtype::oid WHEN 'r' THEN 'anyrange'::regtype::oid
                                                           WHEN 'm' THEN to_regtype('anymultirange')::oid WHEN 'c' THEN 'record'::regtype::oid END)
                            OR EXISTS (SELECT FROM pg_cast k WHERE k.castsource = b.oid AND k.casttarget = o.opcintype
                                          AND k.castmethod = 'b' AND k.castcontext = 'i')))))
          FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
          JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       (SELECT jsonb_agg((SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND attnum <= i.indnkeyatts))
          FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)) AS unique_indexes,
       (SELECT jsonb_agg(conname ORDER BY conname) FROM pg_constraint k
         WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.connoinherit) AS not_inherited,
       (SELECT jsonb_agg(rulename ORDER BY rulename) FROM pg_rewrite r WHERE r.ev_class = c.oid AND rulename <> '_RETURN') AS rules,
       (SELECT jsonb_agg(tgname ORDER BY tgname) FROM pg_trigger g
         WHERE g.tgrelid = c.oid AND (tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL)) AS transition_triggers,
       EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)) AS inherits,
       (SELECT jsonb_agg(DISTINCT format('%%I.%%I', s.nspname, e.typname))
          FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
          JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END
          JOIN pg_namespace s ON s.oid = e.typnamespace
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND s.nspname <> 'pg_catalog') AS own_types,
       (SELECT jsonb_agg(DISTINCT format('%%I.%%I', s.nspname, r.relname))
          FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace s ON s.oid = r.relnamespace
         WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS referenced
  FROM unnest(%s::text[], %s::text[]) AS w (schema_name, table_name)
  JOIN pg_namespace n ON n.nspname = w.schema_name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name
"""


@dataclass(frozen=True)
class Column:
    """A column: its type without modifiers, as PostgreSQL writes it, whether it is computed, and whether partitions can be made by it."""

    type: str
    generated: bool = False
    hashable: bool = True


@dataclass(frozen=True)
class Shape:
    """A relation that is no hypertable.

    Args:
        kind, persistence: as in pg_class.
        columns: by name.
        unique_indexes: the key columns of each index that allows no two equal rows, those of exclusion constraints included.
        not_inherited: names of CHECK constraints with NO INHERIT.
        transition_triggers: names of triggers with transition tables.
        has_rows: only known of tables of ours.
        own_types: the types of its columns that are not PostgreSQL's, as names with their schemas in SQL.
        referenced: the tables that its foreign keys refer to, written likewise.
    """

    kind: str
    persistence: str
    columns: dict[str, Column]
    unique_indexes: tuple[tuple[str, ...], ...] = ()
    not_inherited: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    transition_triggers: tuple[str, ...] = ()
    row_security: bool = False
    inherits: bool = False
    has_rows: bool = False
    own_types: tuple[str, ...] = ()
    referenced: tuple[str, ...] = ()


def observe_shapes(connection: Connection, tables: list[Key], may_have_rows: bool = True) -> dict[Key, Shape]:
    """Read those of the tables that are there, by (schema, relation).

    Args:
        may_have_rows: whether to look for rows.
    """
    if not tables:
        return {}
    values = ([schema for schema, _relation in tables], [relation for _schema, relation in tables])
    rows = connection.run(Statement(_SHAPES, values=values), "tables to be distributed")
    shapes = {(row["schema_name"], row["table_name"]): _shape(row) for row in rows}
    # Only those can be asked whose owner we are.
    ours = [key for key, row in zip(shapes, rows) if row["kind"] == "r" and row["is_ours"]]
    for key in _filled(connection, ours) if may_have_rows else []:
        shapes[key] = replace(shapes[key], has_rows=True)
    return shapes


def _shape(row: dict[str, Any]) -> Shape:
    lists = {name: tuple(row[name] or ()) for name in ("not_inherited", "rules", "transition_triggers", "own_types", "referenced")}
    return Shape(
        kind=row["kind"],
        persistence=row["persistence"],
        columns={name: Column(**column) for name, column in (row["columns"] or {}).items()},
        unique_indexes=tuple(tuple(columns) for columns in row["unique_indexes"] or []),
        row_security=row["row_security"],
        inherits=row["inherits"],
        **lists,
    )


def _filled(connection: Connection, names: list[Key]) -> list[Key]:
    """Which of these tables have rows."""
    if not names:
        return []
    template = " UNION ALL ".join(f"SELECT {number} AS number WHERE EXISTS (SELECT FROM {{s{number}}}.{{t{number}}})" for number in range(len(names)))
    identifiers = {f"{letter}{number}": part for number, name in enumerate(names) for letter, part in zip("st", name)}
    return [names[row["number"]] for row in connection.run(Statement(template, identifiers), "tables to be distributed")]
