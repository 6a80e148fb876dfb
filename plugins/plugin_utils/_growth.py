# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which distributed hypertables new data nodes are for. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def extended_hypertables(found: Mapping[str, Any], leaving: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The hypertables that new data nodes belong to: those that are on all other nodes, for they are meant to be on all.

    Args:
        found: what timescale_cluster_info says, with the subset hypertables. New is a data node that is available and has no hypertable.
        leaving: names of data nodes that are about to leave; they are neither new nor asked for.

    Returns:
        Each as an option of timescale_cluster, with the new nodes among its own; empty where there is no new node.
    """
    tables = [(table, [node["node_name"] for node in table["data_nodes"]]) for table in found["hypertables"]]
    used = {name for _table, names in tables for name in names}
    new = [node["node_name"] for node in found["data_nodes"] if node["available"] and node["node_name"] not in used.union(leaving)]
    others = used.difference(leaving)
    return [_extended(table, names + new) for table, names in tables if new and others.issubset(names)]


def _extended(table: Mapping[str, Any], data_nodes: list[str]) -> dict[str, Any]:
    return dict(
        schema=table["schema"],
        relation=table["relation"],
        time_column_name=table["dimensions"][0]["column"],
        data_nodes=data_nodes,
        # Nothing else of it is to change.
        create_default_indexes=False,
    )
