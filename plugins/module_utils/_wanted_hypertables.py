# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which distributed hypertables the user wants. Typed and validated, no I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

# Schema and relation.
Key = tuple[str, str]

_MAXIMUM_NAME_BYTES = 63
_MAXIMUM_PARTITIONS = 32767


@dataclass(frozen=True)
class WantedHypertable:
    """One distributed hypertable as the task describes it; None means: not said, leave as it is.

    Args:
        left_clean: its data nodes that leave the cluster in the same task, with nothing of it left on them.
    """

    schema: str
    relation: str
    present: bool
    owner: str | None
    definition: str | None
    time_column_name: str
    partitioning_column: str | None
    number_partitions: int | None
    chunk_time_interval: str | None
    replication_factor: int | None
    data_nodes: tuple[str, ...] | None
    create_default_indexes: bool
    migrate_data: bool
    force: bool
    repartition: bool
    drop_remote_data: bool
    drop_data: bool
    left_clean: frozenset[str]

    def drops_table_on(self, node_name: str) -> bool:
        """Whether the table on this data node is dropped when it is detached."""
        return self.drop_remote_data or node_name in self.left_clean

    @property
    def key(self) -> Key:
        """What tables are known by."""
        return self.schema, self.relation

    @property
    def subject(self) -> str:
        """How messages name it."""
        return f'distributed hypertable "{self.schema}"."{self.relation}"'

    def create_table(self, suffix: str = "") -> Statement:
        """What makes it from its definition, which is SQL by its nature and given by the operator; % is literal there.

        Args:
            suffix: of the names of the statement's identifiers, to tell them from those of another table.
        """
        definition = (self.definition or "").replace("{", "{{").replace("}", "}}")
        identifiers = {f"relation_schema{suffix}": self.schema, f"relation{suffix}": self.relation}
        return Statement(f"CREATE TABLE {{relation_schema{suffix}}}.{{relation{suffix}}} ({definition})", identifiers)


def hypertable_options(required: bool) -> dict[str, Any]:
    """The options of one distributed hypertable, as AnsibleModule wants them.

    Args:
        required: whether the options are those of a list, which cannot do without a name.
    """
    return dict(
        state=dict(type="str", choices=["absent", "present"], default="present"),
        schema=dict(type="str", default="public"),
        relation=dict(type="str", required=required),
        owner=dict(type="str"),
        definition=dict(type="str"),
        time_column_name=dict(type="str"),
        partitioning_column=dict(type="str"),
        number_partitions=dict(type="int"),
        chunk_time_interval=dict(type="str"),
        replication_factor=dict(type="int"),
        data_nodes=dict(type="list", elements="str"),
        create_default_indexes=dict(type="bool", default=True),
        migrate_data=dict(type="bool", default=False),
        force=dict(type="bool", default=False),
        repartition=dict(type="bool", default=True),
        drop_remote_data=dict(type="bool", default=False),
        drop_data=dict(type="bool", default=False),
    )


def hypertable_list() -> dict[str, Any]:
    """The option with a list of distributed hypertables, as AnsibleModule wants it."""
    required = [["state", "present", ["time_column_name"]]]
    return dict(type="list", elements="dict", options=hypertable_options(required=True), required_if=required)


def unwanted_hypertable(schema: str, relation: str, drop_data: bool) -> WantedHypertable:
    """One that must not be there."""
    row = {name: option.get("default") for name, option in hypertable_options(required=False).items()}
    return _wanted({**row, "state": "absent", "schema": schema, "relation": relation, "drop_data": drop_data})


def wanted_hypertables(rows: list[dict[str, Any]] | None) -> list[WantedHypertable]:
    """The options of hypertables as wanted hypertables. Raises ClusterError(s) for what can be judged without a server."""
    return checked([_wanted(row) for row in rows or []])


def _wanted(row: dict[str, Any]) -> WantedHypertable:
    nodes = None if row["data_nodes"] is None else tuple(row["data_nodes"])
    computed = dict(present=row["state"] == "present", data_nodes=nodes, time_column_name=row["time_column_name"] or "", left_clean=frozenset())
    return WantedHypertable(**computed, **{key: row[key] for key in WantedHypertable.__dataclass_fields__ if key not in computed})


def checked(wanted: list[WantedHypertable]) -> list[WantedHypertable]:
    """The same ones. Raises ClusterError(s) for what can be judged without a server."""
    errors = [ClusterError(table.subject, cause, remedy) for table in wanted for cause, remedy in _findings(table)]
    for (schema, relation), count in Counter((table.schema, table.relation) for table in wanted).items():
        if count > 1:
            errors.append(ClusterError(f'distributed hypertable "{schema}"."{relation}"', f"it is listed {count} times", "list each one once"))
    raise_all(errors)
    return wanted


def _findings(table: WantedHypertable) -> list[tuple[str, str]]:
    findings = []
    if table.present and not table.time_column_name:
        findings.append(("time_column_name is missing", "give it"))
    if table.present and table.drop_data:
        findings.append(("drop_data only goes with state=absent", "leave it out"))
    names = (table.schema, table.relation, table.owner, table.time_column_name or None, table.partitioning_column, *(table.data_nodes or ()))
    for name in names:
        if name is not None and not 1 <= len(name.encode()) <= _MAXIMUM_NAME_BYTES:
            findings.append((f'the name "{name}" is not 1 to {_MAXIMUM_NAME_BYTES} bytes long', "choose another one"))
    if table.number_partitions is not None and table.partitioning_column is None:
        findings.append(("number_partitions is given without partitioning_column", "give both or none"))
    if table.number_partitions is not None and not 1 <= table.number_partitions <= _MAXIMUM_PARTITIONS:
        findings.append((f"number_partitions is {table.number_partitions}", f"choose a number between 1 and {_MAXIMUM_PARTITIONS}"))
    if table.replication_factor is not None and table.replication_factor < 1:
        findings.append((f"replication_factor is {table.replication_factor}", "choose 1 or more"))
    if table.partitioning_column is not None and table.partitioning_column == table.time_column_name:
        findings.append((f'"{table.time_column_name}" is both time column and partitioning column', "choose two columns"))
    if table.data_nodes is not None:
        if not table.data_nodes:
            findings.append(("data_nodes is empty", "name at least one data node, or leave it out for all of them"))
        if len(set(table.data_nodes)) < len(table.data_nodes):
            findings.append(("data_nodes names a node twice", "name each node once"))
    return findings
