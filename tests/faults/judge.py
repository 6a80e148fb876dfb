# GPL-3.0-or-later (see LICENSE)
"""Says what has become of every row and what was left behind. Asks the servers by psql, nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import machines
from ledger import ROWS, TABLES, Writers

_BATCHES = "SELECT batch, count(*) FROM {table} WHERE batch > {first} GROUP BY 1"
_CHUNKS = """
SELECT format('%I.%I', c.schema_name, c.table_name),
       (SELECT string_agg(node_name, ',') FROM _timescaledb_catalog.chunk_data_node d WHERE d.chunk_id = c.id)
  FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id WHERE h.replication_factor > 0 AND NOT c.dropped
"""
_HELD = """
SELECT format('%I.%I', c.schema_name, c.table_name)
  FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id WHERE h.replication_factor = -1 AND NOT c.dropped
"""
# A table that no catalogue knows: a copy that was begun.
_ORPHANS = """
SELECT 'table ' || c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = '_timescaledb_internal' AND c.relname ~ '^(_dist_hyper|compress_hyper)_.*_chunk$' AND c.relkind = 'r'
   AND NOT EXISTS (SELECT FROM _timescaledb_catalog.chunk k WHERE k.table_name = c.relname)
"""
_SUM = "SELECT '{chunk}', count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {chunk} t"
_LEFT_ON_DATA_NODE = """
SELECT 'slot ' || slot_name FROM pg_replication_slots
UNION ALL SELECT 'subscription ' || subname FROM pg_subscription
UNION ALL SELECT 'publication ' || pubname FROM pg_publication
UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
"""
_LEFT_ON_ACCESS_NODE = """
SELECT 'copy operation ' || operation_id || ' ' || completed_stage FROM _timescaledb_catalog.chunk_copy_operation
UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
"""


@dataclass
class Verdict:
    rows_written: int = 0
    rows_lost: int = 0
    rows_duplicated: int = 0
    rows_in_doubt: int = 0
    wrong: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)


def judge(writers: Writers) -> Verdict:
    """With writers paused."""
    verdict = Verdict()
    _judge_rows(writers, verdict)
    _judge_copies(verdict)
    verdict.left_over = left_over()
    return verdict


def _judge_rows(writers: Writers, verdict: Verdict) -> None:
    for table in TABLES:
        query = _BATCHES.format(table=table, first=writers.first)
        found = {int(batch): int(rows) for batch, rows in machines.sql(machines.ACCESS_NODE, query)}
        committed = [batch for batch, its in writers.committed.items() if its == table]
        unknown = {batch for batch, its in writers.unknown.items() if its == table}
        verdict.rows_written += ROWS * len(committed)
        verdict.rows_in_doubt += ROWS * len(unknown)
        for batch in committed:
            rows = found.pop(batch, 0)
            verdict.rows_lost += max(ROWS - rows, 0)
            verdict.rows_duplicated += max(rows - ROWS, 0)
        for batch, rows in found.items():
            if batch in unknown and rows != ROWS:
                verdict.wrong.append(f"batch {batch} of {table}, of unknown fate, is there with {rows} of {ROWS} rows")
            elif batch not in unknown:
                verdict.wrong.append(f"batch {batch} of {table}, which was refused, is there with {rows} rows: {writers.refused.get(batch, 'not asked for')}")
                verdict.rows_duplicated += rows
    if verdict.rows_lost:
        verdict.wrong.append(f"{verdict.rows_lost} rows that were committed are lost")
    if verdict.rows_duplicated:
        verdict.wrong.append(f"{verdict.rows_duplicated} rows are there that should not be")


def _judge_copies(verdict: Verdict) -> None:
    """Each chunk has the same rows through the access node and in each of its copies; no node has more than the access node knows of."""
    chunks = {chunk: tuple(filter(None, nodes.split(","))) for chunk, nodes in machines.sql(machines.ACCESS_NODE, _CHUNKS)}
    sums = {machines.ACCESS_NODE: _sums(machines.ACCESS_NODE, list(chunks))}
    for node in machines.DATA_NODES:
        held = {row[0] for row in machines.sql(node, _HELD)}
        known = {chunk for chunk, nodes in chunks.items() if node in nodes}
        verdict.wrong += [f"{node} has {chunk}, of which the access node does not know" for chunk in sorted(held - known)]
        verdict.wrong += [f"{node} does not have {chunk}, as the access node believes" for chunk in sorted(known - held)]
        sums[node] = _sums(node, sorted(held & known))
        verdict.wrong += [f"{node} has {row[0]} of no chunk" for row in machines.sql(node, _ORPHANS)]
    for chunk, nodes in chunks.items():
        found = {node: sums[node].get(chunk) for node in (machines.ACCESS_NODE, *nodes)}
        if len(set(found.values())) > 1:
            verdict.wrong.append(f"copies of {chunk} differ in count and checksum: {found}")


def _sums(host: str, chunks: list[str]) -> dict[str, tuple[str, ...]]:
    if not chunks:
        return {}
    query = " UNION ALL ".join(_SUM.format(chunk=chunk) for chunk in chunks)
    return {chunk: tuple(more) for chunk, *more in machines.sql(host, query)}


def left_over() -> list[str]:
    """What should not be there when nobody does anything."""
    queries = {machines.ACCESS_NODE: _LEFT_ON_ACCESS_NODE, **dict.fromkeys(machines.DATA_NODES, _LEFT_ON_DATA_NODE)}
    with ThreadPoolExecutor() as pool:
        found = dict(zip(queries, pool.map(machines.sql, queries, queries.values())))
    return [f"{host}: {row[0]}" for host, rows in found.items() for row in rows]


def prepared() -> list[str]:
    return [what for what in left_over() if "prepared transaction" in what]
