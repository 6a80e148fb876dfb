# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for a table that is not distributed yet. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.timescaledb.multinode.plugins.module_utils import _interval
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_planner import Call, HypertablePlanner, missing_indexes
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Dimension

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._table_shape import Shape


class Creation(HypertablePlanner):
    """Schema, table and create_distributed_hypertable()."""

    def decide(self) -> None:
        self.check_nodes()
        wanted, found, nodes = self.wanted, self.found, self.target_nodes()
        for name in filter(None, (wanted.schema, wanted.relation, wanted.time_column_name, wanted.partitioning_column)):
            if '"' in name:
                self.refuse(f"the name {name} has a double quote, which TimescaleDB 2.13.1 leaves as it is in what it sends to data nodes", "choose another")
        if found.kind is None and wanted.definition is not None and not found.schema_exists:
            self._create_schema()
        self.create_schema_on(nodes)
        shape = self._create_table() if found.kind is None else self._check_kind()
        if shape is not None:
            self._check_shape(shape)
        column_type = shape.columns[wanted.time_column_name].type if shape and wanted.time_column_name in shape.columns else None
        self.check_interval(column_type)
        factor = wanted.replication_factor or int(self.access_node.settings.get("timescaledb.hypertable_replication_factor_default") or 1)

        call = Call("SELECT * FROM {schema}.create_distributed_hypertable(format('%%I.%%I', %s, %s)::regclass, %s", [])
        call.values += [wanted.schema, wanted.relation, wanted.time_column_name]
        if wanted.partitioning_column is not None:
            call.add("partitioning_column", wanted.partitioning_column)
        if wanted.number_partitions is not None:
            call.add("number_partitions", wanted.number_partitions)
        if wanted.chunk_time_interval is not None:
            call.add("chunk_time_interval", *self.interval_argument())
        if not wanted.create_default_indexes:
            call.add("create_default_indexes", False)
        if wanted.replication_factor is not None:
            call.add("replication_factor", wanted.replication_factor)
        if wanted.data_nodes is not None:
            call.add("data_nodes", nodes, "%s::name[]")
        self.call("create", "the table is not distributed", call, needs=nodes, presupposes=_presupposed(shape), together=True)

        time = Dimension(wanted.time_column_name, column_type or "", self.interval or _interval.DEFAULT_CHUNK_INTERVAL, None)
        if column_type is None and wanted.chunk_time_interval is not None and wanted.chunk_time_interval.strip().isdigit():
            # The table is not there yet: a plain number is only usual for integer columns.
            time = replace(time, type="bigint")
        space = ()
        if wanted.partitioning_column is not None:
            space = (Dimension(wanted.partitioning_column, "", None, wanted.number_partitions or len(nodes)),)
        self.after = replace(found, hypertable_id=0, dimensions=(time, *space), replication_factor=factor, data_nodes=tuple(nodes))
        # Data nodes have it from who distributes it, whoever owned the table before, who goes on owning it here.
        distributor = self.access_node.role
        owner = found.owner if found.owner and wanted.owner == distributor else distributor
        self.after = replace(self.after, indexes=found.indexes + tuple(missing_indexes(self.after)), owner=owner)
        self.give_to_owner(wanted.owner or (found.owner if self.access_node.superuser else "") or None, nodes)

    def _create_schema(self) -> None:
        schema = self.wanted.schema
        if schema.startswith("pg_"):
            self.refuse(f'schema "{schema}" does not exist, and names that begin with pg_ are PostgreSQL\'s own', "choose another")
        elif not self.found.may_create_schema:
            self.refuse(f'schema "{schema}" does not exist, and the role may not create it', "create it, or GRANT CREATE ON DATABASE to the role")
        else:
            statement = Statement("CREATE SCHEMA {name}", {"name": schema})
            self.steps.append(Step(f'schema "{schema}"', "create schema", "it does not exist", statement, together=True))

    def _create_table(self) -> Shape | None:
        """Returns what it will be, as far as that is known."""
        trial = self.found.trial
        if self.wanted.definition is None:
            self.refuse("the table does not exist", "create it first, or give its definition")
        elif self.found.schema_exists and not self.found.may_create:
            self.refuse(f'the role may not create tables in schema "{self.wanted.schema}"', "GRANT CREATE ON SCHEMA to it")
        elif trial is not None and trial.error is not None:
            self.refuse(f"its definition is refused: {trial.error.cause}", trial.error.remedy or "correct the definition")
        else:
            self.steps.append(Step(self.wanted.subject, "create table", "it does not exist", self.wanted.create_table(), together=True))
        return trial.shape if trial else None

    def _check_kind(self) -> Shape | None:
        """Returns what it is; None where it can never be distributed."""
        shape = self.found.shape
        if shape is None or not _is_ordinary(shape):
            self.refuse("it is not an ordinary, permanent table", "choose one that is neither partitioned, temporary, unlogged, foreign nor a view")
            return None
        if not self.found.may_change:
            self.refuse("the role does not own the table", "log in as its owner or as a superuser")
        if shape.has_rows:
            remedy = "create an empty one, copy the rows with INSERT ... SELECT, and rename the two"
            if self.wanted.migrate_data:
                self.refuse("the table has rows, and no TimescaleDB release migrates data into a distributed hypertable", remedy)
            else:
                self.refuse("the table has rows, and only an empty table can be distributed", remedy)
        return shape

    def _check_shape(self, shape: Shape) -> None:
        """What create_distributed_hypertable() refuses: src/hypertable.c, src/dimension.c, src/indexing.c and tsl/src/deparse.c of 2.13.1."""
        wanted = self.wanted
        time, space = shape.columns.get(wanted.time_column_name), shape.columns.get(wanted.partitioning_column or "")
        dimensions = [column for column in (wanted.time_column_name, wanted.partitioning_column) if column]
        if not _is_ordinary(shape):
            self.refuse("its definition does not make an ordinary table", "leave out what makes it partitioned")
        for column in dimensions:
            if column not in shape.columns:
                self.refuse(f'the table has no column "{column}"', "correct the column's name")
            elif shape.columns[column].generated:
                self.refuse(f'its column "{column}" is generated, and chunks are made by columns with values of their own', "choose another column")
        if time and not _interval.is_time(time.type) and not _interval.is_integer(time.type):
            self.refuse(f'its time column "{wanted.time_column_name}" is of type {time.type}', "choose a column with a timestamp, date or integer")
        if space and not space.hashable:
            cause = f'its partitioning column "{wanted.partitioning_column}" is of type {space.type}, which has no hash function'
            self.refuse(cause, "choose another column")
        if shape.inherits:
            self.refuse("it inherits from another table, or another one from it", "choose a table without inheritance")
        for columns in shape.unique_indexes:
            lacking = [column for column in dimensions if column not in columns]
            if lacking:
                self.refuse(
                    f"its unique index on ({', '.join(columns)}) lacks {' and '.join(lacking)}",
                    "put time column and partitioning column into each primary key, unique and exclusion constraint",
                )
        for cause, names, remedy in (
            ("CHECK constraints with NO INHERIT", shape.not_inherited, "have chunks inherit them, or drop them"),
            ("rules", shape.rules, "drop them"),
            ("triggers with transition tables", shape.transition_triggers, "drop them"),
        ):
            if names:
                self.refuse(f"it has {cause}: {', '.join(names)}", remedy)
        if shape.row_security:
            self.refuse("it has row level security", "ALTER TABLE ... DISABLE ROW LEVEL SECURITY, or choose another table")


def _presupposed(shape: Shape | None) -> tuple[tuple[str, str], ...]:
    """TimescaleDB sends the table to data nodes, and nothing that it is made of."""
    if shape is None:
        return ()
    return tuple([("type", name) for name in shape.own_types] + [("table", name) for name in shape.referenced])


def _is_ordinary(shape: Shape) -> bool:
    return shape.kind == "r" and shape.persistence == "p"
