# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for distributed hypertables: from what is wanted and what is there to the steps between. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils import _interval
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding
from ansible_collections.timescaledb.multinode.plugins.module_utils._leaving import leaving_errors
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, Statement, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Dimension, Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import DROP_REMOTE_DATA
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import WantedHypertable

Key = tuple[str, str]

# TimescaleDB sends CREATE TABLE to data nodes, and nothing before it. Whether a node has the schema only the node knows; IF NOT EXISTS would
# want the right to create one also where it is there.
_SCHEMA_ON_NODES = (
    "CALL {schema}.distributed_exec(format('DO %%L', format('BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %%L) "
    "THEN CREATE SCHEMA %%I; END IF; END', %s, %s)), node_list => %s::name[])"
)


def leaving_nodes(wanted: list[WantedHypertable], tables: dict[Key, Table]) -> list[str]:
    """The data nodes that some hypertable is to be detached from: what they hold has to be known."""
    names: set[str] = set()
    for table in wanted:
        if table.data_nodes is not None:
            names |= set(tables[table.schema, table.relation].data_nodes) - set(table.data_nodes)
    return sorted(names)


def plan_hypertables(
    wanted: list[WantedHypertable], access_node: AccessNode, tables: dict[Key, Table], intervals: dict[str, int], holdings: list[Holding]
) -> Plan:
    """Decide the steps. Raises ClusterError(s) with every reason not to start."""
    plan = Plan([], [], [])
    errors: list[ClusterError] = []
    for table in wanted:
        found = tables[table.schema, table.relation]
        holding = next((holding for holding in holdings if holding.hypertable_id == found.hypertable_id), None)
        interval = intervals[table.chunk_time_interval] if table.chunk_time_interval is not None else None
        part = _Planner(table, found, access_node, interval, holding)
        part.decide()
        # Two tables of one new schema want the same of it.
        plan.steps += [step for step in part.steps if step.statement not in [planned.statement for planned in plan.steps]]
        plan.warnings += [f"{table.subject}: {warning}" for warning in part.warnings]
        errors += part.errors
        if found.hypertable_id is not None:
            plan.before.append(shown(table, found))
        if not part.errors:
            plan.after.append(shown(table, part.after))
    raise_all(errors)
    return plan


def shown(wanted: WantedHypertable, table: Table) -> dict[str, Any]:
    """The form in results and diffs."""
    time, space = table.time, table.space
    state: dict[str, Any] = dict(
        schema=wanted.schema,
        relation=wanted.relation,
        time_column_name=time.column if time else None,
        partitioning_column=space.column if space else None,
        number_partitions=space.partitions if space else None,
        chunk_time_interval=_interval.shown(time.interval or 0, time.type) if time else None,
        replication_factor=table.replication_factor,
        data_nodes=sorted(table.data_nodes),
    )
    if wanted.create_default_indexes:
        state["default_indexes"] = not _missing_indexes(table)
    return state


def _missing_indexes(table: Table) -> list[tuple[str, ...]]:
    """The default indexes that are not there: (time) and (space, time), as create_hypertable() looks for them in src/indexing.c."""
    if table.time is None:
        return []
    defaults = [(table.time.column,)]
    if table.space is not None:
        defaults.append((table.space.column, table.time.column))
    return [columns for columns in defaults if columns not in table.indexes]


@dataclass
class _Call:
    """SQL arguments with their placeholders, collected one by one."""

    text: str
    values: list[Any]

    def add(self, argument: str, value: Any, placeholder: str = "%s") -> None:
        self.text += f", {argument} => {placeholder}"
        self.values.append(value)


