# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What the plans for one distributed hypertable have in common: what is wrong with the wish, and how steps are written. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils import _interval
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import Table
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import DROP_REMOTE_DATA
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import WantedHypertable

# TimescaleDB sends CREATE TABLE to data nodes, and nothing before it. Whether a node has the schema only the node knows; IF NOT EXISTS would
# want the right to create one also where it is there.
_SCHEMA_ON_NODES = (
    "CALL {schema}.distributed_exec(format('DO %%L', format('BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = %%L) "
    "THEN CREATE SCHEMA %%I; END IF; END', %s, %s)), node_list => %s::name[])"
)


def missing_indexes(table: Table) -> list[tuple[str, ...]]:
    """The default indexes that are not there: (time) and (space, time), as create_hypertable() looks for them in src/indexing.c."""
    if table.time is None:
        return []
    defaults = [(table.time.column,)]
    if table.space is not None:
        defaults.append((table.space.column, table.time.column))
    return [columns for columns in defaults if columns not in table.indexes]


@dataclass
class Call:
    """SQL arguments with their placeholders, collected one by one."""

    text: str
    values: list[Any]

    def add(self, argument: str, value: Any, placeholder: str = "%s") -> None:
        self.text += f", {argument} => {placeholder}"
        self.values.append(value)


