# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Compares the copies of chunks: all that is in them, on all data nodes at once, and what differs once more while nobody writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

_CHUNKS = """
SELECT h.schema_name AS hypertable_schema, h.table_name AS hypertable, c.schema_name AS schema, c.table_name AS relation, p.nodes
  FROM (SELECT chunk_id, array_agg(node_name::text ORDER BY node_name) AS nodes
          FROM _timescaledb_catalog.chunk_data_node WHERE node_name::text = ANY (%s) GROUP BY chunk_id) AS p
  JOIN _timescaledb_catalog.chunk c ON c.id = p.chunk_id
  JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
 WHERE cardinality(p.nodes) > 1 AND p.nodes && %s::text[] AND NOT c.dropped
 ORDER BY c.id
"""
# A sum does not depend on the order of the rows, and is not the same for one row that is there twice and for two that are not there at all.
# The row is named by what no column is called. Not by the extension's rows: those of compressed chunks are read as its library unfolds them.
_CONTENT = """
SELECT count(*) AS rows, coalesce(sum(hashtextextended((timescaledb_multinode_row.*)::text, 0)::numeric), 0)::text AS checksum
  FROM {schema}.{relation} AS timescaledb_multinode_row
"""
# Values are written as text, alike on all servers whatever their settings are.
_ALIKE = (
    "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c lc_monetary=C -c search_path=pg_catalog"
)
_STOP_WRITERS = "LOCK TABLE ONLY {schema}.{relation} IN SHARE MODE"
_PARALLEL = 16


@dataclass(frozen=True)
class Replicated:
    """A chunk with several copies on data nodes that are asked."""

    hypertable_schema: str
    hypertable: str
    schema: str
    relation: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f'chunk "{self.schema}"."{self.relation}"'


@dataclass(frozen=True)
class Content:
    """What one copy holds; reason: why it could not be read."""

    rows: int | None = None
    checksum: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Compared:
    """A chunk with the contents of its copies by data node."""

    chunk: Replicated
    copies: dict[str, Content]

    @property
    def equal(self) -> bool:
        return len(set(self.copies.values())) == 1 and not any(content.reason for content in self.copies.values())

    def shown(self) -> dict[str, Any]:
        return dict(
            hypertable=f"{self.chunk.hypertable_schema}.{self.chunk.hypertable}",
            chunk=f"{self.chunk.schema}.{self.chunk.relation}",
            copies=[
                dict(node_name=name, rows=content.rows, checksum=content.checksum, reason=content.reason or None)
                for name, content in sorted(self.copies.items())
            ],
        )

    def error(self) -> ClusterError:
        told = ", ".join(
            f'"{name}" cannot be read ({content.reason})' if content.reason else f'"{name}" has {content.rows} rows with checksum {content.checksum}'
            for name, content in sorted(self.copies.items())
        )
        remedy = (
            "run timescale_heal first; then drop the copy that is wrong, by chunk_drop_replica() on the access node, "
            "and run timescale_rebalance with state=replicated"
        )
        return ClusterError(str(self.chunk), f"its copies differ: {told}", remedy)


class Comparison:
    """One comparison. Data nodes are asked over one connection each, all of them at once."""

    def __init__(self, module: AnsibleModule, connection: Connection, access_node: AccessNode) -> None:
        self._module = module
        self._connection = connection
        self._access_node = access_node

    def chunks(self, concerned: Iterable[str], left_out: Iterable[str] = ()) -> list[Replicated]:
        """Chunks with a copy on one of these nodes and others elsewhere, as far as data nodes are available."""
        available = sorted({name for name, node in self._access_node.data_nodes.items() if node.available} - set(left_out))
        rows = self._connection.run(Statement(_CHUNKS, values=(available, sorted(concerned))), "access node")
        return [Replicated(**dict(row, nodes=tuple(row["nodes"]))) for row in rows]

    def compare(self, chunks: list[Replicated]) -> list[Compared]:
        """All of them. Those that differ are being written to, or really do: they are read again while their hypertable's writers wait."""
        with self._nodes(sorted({name for chunk in chunks for name in chunk.nodes})) as nodes:
            first = _read(nodes, chunks)
            doubtful: dict[tuple[str, str], list[Replicated]] = {}
            for compared in first:
                if not compared.equal:
                    doubtful.setdefault((compared.chunk.hypertable_schema, compared.chunk.hypertable), []).append(compared.chunk)
            second = {compared.chunk: compared for table, some in doubtful.items() for compared in self._read_without_writers(nodes, table, some)}
        return [second.get(compared.chunk, compared) for compared in first]

    def _read_without_writers(self, nodes: dict[str, Connection], table: tuple[str, str], chunks: list[Replicated]) -> list[Compared]:
        subject = f'distributed hypertable "{table[0]}"."{table[1]}"'
        timeout = f"{self._module.params['lock_timeout']}s"
        self._connection.run(Statement("BEGIN"), subject)
        try:
            self._connection.run(Statement("SELECT set_config('lock_timeout', %s, true)", values=(timeout,)), subject)
            self._connection.run(Statement(_STOP_WRITERS, {"schema": table[0], "relation": table[1]}), subject)
            return _read(nodes, chunks)
        finally:
            self._connection.run(Statement("ROLLBACK"), subject)

    @contextmanager
    def _nodes(self, names: list[str]) -> Iterator[dict[str, Connection]]:
        with ExitStack() as stack, ThreadPoolExecutor(_PARALLEL) as pool:
            answers = list(pool.map(self._connect, names))
            for connection, _reason in answers:
                if connection is not None:
                    stack.enter_context(closing(connection))
            raise_all([self._silent(name, reason) for name, (connection, reason) in zip(names, answers) if connection is None])
            yield {name: connection for name, (connection, _reason) in zip(names, answers) if connection is not None}

    def _connect(self, name: str) -> tuple[Connection | None, str]:
        endpoint = self._access_node.data_nodes[name].endpoint
        return reach_node(self._module, self._access_node, endpoint, self._module.params["connect_timeout"], _ALIKE)

    def _silent(self, name: str, reason: str) -> ClusterError:
        endpoint = self._access_node.data_nodes[name].endpoint
        cause = f"no connection as role {self._access_node.login_role(endpoint)}: {reason.rstrip('.')}"
        return ClusterError(f'data node "{name}"', cause, "start the node, or set it to available: false", str(endpoint))


def _read(nodes: dict[str, Connection], chunks: list[Replicated]) -> list[Compared]:
    def of_node(name: str) -> dict[Replicated, Content]:
        return {chunk: _content(nodes[name], chunk) for chunk in chunks if name in chunk.nodes}

    with ThreadPoolExecutor(_PARALLEL) as pool:
        contents = dict(zip(nodes, pool.map(of_node, nodes)))
    return [Compared(chunk, {name: contents[name][chunk] for name in chunk.nodes}) for chunk in chunks]


def _content(connection: Connection, chunk: Replicated) -> Content:
    try:
        row = connection.run(Statement(_CONTENT, {"schema": chunk.schema, "relation": chunk.relation}), str(chunk))[0]
    except ClusterError as error:
        return Content(reason=error.cause)
    return Content(row["rows"], row["checksum"])
