# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The facts as a result has them, made of what the servers said. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._info import Answers, Rows
from ansible_collections.timescaledb.multinode.plugins.module_utils._recommended import ACCESS_NODE, DATA_NODE, differing

Facts = dict[str, Any]
# These describe hypertables, and become part of their entries.
_OF_HYPERTABLES = ("hypertables", "placement", "sizes", "statistics")


def cluster_facts(access_node: AccessNode, subsets: list[str], here: Answers, there: dict[str, Answers], fates: dict[str, str]) -> Facts:
    """Every fact of the subsets.

    Args:
        here: the access node's answers.
        there: the data nodes' answers by their names; empty where none was asked.
        fates: what becomes of prepared transactions, by gid.
    """
    facts: Facts = {"access_node": _access_node(access_node), "data_nodes": _data_nodes(access_node, subsets, there)}
    if set(subsets) & set(_OF_HYPERTABLES):
        facts["hypertables"] = _hypertables(subsets, here, there)
    for name in ("copy_operations", "jobs"):
        if name in subsets:
            facts[name] = here.rows[name]
    if "replication_slots" in subsets:
        slots = _marked(None, here.rows["replication_slots"]) + _of_all(there, "replication_slots")
        facts["replication_slots"] = slots
    if "transactions" in subsets:
        prepared = _of_all(there, "transactions")
        facts["prepared_transactions"] = [dict(row, fate=fates.get(row["gid"])) for row in prepared]
        facts["remote_transactions"] = (here.rows["transactions"] or [None])[0]
    if "settings" in subsets:
        facts["settings"] = _settings(here, there)
    return facts


def imbalance(amounts: list[int]) -> float | None:
    """The largest amount divided by the mean: 1 where all are equal; None where there is nothing."""
    return round(max(amounts) / mean(amounts), 3) if amounts and any(amounts) else None


def _access_node(access_node: AccessNode) -> Facts:
    return dict(
        database=access_node.database,
        port=access_node.port,
        role=access_node.role,
        superuser=access_node.superuser,
        postgresql_version=access_node.settings.get("server_version"),
        timescaledb_version=str(access_node.release),
        extension_schema=access_node.extension_schema,
        uuid=access_node.uuid,
        dist_uuid=access_node.dist_uuid,
        encoding=access_node.encoding,
        collation=access_node.collation,
        ctype=access_node.ctype,
    )


def _data_nodes(access_node: AccessNode, subsets: list[str], there: dict[str, Answers]) -> list[Facts]:
    entries = []
    for name, node in sorted(access_node.data_nodes.items()):
        entry = dict(node.shown(), owner=node.owner)
        answers = there.get(name)
        if answers is not None:
            entry.update(reachable=not answers.reason, reason=answers.reason or None)
            if "nodes" in subsets:
                seen = (answers.rows.get("nodes") or [{}])[0]
                entry["latency_milliseconds"] = round(answers.latency * 1000, 3) if answers.latency is not None else None
                for key in ("in_recovery", "postgresql_version", "timescaledb_version", "database_bytes"):
                    entry[key] = seen.get(key)
                entry["is_member"] = seen["dist_uuid"] == access_node.uuid if seen else None
            if "stale_chunks" in subsets:
                stale = (answers.rows.get("stale_chunks") or [None])[0]
                entry["stale_chunks"] = stale and dict(chunks=stale["chunks"], sample=stale["sample"] or [])
        entries.append(entry)
    return entries


def _hypertables(subsets: list[str], here: Answers, there: dict[str, Answers]) -> list[Facts]:
    entries: dict[tuple[str, str], Facts] = {}

    def entry(row: dict[str, Any]) -> Facts:
        return entries.setdefault((row["schema"], row["relation"]), dict(schema=row["schema"], relation=row["relation"]))

    for row in here.rows.get("hypertables") or []:
        entry(row).update(row)
    for row in here.rows.get("placement") or []:
        entry(row).update(_placement(row))
    if "statistics" in subsets:
        _add_statistics(entry, here, there)
    if "sizes" in subsets:
        for name, row in _by_node(there, "sizes"):
            entry(row).setdefault("bytes_by_node", {})[name] = row["bytes"]
        for found in entries.values():
            sizes = found.setdefault("bytes_by_node", {})
            found.update(bytes=sum(sizes.values()), imbalance_of_bytes=imbalance(list(sizes.values())))
    return [entries[key] for key in sorted(entries)]


def _add_statistics(entry: Callable[[dict[str, Any]], Facts], here: Answers, there: dict[str, Answers]) -> None:
    analyzed: dict[tuple[str, str], dict[str, Any]] = {}
    for name, row in _by_node(there, "statistics"):
        analyzed.setdefault((row["schema"], row["relation"]), {})[name] = row["last_analyze"]
        if row["chunks"]:
            of_node = dict(oldest_analyze=row["oldest_analyze"], never_analyzed=row["never_analyzed"])
            entry(row).setdefault("statistics_by_node", {})[name] = of_node
    for row in here.rows["statistics"] or []:
        found = entry(row)
        found.setdefault("statistics_by_node", {})
        # A data node that was detached may still have its part of the table.
        times = [time for name, time in analyzed.get((row["schema"], row["relation"]), {}).items() if name in (row["attached"] or [])]
        found["last_analyze"] = min(times) if times and None not in times else None
        found["chunks_without_statistics"] = row["chunks_without_statistics"]


def _placement(row: dict[str, Any]) -> Facts:
    placed = dict.fromkeys(sorted(row["attached"] or []), 0) | (row["chunks_by_node"] or {})
    return dict(
        chunks=row["chunks"],
        chunks_by_node=placed,
        imbalance_of_chunks=imbalance(list(placed.values())),
        under_replicated=dict(chunks=row["under_replicated"], sample=row["sample"] or []),
    )


def _settings(here: Answers, there: dict[str, Answers]) -> list[Facts]:
    found = []
    for name, answers in [(None, here), *sorted(there.items())]:
        rows = answers.rows.get("settings")
        if rows is not None:
            settings = {row["name"]: row["setting"] for row in rows}
            found += _marked(name, differing(DATA_NODE if name else ACCESS_NODE, settings))
    return found


def _by_node(there: dict[str, Answers], subset: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, row) for name, answers in sorted(there.items()) for row in answers.rows.get(subset) or []]


def _of_all(there: dict[str, Answers], subset: str) -> Rows:
    return [dict(row, node_name=name) for name, row in _by_node(there, subset)]


def _marked(node_name: str | None, rows: Rows | None) -> Rows:
    return [dict(row, node_name=node_name) for row in rows or []]