class HypertablePlanner:
    """Collects the steps, errors and warnings for one wanted hypertable.

    Args:
        interval: the wanted chunk interval in the units of its dimension; None where the task does not say, or says what is none.
    """

    def __init__(self, wanted: WantedHypertable, found: Table, access_node: AccessNode, interval: int | None) -> None:
        self.wanted = wanted
        self.found = found
        self.access_node = access_node
        self.interval = interval
        self.after = found
        self.steps: list[Step] = []
        self.errors: list[ClusterError] = []
        self.warnings: list[str] = []

    def decide(self) -> None:
        """Fill steps, errors and warnings, and make C(after) what the steps lead to."""
        raise NotImplementedError

    def target_nodes(self) -> list[str]:
        """The data nodes it is to have."""
        if self.wanted.data_nodes is not None:
            return list(self.wanted.data_nodes)
        if self.found.hypertable_id is not None:
            return list(self.found.data_nodes)
        return [name for name, node in sorted(self.access_node.data_nodes.items()) if node.may_use]

    def new_nodes(self) -> list[str]:
        """Those of its target_nodes() that it does not have."""
        attached = set(self.found.data_nodes)
        return [name for name in self.target_nodes() if name not in attached]

    def check_nodes(self) -> None:
        """Data nodes that it cannot have."""
        known = self.access_node.data_nodes
        creating = self.found.hypertable_id is None
        if creating and not self.target_nodes():
            self.refuse("there are no data nodes that the role may use", "register data nodes first, or GRANT USAGE ON FOREIGN SERVER to the role")
        for name in self.target_nodes() if creating else self.new_nodes():
            if name not in known:
                self.refuse(f'data node "{name}" is not registered', "register it with timescale_data_node, or correct the name")
            elif not known[name].may_use:
                self.refuse(f'the role may not use data node "{name}"', "GRANT USAGE ON FOREIGN SERVER to the role")
            elif not known[name].available:
                self.refuse(f'data node "{name}" is marked unavailable', "make it available first, or leave it out of data_nodes")
        if (self.wanted.drop_remote_data or self.wanted.left_clean) and self.access_node.release < DROP_REMOTE_DATA:
            option = "drop_remote_data" if self.wanted.drop_remote_data else "reclaim=membership of a data node that leaves"
            self.refuse(
                f"{option} needs TimescaleDB {DROP_REMOTE_DATA}, this is {self.access_node.release}",
                "leave it out and drop the table on the data node afterwards",
            )
        factor = self.wanted.replication_factor
        # What is so already, as after a data node was removed by force, is nothing that the task asks for.
        as_it_is = factor == self.found.replication_factor and set(self.target_nodes()) == set(self.found.data_nodes)
        if factor is not None and factor > len(self.target_nodes()) and not as_it_is:
            self.refuse(f"replication_factor {factor} needs as many data nodes, and there are {len(self.target_nodes())}", "attach more or lower it")

    def check_interval(self, column_type: str | None) -> None:
        """A chunk interval that a time column of this type (None: not known yet) cannot have."""
        text = self.wanted.chunk_time_interval
        if self.interval is None and text is not None:
            self.refuse(f'chunk_time_interval "{text}" is no interval, or too long for one', "write it as in 1 day or 12 hours, or as an integer")
        elif self.interval is None:
            if column_type is not None and _interval.is_integer(column_type) and self.found.hypertable_id is None:
                self.refuse(f"its time column is of type {column_type}, which has no default interval", "give chunk_time_interval as an integer")
        elif self.interval < 1:
            self.refuse(f'chunk_time_interval "{text}" is not positive', "choose a longer one")
        elif column_type is not None and _interval.is_integer(column_type) and not str(text).strip().isdigit():
            self.refuse(f'chunk_time_interval "{text}" is not an integer, and the time column is of type {column_type}', "give an integer")
        elif column_type is not None and self.interval > _interval.maximum(column_type):
            self.refuse(f'chunk_time_interval "{text}" is out of range for a time column of type {column_type}', "choose a shorter one")
        elif column_type == "date" and self.interval % 86_400_000_000:
            self.refuse(f'chunk_time_interval "{text}" is not a whole number of days, and the time column is a date', "give whole days")

    def create_schema_on(self, nodes: list[str]) -> None:
        """Add the step that makes its schema on those of the nodes that may lack it."""
        schema, lacking = self.wanted.schema, sorted(set(nodes) - set(self.found.nodes_with_schema))
        if schema != "public" and lacking:
            statement = Statement(_SCHEMA_ON_NODES, {"schema": self.access_node.extension_schema}, (schema, schema, lacking))
            self.steps.append(Step(f'schema "{schema}"', "create schema", "data nodes need it as well", statement, needs=tuple(lacking)))

    def give_to_owner(self, owner: str | None, needs: Iterable[str]) -> None:
        """Add the step that gives the table to that role, which TimescaleDB sends to its data nodes (needs)."""
        if owner is None or owner == self.after.owner:
            return
        if owner == self.wanted.owner and not self.found.wanted_owner_exists:
            self.refuse(f'its owner is to be role "{owner}", which does not exist', "create the role on all nodes, for instance by timescale_role")
        elif not self.access_node.superuser:
            self.refuse(f'its owner is to be role "{owner}", and the role {self.access_node.role} is no superuser', "log in as a superuser")
        reason = f'it is owned by role "{self.after.owner}"'
        self.ddl("alter", reason, "ALTER TABLE {relation_schema}.{relation} OWNER TO {owner}", needs=needs, together=True, owner=owner)
        self.after = replace(self.after, owner=owner)

    def interval_argument(self) -> tuple[Any, str]:
        """The wanted chunk interval as SQL takes it, with its placeholder."""
        text = str(self.wanted.chunk_time_interval)
        return (int(text), "%s::bigint") if text.strip().isdigit() else (text, "%s::interval")

    def refuse(self, cause: str, remedy: str) -> None:
        """Add a reason not to start."""
        self.errors.append(ClusterError(self.wanted.subject, cause, remedy, self.access_node.name))

    def call(self, action: str, reason: str, call: Call, needs: Iterable[str] = (), **more: Any) -> None:
        """Add a step that calls one of TimescaleDB's functions; needs: the data nodes it is sent to, more: of the Step."""
        statement = Statement(f"{call.text})", {"schema": self.access_node.extension_schema}, tuple(call.values))
        self.steps.append(Step(self.wanted.subject, action, reason, statement, needs=tuple(needs), **more))

    def ddl(
        self, action: str, reason: str, template: str, needs: Iterable[str] = (), danger: str = "", together: bool = False, **identifiers: str
    ) -> None:
        """Add a step with a statement about the table; needs: the data nodes it is sent to."""
        names = {"relation_schema": self.wanted.schema, "relation": self.wanted.relation, **identifiers}
        self.steps.append(Step(self.wanted.subject, action, reason, Statement(template, names), needs=tuple(needs), danger=danger, together=together))
