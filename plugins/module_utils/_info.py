# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Reads the facts that are asked for, from the access node and, where they need it, from all data nodes side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import WITHOUT_LIBRARIES, Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._info_queries import QUERIES, SUBSETS
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared import Known, fate
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared_look import known_of
from ansible_collections.timescaledb.multinode.plugins.module_utils._recommended import NAMES
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

_PARALLEL = 16
Rows = list[dict[str, Any]]


@dataclass
class Answers:
    """What one server said.

    Args:
        rows: by subset; None where the server refused to answer.
        reason: why there was no connection; empty where there was one.
        latency: seconds that a round trip took.
        warnings: what was refused, and why.
        refused: why, by subset or by part of one. Of parts there is no warning.
    """

    rows: dict[str, Rows | None] = field(default_factory=dict)
    reason: str = ""
    latency: float | None = None
    warnings: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def chosen_subsets(gather_subset: list[str]) -> list[str]:
    """The subsets that a list such as C(['all', '!jobs']) stands for, in their own order. Raises ClusterError for unknown ones."""
    unknown = sorted({name.removeprefix("!") for name in gather_subset} - set(SUBSETS) - {"all", "min"})
    if unknown:
        raise ClusterError("option gather_subset", f"there is no {', '.join(unknown)}", f"choose of all, min, {', '.join(SUBSETS)}, or ! with one of them")
    without = {name[1:] for name in gather_subset if name.startswith("!")}
    wanted = {name for name in gather_subset if not name.startswith("!")}
    # As with ansible.builtin.setup: only exclusions are of everything, and what is named is wanted whatever else is said.
    everything = ("all" in wanted or not wanted) and "all" not in without
    return [name for name in SUBSETS if name in wanted or (everything and name not in without)]


def ask_access_node(connection: Connection, access_node: AccessNode, subsets: list[str]) -> Answers:
    """One query for each subset that needs one."""
    answers = Answers()
    for name in _asked(subsets):
        subset = QUERIES[name]
        if subset.access_node is None:
            continue
        if access_node.release < subset.since:
            answers.rows[name] = None
            answers.warnings.append(f"{name}: needs TimescaleDB {subset.since}, this is {access_node.release}")
            continue
        _ask(connection, name, subset.access_node, (NAMES,) if name == "settings" else (), answers, "access node")
    return answers


def ask_data_nodes(module: AnsibleModule, access_node: AccessNode, subsets: list[str], known: Rows | None, connect_timeout: int) -> dict[str, Answers]:
    """Each data node's answers by its name; an unreachable one has a reason instead.

    Args:
        known: by data node, the chunks that the access node knows of there; without, there are no stale chunks to be told from them.
    """
    known_chunks = {row["node_name"]: row["chunk_ids"] for row in known or []}
    asked = [name for name in _asked(subsets) if QUERIES[name].data_node is not None and (name != "stale_chunks" or known is not None)]
    nodes = list(access_node.data_nodes.values())
    if not asked or not nodes:
        return {}

    def ask(node: DataNode) -> Answers:
        # What a crash has left prepared keeps its locks: sizes would wait for them without end.
        options = f"{WITHOUT_LIBRARIES} -c lock_timeout={connect_timeout * 1000}"
        connection, reason = reach_node(module, access_node, node.endpoint, connect_timeout, options)
        if connection is None:
            return Answers(reason=reason)
        values = {"settings": (NAMES,), "stale_chunks": (known_chunks.get(node.node_name, "{}"),)}
        try:
            return _answers_of(connection, f'data node "{node.node_name}"', asked, values)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=min(_PARALLEL, len(nodes))) as pool:
        return {node.node_name: answers for node, answers in zip(nodes, pool.map(ask, nodes))}


def _asked(subsets: list[str]) -> list[str]:
    return [part for name in subsets for part in SUBSETS[name].parts or (name,)]


def _answers_of(connection: Connection, subject: str, asked: list[str], values: dict[str, tuple[Any, ...]]) -> Answers:
    answers = Answers()
    if "nodes" in asked:
        begin = monotonic()
        try:
            connection.run(Statement("SELECT 1"), subject)
        except ClusterError as error:
            return Answers(reason=error.cause)
        answers.latency = monotonic() - begin
    for name in asked:
        _ask(connection, name, QUERIES[name].data_node or "", values.get(name, ()), answers, subject)
    return answers


def _ask(connection: Connection, name: str, query: str, values: tuple[Any, ...], answers: Answers, subject: str) -> None:
    """A refusal, for want of a right or of a catalogue, costs this one subset of this one server."""
    try:
        answers.rows[name] = connection.run(Statement(query, values=values), subject)
    except ClusterError as error:
        answers.rows[name] = None
        answers.refused[name] = str(error)
        if name in SUBSETS:
            answers.warnings.append(f"{name}: {error}")


def fates(connection: Connection, gids: list[str]) -> dict[str, str]:
    """What healing would do with these prepared transactions of data nodes."""
    known = known_of(connection, gids)
    return {gid: fate(gid, known.get(gid, Known())) for gid in gids}
