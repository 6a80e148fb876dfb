# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan that ends prepared transactions which a crash left on data nodes. No I/O."""

from __future__ import annotations

from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared import COMMIT, LEAVE, Judgement, Known, Prepared, judge
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared_look import NodeAnswer
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, Statement, Step

KIND = "prepared_transactions"
_FORGET = "DELETE FROM _timescaledb_catalog.remote_txn WHERE data_node_name = %s AND remote_transaction_id = ANY (%s)"


def plan_healing(access_node: AccessNode, answers: list[NodeAnswer], known: dict[str, Known], servers: dict[str, int], min_age: float) -> Plan:
    """Decide the steps. Raises ClusterError(s) where the role may not do what is to be done."""
    judged: list[tuple[NodeAnswer, Prepared, Judgement]] = []
    for answer in answers:
        for transaction in answer.transactions:
            judgement = judge(transaction, known.get(transaction.gid, Known()), servers.get(answer.node.node_name, 0), min_age)
            judged.append((answer, transaction, judgement))
    raise_all([_not_allowed(access_node, *of[:2]) for of in judged if not _may(access_node, *of)])
    plan = Plan(
        steps=[_end(answer, transaction, judgement) for answer, transaction, judgement in judged if judgement.decision != LEAVE],
        before={KIND: [transaction.shown() for _answer, transaction, _judgement in judged]},
        after={KIND: [transaction.shown() for _answer, transaction, judgement in judged if judgement.decision == LEAVE]},
        warnings=[f'data node "{answer.node.node_name}" is not healed: {answer.reason}' for answer in answers if answer.reason],
        # Not "unreachable", which Ansible takes for what it has to say of the host.
        notes=dict(
            transactions=[_evidence(transaction, judgement, known) for _answer, transaction, judgement in judged],
            silent_nodes=[dict(node_name=answer.node.node_name, reason=answer.reason) for answer in answers if answer.reason],
        ),
    )
    if access_node.superuser:
        plan.steps += _forget(judged)
    return plan


def _evidence(transaction: Prepared, judgement: Judgement, known: dict[str, Known]) -> dict[str, Any]:
    told = known.get(transaction.gid)
    return dict(
        transaction.shown(),
        age_seconds=transaction.age_seconds,
        access_node_status=told.status if told else None,
        recorded=told.recorded if told else None,
        decision=judgement.decision,
        reason=judgement.reason,
    )


def _may(access_node: AccessNode, answer: NodeAnswer, transaction: Prepared, judgement: Judgement) -> bool:
    return judgement.decision == LEAVE or answer.superuser or transaction.owner == access_node.login_role(answer.node.endpoint)


def _not_allowed(access_node: AccessNode, answer: NodeAnswer, transaction: Prepared) -> ClusterError:
    cause = f"role {access_node.login_role(answer.node.endpoint)} may not end it: it is that of role {transaction.owner}"
    return ClusterError(_subject(transaction), cause, f"log in as {transaction.owner} or as a superuser", str(answer.node.endpoint))


def _subject(transaction: Prepared) -> str:
    return f'prepared transaction "{transaction.gid}" on data node "{transaction.node_name}"'


def _end(answer: NodeAnswer, transaction: Prepared, judgement: Judgement) -> Step:
    # These commands take no parameters; what is decided upon has a gid of digits and hyphens only.
    action = "commit" if judgement.decision == COMMIT else "roll back"
    statement = Statement(f"{'COMMIT' if judgement.decision == COMMIT else 'ROLLBACK'} PREPARED '{transaction.gid}'")
    return Step(_subject(transaction), action, judgement.reason, statement, answer.node.endpoint, lane=transaction.node_name, ends=True)


def _forget(judged: list[tuple[NodeAnswer, Prepared, Judgement]]) -> list[Step]:
    """Records are deleted by who has used them, as TimescaleDB does; else the catalogue grows."""
    ended: dict[str, list[str]] = {}
    for _answer, transaction, judgement in judged:
        if judgement.decision == COMMIT:
            ended.setdefault(transaction.node_name, []).append(transaction.gid)
    return [
        Step(f'records of data node "{name}" in remote_txn', "delete", f"the transactions are ended: {len(gids)}", Statement(_FORGET, values=(name, gids)))
        for name, gids in ended.items()
    ]