class _Planner:
    def __init__(self, wanted: WantedHypertable, found: Table, access_node: AccessNode, interval: int | None, holding: Holding | None) -> None:
        self._wanted = wanted
        self._found = found
        self._access_node = access_node
        self._interval = interval
        self._holding = holding
        self.after = found
        self.steps: list[Step] = []
        self.errors: list[ClusterError] = []
        self.warnings: list[str] = []

    def decide(self) -> None:
        self._check_nodes()
        if self._found.hypertable_id is None:
            self._create()
        elif self._found.replication_factor is None:
            self._refuse(
                "it is a hypertable, but not a distributed one",
                "create a new distributed hypertable, copy the rows with INSERT ... SELECT, and rename the two",
            )
        elif self._found.replication_factor < 1:
            self._refuse("it is a data node's part of a distributed hypertable", "log in to the access node")
        else:
            self._converge()
        if not self.errors:
            self._warn()

    # What is wrong with the wish, whatever is there

    def _check_nodes(self) -> None:
        known = self._access_node.data_nodes
        creating = self._found.hypertable_id is None
        new = [name for name in self._target_nodes() if creating or name not in self._found.data_nodes]
        if creating and not self._target_nodes():
            self._refuse("there are no data nodes that the role may use", "register data nodes first, or GRANT USAGE ON FOREIGN SERVER to the role")
        for name in new:
            if name not in known:
                self._refuse(f'data node "{name}" is not registered', "register it with timescale_data_node, or correct the name")
            elif not known[name].may_use:
                self._refuse(f'the role may not use data node "{name}"', "GRANT USAGE ON FOREIGN SERVER to the role")
            elif not known[name].available:
                self._refuse(f'data node "{name}" is marked unavailable', "make it available first, or leave it out of data_nodes")
        if self._wanted.drop_remote_data and self._access_node.release < DROP_REMOTE_DATA:
            self._refuse(
                f"drop_remote_data needs TimescaleDB {DROP_REMOTE_DATA}, this is {self._access_node.release}",
                "leave it out and drop the table on the data node afterwards",
            )
        factor = self._wanted.replication_factor
        if factor is not None and factor > len(self._target_nodes()):
            self._refuse(f"replication_factor {factor} needs as many data nodes, and there are {len(self._target_nodes())}", "attach more or lower it")

    def _check_interval(self, column_type: str | None) -> None:
        text = self._wanted.chunk_time_interval
        if self._interval is None:
            if column_type is not None and _interval.is_integer(column_type) and self._found.hypertable_id is None:
                self._refuse(f"its time column is of type {column_type}, which has no default interval", "give chunk_time_interval as an integer")
        elif self._interval < 1:
            self._refuse(f'chunk_time_interval "{text}" is not positive', "choose a longer one")
        elif column_type is not None and _interval.is_integer(column_type) and not str(text).strip().isdigit():
            self._refuse(f'chunk_time_interval "{text}" is not an integer, and the time column is of type {column_type}', "give an integer")
        elif column_type is not None and self._interval > _interval.maximum(column_type):
            self._refuse(f'chunk_time_interval "{text}" is out of range for a time column of type {column_type}', "choose a shorter one")
        elif column_type == "date" and self._interval % 86_400_000_000:
            self._refuse(f'chunk_time_interval "{text}" is not a whole number of days, and the time column is a date', "give whole days")

    def _target_nodes(self) -> list[str]:
        """The data nodes it is to have."""
        if self._wanted.data_nodes is not None:
            return list(self._wanted.data_nodes)
        if self._found.hypertable_id is not None:
            return list(self._found.data_nodes)
        return [name for name, node in sorted(self._access_node.data_nodes.items()) if node.may_use]

    # Creation

    def _create(self) -> None:
        wanted, found, nodes = self._wanted, self._found, self._target_nodes()
        for name in filter(None, (wanted.schema, wanted.relation, wanted.time_column_name, wanted.partitioning_column)):
            if '"' in name:
                self._refuse(f"the name {name} has a double quote, which TimescaleDB 2.13.1 leaves as it is in what it sends to data nodes", "choose another")
        column_type = found.columns.get(wanted.time_column_name)
        if found.kind is None and wanted.definition is not None and not found.schema_exists:
            self._create_schema()
        self._create_schema_on(nodes)
        if found.kind is None:
            self._create_table()
        else:
            self._check_table()
        self._check_interval(column_type)
        factor = wanted.replication_factor or int(self._access_node.settings.get("timescaledb.hypertable_replication_factor_default") or 1)

        call = _Call("SELECT * FROM {schema}.create_distributed_hypertable(format('%%I.%%I', %s, %s)::regclass, %s", [])
        call.values += [wanted.schema, wanted.relation, wanted.time_column_name]
        if wanted.partitioning_column is not None:
            call.add("partitioning_column", wanted.partitioning_column)
        if wanted.number_partitions is not None:
            call.add("number_partitions", wanted.number_partitions)
        if wanted.chunk_time_interval is not None:
            call.add("chunk_time_interval", *self._interval_argument())
        if not wanted.create_default_indexes:
            call.add("create_default_indexes", False)
        if wanted.replication_factor is not None:
            call.add("replication_factor", wanted.replication_factor)
        if wanted.data_nodes is not None:
            call.add("data_nodes", nodes, "%s::name[]")
        self._step("create", "the table is not distributed", call.text + ")", *call.values)

        time = Dimension(wanted.time_column_name, column_type or "", self._interval or _interval.DEFAULT_CHUNK_INTERVAL, None)
        if column_type is None and wanted.chunk_time_interval is not None and wanted.chunk_time_interval.strip().isdigit():
            # The table is not there yet: a plain number is only usual for integer columns.
            time = replace(time, type="bigint")
        space = ()
        if wanted.partitioning_column is not None:
            space = (Dimension(wanted.partitioning_column, "", None, wanted.number_partitions or len(nodes)),)
        self.after = replace(found, hypertable_id=0, dimensions=(time, *space), replication_factor=factor, data_nodes=tuple(nodes))
        self.after = replace(self.after, indexes=found.indexes + tuple(_missing_indexes(self.after)))

    def _create_schema(self) -> None:
        schema = self._wanted.schema
        if schema.startswith("pg_"):
            self._refuse(f'schema "{schema}" does not exist, and names that begin with pg_ are PostgreSQL\'s own', "choose another")
        elif not self._found.may_create_schema:
            self._refuse(f'schema "{schema}" does not exist, and the role may not create it', "create it, or GRANT CREATE ON DATABASE to the role")
        else:
            statement = Statement("CREATE SCHEMA {name}", {"name": schema})
            self.steps.append(Step(f'schema "{schema}"', "create schema", "it does not exist", statement))

    def _create_schema_on(self, nodes: list[str]) -> None:
        schema, lacking = self._wanted.schema, sorted(set(nodes) - set(self._found.nodes_with_schema))
        if schema != "public" and lacking:
            statement = Statement(_SCHEMA_ON_NODES, {"schema": self._access_node.extension_schema}, (schema, schema, lacking))
            self.steps.append(Step(f'schema "{schema}"', "create schema", "data nodes need it as well", statement))

    def _create_table(self) -> None:
        if self._wanted.definition is None:
            self._refuse("the table does not exist", "create it first, or give its definition")
        elif self._found.schema_exists and not self._found.may_create:
            self._refuse(f'the role may not create tables in schema "{self._wanted.schema}"', "GRANT CREATE ON SCHEMA to it")
        else:
            # The definition is SQL by its nature and given by the operator; % is literal there.
            text = self._wanted.definition.replace("{", "{{").replace("}", "}}")
            self._ddl("create table", "it does not exist", f"CREATE TABLE {{relation_schema}}.{{relation}} ({text})")

    def _check_table(self) -> None:
        wanted, found = self._wanted, self._found
        if found.kind != "r" or found.persistence != "p":
            self._refuse("it is not an ordinary, permanent table", "choose one that is neither partitioned, temporary, unlogged, foreign nor a view")
            return
        if not found.may_change:
            self._refuse("the role does not own the table", "log in as its owner or as a superuser")
        for column in filter(None, (wanted.time_column_name, wanted.partitioning_column)):
            if column not in found.columns:
                self._refuse(f'the table has no column "{column}"', "correct the column's name")
        column_type = found.columns.get(wanted.time_column_name)
        if column_type is not None and not _interval.is_time(column_type) and not _interval.is_integer(column_type):
            self._refuse(f'its time column "{wanted.time_column_name}" is of type {column_type}', "choose a column with a timestamp, date or integer")
        if found.inherits:
            self._refuse("it inherits from another table, or another one from it", "choose a table without inheritance")
        for columns in found.unique_indexes:
            lacking = [column for column in filter(None, (wanted.time_column_name, wanted.partitioning_column)) if column not in columns]
            if lacking:
                self._refuse(
                    f"its unique index on ({', '.join(columns)}) lacks {' and '.join(lacking)}",
                    "put time column and partitioning column into each primary key and unique constraint",
                )
        if found.has_rows:
            remedy = "create an empty one, copy the rows with INSERT ... SELECT, and rename the two"
            if wanted.migrate_data:
                self._refuse("the table has rows, and no TimescaleDB release migrates data into a distributed hypertable", remedy)
            else:
                self._refuse("the table has rows, and only an empty table can be distributed", remedy)

    # Convergence

    def _converge(self) -> None:
        time, space = self._found.time, self._found.space
        if not self._found.may_change:
            self._refuse("the role does not own it", "log in as its owner or as a superuser")
        if time is None or time.column != self._wanted.time_column_name:
            self._fixed("time column", time.column if time else None, self._wanted.time_column_name)
        if self._wanted.partitioning_column is not None and (space is None or space.column != self._wanted.partitioning_column):
            self._fixed("partitioning column", space.column if space else None, self._wanted.partitioning_column)
        self._check_interval(time.type if time else None)
        if self.errors:
            return
        self._set_interval()
        self._set_factor(lower=True)
        self._attach()
        self._detach()
        self._set_factor(lower=False)
        self._set_partitions()
        if self._wanted.create_default_indexes:
            for columns in _missing_indexes(self.after):
                self._create_index(columns)

    def _fixed(self, what: str, found: str | None, wanted: str) -> None:
        has = f'"{found}"' if found else "none"
        self._refuse(
            f'its {what} is {has}, wanted "{wanted}", and TimescaleDB cannot change that',
            "correct the task, or create a new distributed hypertable and copy the rows",
        )

    def _set_interval(self) -> None:
        time = self._found.time
        if time is None or self._interval is None or self._interval == time.interval:
            return
        was, now = (_interval.shown(units or 0, time.type) for units in (time.interval, self._interval))
        value, placeholder = self._interval_argument()
        self._set("chunk_time_interval", placeholder, value, f"chunk_time_interval is {was}, wanted {now}", time.column)
        self._change_dimension(replace(time, interval=self._interval))

    def _set_factor(self, lower: bool) -> None:
        was, now = self._found.replication_factor or 1, self._wanted.replication_factor
        if now is None or now == was or (now < was) is not lower:
            return
        self._set("replication_factor", "%s", now, f"replication_factor is {was}, wanted {now}")
        self.after = replace(self.after, replication_factor=now)
        if now > was and self._found.has_chunks:
            self.warnings.append(f"only new chunks will have replication factor {now}; the chunks that are there keep their copies")

    def _attach(self) -> None:
        new = [name for name in self._target_nodes() if name not in self._found.data_nodes]
        self._create_schema_on(new)
        for name in new:
            self._step(
                "attach",
                f'data node "{name}" is not attached',
                "SELECT * FROM {schema}.attach_data_node(%s, format('%%I.%%I', %s, %s)::regclass, repartition => %s)",
                name,
                self._wanted.schema,
                self._wanted.relation,
                self._wanted.repartition,
            )
            self.after = replace(self.after, data_nodes=(*self.after.data_nodes, name))
            space = self.after.space
            if self._wanted.repartition and space and len(self.after.data_nodes) > (space.partitions or 0):
                self._change_dimension(replace(space, partitions=len(self.after.data_nodes)))

    def _detach(self) -> None:
        holding = self._holding
        added = set(self.after.data_nodes) - set(self._found.data_nodes)
        if holding:
            holding = replace(
                holding, attached=holding.attached | added, accepting=holding.accepting | added, replication_factor=self.after.replication_factor or 1
            )
        for name in sorted(set(self._found.data_nodes) - set(self._target_nodes())):
            if holding:
                self.errors += leaving_errors(self._wanted.subject, name, holding, self._wanted.force)
                holding = holding.without(name)
            call = _Call("SELECT {schema}.detach_data_node(%s, format('%%I.%%I', %s, %s)::regclass", [name, self._wanted.schema, self._wanted.relation])
            call.add("force", self._wanted.force)
            call.add("repartition", self._wanted.repartition)
            if self._wanted.drop_remote_data:
                call.add("drop_remote_data", True)
            self._step("detach", f'data node "{name}" is attached and not wanted', call.text + ")", *call.values)
            self.after = replace(self.after, data_nodes=tuple(node for node in self.after.data_nodes if node != name))
            space = self.after.space
            if self._wanted.repartition and space and 0 < len(self.after.data_nodes) < (space.partitions or 0):
                self._change_dimension(replace(space, partitions=len(self.after.data_nodes)))

    def _set_partitions(self) -> None:
        space, now = self.after.space, self._wanted.number_partitions
        if space is None or now is None or now == space.partitions:
            return
        self._set("number_partitions", "%s", now, f"number_partitions is {space.partitions}, wanted {now}", space.column)
        self._change_dimension(replace(space, partitions=now))

    def _create_index(self, columns: tuple[str, ...]) -> None:
        elements = ", ".join(["{space}"] * (len(columns) - 1) + ["{time} DESC"])
        names = {"time": columns[-1], "space": columns[0]}
        reason = f"default index on ({', '.join(columns)}) is missing"
        self._ddl("create index", reason, f"CREATE INDEX ON {{relation_schema}}.{{relation}} ({elements})", **names)
        self.after = replace(self.after, indexes=(*self.after.indexes, columns))

    def _change_dimension(self, changed: Dimension) -> None:
        dimensions = tuple(changed if dimension.column == changed.column else dimension for dimension in self.after.dimensions)
        self.after = replace(self.after, dimensions=dimensions)

    # What the user will regret

    def _warn(self) -> None:
        nodes, space = len(self.after.data_nodes), self.after.space
        if nodes > 1 and space is None:
            self.warnings.append(
                f"it has no partitioning column, so that only one of its {nodes} data nodes takes new rows at a time; "
                "this can only be chosen when it is created"
            )
        elif space is not None and (space.partitions or 0) < nodes:
            self.warnings.append(f"it has {space.partitions} partitions on {nodes} data nodes, so that {nodes - (space.partitions or 0)} stay without rows")

    # Steps

    def _refuse(self, cause: str, remedy: str) -> None:
        self.errors.append(ClusterError(self._wanted.subject, cause, remedy))

    def _interval_argument(self) -> tuple[Any, str]:
        text = str(self._wanted.chunk_time_interval)
        return (int(text), "%s::bigint") if text.strip().isdigit() else (text, "%s::interval")

    def _set(self, what: str, placeholder: str, value: Any, reason: str, dimension: str | None = None) -> None:
        call = _Call(f"SELECT {{schema}}.set_{what}(format('%%I.%%I', %s, %s)::regclass, {placeholder}", [])
        call.values += [self._wanted.schema, self._wanted.relation, value]
        if dimension is not None:
            call.add("dimension_name", dimension)
        self._step("set", reason, call.text + ")", *call.values)

    def _step(self, action: str, reason: str, template: str, *values: Any) -> None:
        statement = Statement(template, {"schema": self._access_node.extension_schema}, values)
        self.steps.append(Step(self._wanted.subject, action, reason, statement))

    def _ddl(self, action: str, reason: str, template: str, **identifiers: str) -> None:
        names = {"relation_schema": self._wanted.schema, "relation": self._wanted.relation, **identifiers}
        self.steps.append(Step(self._wanted.subject, action, reason, Statement(template, names)))
