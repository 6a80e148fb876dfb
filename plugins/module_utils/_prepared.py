# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What becomes of a prepared transaction on a data node, from what the access node knows of it. No I/O.

The access node writes a record into remote_txn in the very transaction that it commits, so that a record is the proof of the commit, and its absence
that of the abort: remote_txn_resolution() in tsl/src/remote/txn_resolve.c. PostgreSQL's own log of commits is asked as well. Where the two do not agree,
as with an access node that was restored from a backup, nobody can tell, and nothing is done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

COMMIT, ROLL_BACK, LEAVE = "commit", "rollback", "none"

# ts-<version>-<xid on the access node, without its epoch>-<oid of the foreign server>-<oid of the role>: tsl/src/remote/txn_id.c.
_GID = re.compile(r"ts-1-(\d{1,10})-(\d{1,10})-(\d{1,10})")


@dataclass(frozen=True)
class Prepared:
    """A prepared transaction in a data node's database."""

    node_name: str
    gid: str
    owner: str
    prepared: str
    age_seconds: float

    def shown(self) -> dict[str, Any]:
        """The form in diffs: what does not change while one looks."""
        return dict(node_name=self.node_name, gid=self.gid, owner=self.owner, prepared=self.prepared)


@dataclass(frozen=True)
class Known:
    """What the access node knows of the transaction that a gid stands for.

    Args:
        status: of its own transaction, as txid_status() says it; None where that is too old to be told, or has never been.
        recorded: whether it is in remote_txn.
    """

    status: str | None = None
    recorded: bool = False


@dataclass(frozen=True)
class Judgement:
    """What is to be done, and why in one line."""

    decision: str
    reason: str


def is_ours(gid: str) -> bool:
    """Whether an access node gave that name."""
    return _GID.fullmatch(gid) is not None


def fate(gid: str, known: Known) -> str:
    """What TimescaleDB's own healing would do."""
    if not is_ours(gid):
        return "foreign"
    if known.status == "in progress":
        return "in_progress"
    return COMMIT if known.recorded else ROLL_BACK


def judge(transaction: Prepared, known: Known, server: int, min_age: float) -> Judgement:
    """Decide, more carefully than TimescaleDB does.

    Args:
        server: oid of the data node's foreign server on the access node.
        min_age: seconds that a transaction is left alone after it was prepared.
    """
    parts = _GID.fullmatch(transaction.gid)
    if parts is None:
        return Judgement(LEAVE, "its name is none that an access node gives: who prepared it has to end it")
    xid, of_server = parts[1], int(parts[2])
    if of_server != server:
        return Judgement(LEAVE, f"it was prepared when the data node was registered with oid {of_server}, not {server}: the records of that time are gone")
    if known.status == "in progress":
        return Judgement(LEAVE, f"transaction {xid} of the access node is in progress")
    if transaction.age_seconds < min_age:
        return Judgement(LEAVE, f"it is younger than {min_age:g} s: the access node may be about to end it")
    if known.recorded and known.status != "aborted":
        return Judgement(COMMIT, f"transaction {xid} of the access node {_as_told(known)} and is in remote_txn")
    if not known.recorded and known.status != "committed":
        return Judgement(ROLL_BACK, f"transaction {xid} of the access node {_as_told(known)} and is not in remote_txn")
    there = "is" if known.recorded else "is not"
    return Judgement(LEAVE, f"transaction {xid} of the access node {_as_told(known)}, and {there} in remote_txn: these do not agree, compare the rows by hand")


def _as_told(known: Known) -> str:
    return f"is {known.status}" if known.status else "is too old to be told"
