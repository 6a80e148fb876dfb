# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for a table that is not distributed yet. No I/O."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.timescaledb.multinode.plugins.module_utils import _interval
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_planner import Call, HypertablePlanner, missing_indexes
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Dimension


class Creation(HypertablePlanner):
    """Schema, table and create_distributed_hypertable()."""

    def decide(self) -> None:
        self.check_nodes()
        wanted, found, nodes = self.wanted, self.found, self.target_nodes()
        for name in filter(None, (wanted.schema, wanted.relation, wanted.time_column_name, wanted.partitioning_column)):
            if '"' in name:
                self.refuse(f"the name {name} has a double quote, which TimescaleDB 2.13.1 leaves as it is in what it sends to data nodes", "choose another")
        column_type = found.columns.get(wanted.time_column_name)
        if found.kind is None and wanted.definition is not None and not found.schema_exists:
            self._create_schema()
        self.create_schema_on(nodes)
        if found.kind is None:
            self._create_table()
        else:
            self._check_table()
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
        self.call("create", "the table is not distributed", call, needs=nodes, together=True)

        time = Dimension(wanted.time_column_name, column_type or "", self.interval or _interval.DEFAULT_CHUNK_INTERVAL, None)
        if column_type is None and wanted.chunk_time_interval is not None and wanted.chunk_time_interval.strip().isdigit():
            # The table is not there yet: a plain number is only usual for integer columns.
            time = replace(time, type="bigint")
        space = ()
        if wanted.partitioning_column is not None:
            space = (Dimension(wanted.partitioning_column, "", None, wanted.number_partitions or len(nodes)),)
        self.after = replace(found, hypertable_id=0, dimensions=(time, *space), replication_factor=factor, data_nodes=tuple(nodes))
        self.after = replace(self.after, indexes=found.indexes + tuple(missing_indexes(self.after)), owner=self.access_node.role)
        # Data nodes have it from who distributes it, whoever owned the table before.
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

    def _create_table(self) -> None:
        if self.wanted.definition is None:
            self.refuse("the table does not exist", "create it first, or give its definition")
        elif self.found.schema_exists and not self.found.may_create:
            self.refuse(f'the role may not create tables in schema "{self.wanted.schema}"', "GRANT CREATE ON SCHEMA to it")
        else:
            # The definition is SQL by its nature and given by the operator; % is literal there.
            text = self.wanted.definition.replace("{", "{{").replace("}", "}}")
            self.ddl("create table", "it does not exist", f"CREATE TABLE {{relation_schema}}.{{relation}} ({text})", together=True)

    def _check_table(self) -> None:
        wanted, found = self.wanted, self.found
        if found.kind != "r" or found.persistence != "p":
            self.refuse("it is not an ordinary, permanent table", "choose one that is neither partitioned, temporary, unlogged, foreign nor a view")
            return
        if not found.may_change:
            self.refuse("the role does not own the table", "log in as its owner or as a superuser")
        for column in filter(None, (wanted.time_column_name, wanted.partitioning_column)):
            if column not in found.columns:
                self.refuse(f'the table has no column "{column}"', "correct the column's name")
        column_type = found.columns.get(wanted.time_column_name)
        if column_type is not None and not _interval.is_time(column_type) and not _interval.is_integer(column_type):
            self.refuse(f'its time column "{wanted.time_column_name}" is of type {column_type}', "choose a column with a timestamp, date or integer")
        if found.inherits:
            self.refuse("it inherits from another table, or another one from it", "choose a table without inheritance")
        for columns in found.unique_indexes:
            lacking = [column for column in filter(None, (wanted.time_column_name, wanted.partitioning_column)) if column not in columns]
            if lacking:
                self.refuse(
                    f"its unique index on ({', '.join(columns)}) lacks {' and '.join(lacking)}",
                    "put time column and partitioning column into each primary key and unique constraint",
                )
        if found.has_rows:
            remedy = "create an empty one, copy the rows with INSERT ... SELECT, and rename the two"
            if wanted.migrate_data:
                self.refuse("the table has rows, and no TimescaleDB release migrates data into a distributed hypertable", remedy)
            else:
                self.refuse("the table has rows, and only an empty table can be distributed", remedy)
