# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The settings that multi-node itself asks for, on the access node and on data nodes. No I/O.

They are what the role timescaledb_host writes, without those that depend on the host's memory and processors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ACCESS_NODE, DATA_NODE = "access_node", "data_node"


@dataclass(frozen=True)
class Recommendation:
    """One setting.

    Args:
        node_types: where it matters.
        recommended: what it should be, as people read it.
        holds: whether a server's settings, by name and in the units of pg_settings, fulfil it.
    """

    name: str
    node_types: tuple[str, ...]
    recommended: str
    why: str
    holds: Callable[[dict[str, str]], bool]


def _is(name: str, value: str) -> Callable[[dict[str, str]], bool]:
    return lambda settings: settings[name] == value


RECOMMENDATIONS = (
    Recommendation(
        "max_prepared_transactions",
        (ACCESS_NODE, DATA_NODE),
        "at least max_connections",
        "distributed writes use two-phase commit: one prepared transaction for each connection",
        lambda settings: int(settings["max_prepared_transactions"]) >= int(settings["max_connections"]),
    ),
    Recommendation(
        "password_encryption",
        (ACCESS_NODE, DATA_NODE),
        "scram-sha-256",
        "the nodes log in to each other by SCRAM only",
        _is("password_encryption", "scram-sha-256"),
    ),
    Recommendation("jit", (ACCESS_NODE, DATA_NODE), "off", "compiling the plans of queries over many chunks takes longer than it saves", _is("jit", "off")),
    Recommendation(
        "enable_partitionwise_aggregate",
        (ACCESS_NODE,),
        "on",
        "aggregates are computed on the data nodes instead of sending all rows to the access node",
        _is("enable_partitionwise_aggregate", "on"),
    ),
    Recommendation(
        "synchronous_commit",
        (ACCESS_NODE,),
        "on",
        "a commit that a crash of the access node undoes has been carried out on data nodes, where its chunks stand in the way of new ones",
        lambda settings: settings["synchronous_commit"] != "off",
    ),
    Recommendation("wal_level", (DATA_NODE,), "logical", "chunks are moved and copied between data nodes by logical replication", _is("wal_level", "logical")),
    Recommendation(
        "max_replication_slots",
        (DATA_NODE,),
        "at least 10",
        "one for each chunk that is being moved away, and for standbys",
        lambda settings: int(settings["max_replication_slots"]) >= 10,
    ),
    Recommendation(
        "max_wal_senders",
        (DATA_NODE,),
        "at least 10",
        "one for each chunk that is being moved away, and for standbys",
        lambda settings: int(settings["max_wal_senders"]) >= 10,
    ),
    Recommendation(
        "wal_retrieve_retry_interval",
        (DATA_NODE,),
        "at most 1s",
        "moving a chunk waits for this",
        lambda settings: int(settings["wal_retrieve_retry_interval"]) <= 1000,
    ),
    Recommendation(
        "statement_timeout", (DATA_NODE,), "0", "the access node decides how long a statement may take", _is("statement_timeout", "0")
    ),
)

# Every setting that a rule reads.
NAMES = sorted({recommendation.name for recommendation in RECOMMENDATIONS} | {"max_connections"})


def differing(node_type: str, settings: dict[str, str]) -> list[dict[str, Any]]:
    """The settings of a server that differ from what is recommended for its type, in the form of results."""
    return [
        dict(name=rule.name, value=settings[rule.name], recommended=rule.recommended, why=rule.why)
        for rule in RECOMMENDATIONS
        if node_type in rule.node_types and rule.name in settings and not rule.holds(settings)
    ]
