# GPL-3.0-or-later (see LICENSE)
"""The playbooks under test: each with what has to be so that it has something to do, and the steps in which it can be struck."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import machines
from holds import Hold, after_stage, on_table, operations
from machines import ACCESS_NODE, sql

_REBALANCE = Path(__file__).resolve().parent / "rebalance.yml"
_DEPLOY = "timescaledb.multinode.deploy"
# The data node on the small disk is the one that chunks leave and come back to, and that leaves the cluster and comes back.
WANDERER = "data3"
_HELD = "SELECT count(*) FROM _timescaledb_catalog.chunk_data_node WHERE node_name = '{node}'"
_GIVEN_UP = f"SELECT 1 FROM pg_foreign_server WHERE srvname = '{WANDERER}' AND 'available=false' = ANY (srvoptions)"
_GIVE_UP = f"SELECT alter_data_node('{WANDERER}', available => false)"
_ALLOW = "SELECT timescaledb_experimental.allow_new_chunks(node_name) FROM timescaledb_information.data_nodes"
_SHARED = f"""
SELECT 1 FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.chunk_data_node d ON d.chunk_id = c.id AND d.node_name = '{WANDERER}'
  JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id AND h.replication_factor = 2
"""
_DROP_COPIES = """
SELECT _timescaledb_functions.chunk_drop_replica(format('%I.%I', c.schema_name, c.table_name)::regclass, '{node}')
  FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.chunk_data_node d ON d.chunk_id = c.id AND d.node_name = '{node}'
  JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id AND h.replication_factor = 2
 WHERE (SELECT count(*) FROM _timescaledb_catalog.chunk_data_node o WHERE o.chunk_id = c.id) > 1
"""


@dataclass(frozen=True)
class Recipe:
    """One playbook with one task for it.

    Args:
        prepare: makes the state from which it has something to do; quick where the recipe before it has left that state.
        steps: by name.
        roles: the hosts that are source and destination, as far as known before a copy is under way.
        dead: the host that is dead while the playbook runs. TimescaleDB's access node crashes, and with it what holds the step, where a session that
            writes meets a data node that is. So rows go meanwhile only to the table all of which has another copy.
        alone: nor does anybody write to that one before the fault has struck, for the cluster does not know yet.
        settle: makes a whole cluster of what the playbook has left, to be judged.
    """

    name: str
    playbook: str | Path
    variables: dict
    prepare: Callable[[], None]
    steps: dict[str, Hold]
    roles: dict[str, str] = field(default_factory=dict)
    dead: str = ""
    alone: bool = False
    settle: Callable[[], None] = lambda: None


def _play(recipe: Recipe) -> None:
    run = machines.play(recipe.playbook, recipe.variables)
    if not run.succeeded:
        raise RuntimeError(f"{recipe.name}, which is not under test here, failed: {run.message}")


def _holds(node: str) -> int:
    return int(sql(ACCESS_NODE, _HELD.format(node=node))[0][0])


def _member(node: str) -> bool:
    return bool(sql(ACCESS_NODE, f"SELECT 1 FROM timescaledb_information.data_nodes WHERE node_name = '{node}'"))


def _all_there() -> None:
    """Also after the wanderer has died, and others have got its copies."""
    machines.start(WANDERER)
    if not _member(WANDERER):
        _play(JOIN)
    if sql(ACCESS_NODE, _GIVEN_UP):
        _play(RETURN)


def _before_drain() -> None:
    _all_there()
    sql(ACCESS_NODE, _ALLOW)
    if not _holds(WANDERER):
        _play(BALANCE)


def _before_balance() -> None:
    _all_there()
    if _holds(WANDERER):
        _play(DRAIN)
    sql(ACCESS_NODE, _ALLOW)


def _before_replicate() -> None:
    _before_drain()
    if operations():
        # Copies that a point which was not survived has left, and that were never compared, must not become the only ones.
        _play(BALANCE)
    sql(ACCESS_NODE, _DROP_COPIES.format(node=WANDERER))


def _before_leave() -> None:
    """Drained, and blocked: what writers go on with would have chunks there again before it has left."""
    _all_there()
    _play(DRAIN)


def _before_join() -> None:
    if _member(WANDERER):
        _before_leave()
        _play(LEAVE)


def _before_return() -> None:
    """It has missed what was written to the chunks that others have too; what it alone has could not be written."""
    _before_drain()
    sql(ACCESS_NODE, _GIVE_UP)
    time.sleep(3)


def _share_copies() -> None:
    """The wanderer has copies of which there is one more each."""
    _all_there()
    sql(ACCESS_NODE, _ALLOW)
    if not sql(ACCESS_NODE, _SHARED):
        _play(EMPTY)
        sql(ACCESS_NODE, _ALLOW)


def _before_it_is_given_up() -> None:
    _share_copies()
    machines.kill(WANDERER)


def _before_replace() -> None:
    """Given up before it dies, so that no session that writes meets it then."""
    _share_copies()
    sql(ACCESS_NODE, _GIVE_UP)
    time.sleep(3)
    machines.kill(WANDERER)


def _before_heal() -> None:
    """What the access node has committed is still prepared on a data node."""
    _all_there()
    oid = sql(ACCESS_NODE, f"SELECT oid FROM pg_foreign_server WHERE srvname = '{WANDERER}'")[0][0]
    record = f"INSERT INTO _timescaledb_catalog.remote_txn SELECT '{WANDERER}', format('ts-1-%s-{oid}-10', txid_current()) RETURNING remote_transaction_id"
    gid = sql(ACCESS_NODE, record)[0][0]
    sql(WANDERER, f"BEGIN; CREATE TABLE healed (); DROP TABLE healed; PREPARE TRANSACTION '{gid}'")


# Of chunks that are not compressed some stages have nothing to do.
_STAGES = {
    "create_empty_chunk": ("init",),
    "create_publication": ("create_empty_chunk", "create_empty_compressed_chunk"),
    "create_replication_slot": ("create_publication",),
    "create_subscription": ("create_replication_slot",),
    "sync_start": ("create_subscription",),
    "sync": ("sync_start",),
    "drop_subscription": ("sync",),
    "drop_publication": ("drop_subscription",),
    "attach_chunk": ("drop_publication",),
    "complete": ("attach_chunk", "attach_compressed_chunk", "delete_chunk"),
}
_COPY_TABLE = """
DO $lock$ BEGIN
  EXECUTE (SELECT format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', srrelid::regclass) FROM pg_subscription_rel LIMIT 1);
END $lock$"""
_OURS = "SELECT FROM _timescaledb_catalog.chunk_copy_operation o WHERE o.operation_id LIKE 'tsmn%'"


def _copy_steps(destinations: tuple[str, ...] = (), moves: bool = True) -> dict[str, Hold]:
    """The steps of moving or copying a chunk. destinations: where the host is known beforehand."""
    steps = [after_stage(step, *stages) for step, stages in _STAGES.items()]
    for host in destinations:
        steps += [
            Hold("rows are copied", host, _COPY_TABLE, "SELECT FROM pg_subscription_rel"),
            Hold("rows are compared", host, _COPY_TABLE, "SELECT FROM pg_subscription_rel WHERE srsubstate = 'r'"),
        ]
    steps.append(on_table("two-phase commit", ACCESS_NODE, "_timescaledb_catalog.remote_txn", f"{_OURS} AND o.completed_stage = 'create_empty_chunk'"))
    if moves:
        steps.append(on_table("two-phase commit of the drop", ACCESS_NODE, "_timescaledb_catalog.remote_txn", f"{_OURS} AND o.completed_stage = 'complete'"))
        steps.append(on_table("the old copy is dropped", ACCESS_NODE, "_timescaledb_catalog.chunk_data_node", f"{_OURS} AND o.completed_stage = 'complete'"))
        # In the transaction of the drop.
        ended = f"{_OURS} AND o.completed_stage = 'complete'"
        steps.append(on_table("the operation is forgotten", ACCESS_NODE, "_timescaledb_catalog.chunk_copy_operation", ended))
    else:
        steps.append(on_table("writers are told", ACCESS_NODE, "_timescaledb_catalog.hypertable", f"{_OURS} AND o.completed_stage = 'complete'"))
    return {step.name: step for step in steps}


_BLOCK = on_table("new chunks are blocked", ACCESS_NODE, "_timescaledb_catalog.hypertable_data_node")
_EXTRA = {"relation": "extra", "definition": "time timestamptz NOT NULL, device int NOT NULL", "time_column_name": "time", "partitioning_column": "device"}
_WITHOUT = [{"node_name": node, "host": node} for node in machines.DATA_NODES if node != WANDERER] + [
    {"node_name": WANDERER, "host": WANDERER, "state": "absent", "reclaim": "membership"}
]

DRAIN = Recipe(
    "drained", _REBALANCE, {"faults_state": "drained", "faults_nodes": [WANDERER]}, _before_drain,
    {**_copy_steps(), _BLOCK.name: _BLOCK}, {"source": WANDERER},
)
# What another one has goes to the wanderer.
EMPTY = Recipe("another one drained", _REBALANCE, {"faults_state": "drained", "faults_nodes": ["data1"]}, lambda: None, {})
BALANCE = Recipe("balanced", _REBALANCE, {"faults_state": "balanced"}, _before_balance, _copy_steps((WANDERER,)), {"destination": WANDERER})
REPLICATE = Recipe("replicated", _REBALANCE, {"faults_state": "replicated"}, _before_replicate, _copy_steps(moves=False))
LEAVE = Recipe(
    "deploy without a data node", _DEPLOY,
    {"timescaledb_cluster_data_nodes": _WITHOUT, "faults_more_hypertables": [{"relation": "extra", "state": "absent", "drop_data": True}]},
    _before_leave,
    {
        step.name: step
        for step in (
            on_table("a hypertable is detached", ACCESS_NODE, "_timescaledb_catalog.hypertable_data_node"),
            on_table("the data node is deleted", ACCESS_NODE, "pg_catalog.pg_foreign_server"),
            on_table("its membership is cleared", WANDERER, "_timescaledb_catalog.metadata"),
        )
    },
    {"wanderer": WANDERER},
)
JOIN = Recipe(
    "deploy with one more data node", _DEPLOY, {"faults_more_hypertables": [_EXTRA]}, _before_join,
    {
        step.name: step
        for step in (
            on_table("the data node is added", ACCESS_NODE, "pg_catalog.pg_foreign_server"),
            on_table("it becomes a member", WANDERER, "_timescaledb_catalog.metadata"),
            on_table("a hypertable is created", ACCESS_NODE, "_timescaledb_catalog.hypertable"),
            on_table("a hypertable is created on a data node", "data2", "_timescaledb_catalog.hypertable"),
            on_table("a hypertable is attached", ACCESS_NODE, "_timescaledb_catalog.hypertable_data_node"),
        )
    },
    {"wanderer": WANDERER},
)
_EMPTIED = f"SELECT WHERE NOT EXISTS (SELECT FROM _timescaledb_catalog.chunk_data_node WHERE node_name = '{WANDERER}')"
_DETACHED = "SELECT WHERE NOT EXISTS (SELECT FROM _timescaledb_catalog.hypertable)"
REMOVE = Recipe(
    "remove_data_node", "timescaledb.multinode.remove_data_node", {"timescaledb_rebalance_leaving": [WANDERER]}, _before_drain,
    {
        **_copy_steps(),
        **{
            step.name: step
            for step in (
                on_table("a hypertable is detached", ACCESS_NODE, "_timescaledb_catalog.hypertable_data_node", _EMPTIED),
                on_table("the data node is deleted", ACCESS_NODE, "pg_catalog.pg_foreign_server"),
                on_table("its membership is cleared", WANDERER, "_timescaledb_catalog.metadata", _DETACHED),
            )
        },
    },
    {"source": WANDERER, "wanderer": WANDERER},
)
ADD = Recipe(
    "add_data_node", "timescaledb.multinode.add_data_node", {"timescaledb_rebalance_new_nodes": "balance"}, _before_join,
    {
        **_copy_steps((WANDERER,)),
        **{
            step.name: step
            for step in (
                on_table("the data node is added", ACCESS_NODE, "pg_catalog.pg_foreign_server"),
                on_table("it becomes a member", WANDERER, "_timescaledb_catalog.metadata"),
                on_table("a hypertable is attached", ACCESS_NODE, "_timescaledb_catalog.hypertable_data_node"),
            )
        },
    },
    {"destination": WANDERER, "wanderer": WANDERER},
)
RETURN = Recipe(
    "return_data_node", "timescaledb.multinode.return_data_node", {"timescaledb_repair_nodes": [WANDERER]}, _before_return,
    {
        **_copy_steps(moves=False),
        **{
            step.name: step
            for step in (
                on_table("the data node is used again", ACCESS_NODE, "pg_catalog.pg_foreign_server"),
                on_table("stale chunks are dropped", ACCESS_NODE, "_timescaledb_catalog.chunk_data_node"),
            )
        },
    },
    {"wanderer": WANDERER},
)
_REPLACE = ("timescaledb.multinode.replace_data_node", {"timescaledb_repair_nodes": [WANDERER]})
GIVE_UP = Recipe(
    "replace_data_node, its first act", *_REPLACE, _before_it_is_given_up,
    {step.name: step for step in (on_table("the cluster goes on without it", ACCESS_NODE, "pg_catalog.pg_foreign_server"),)},
    dead=WANDERER, alone=True, settle=_all_there,
)
REPLACE = Recipe("replace_data_node", *_REPLACE, _before_replace, _copy_steps(moves=False), dead=WANDERER, settle=_all_there)
HEAL = Recipe(
    # What the writers are just ending is younger.
    "heal", "timescaledb.multinode.heal", {"timescaledb_repair_min_age": 2}, _before_heal,
    {step.name: step for step in (on_table("the records are deleted", ACCESS_NODE, "_timescaledb_catalog.remote_txn"),)},
    {"wanderer": WANDERER},
)
RECIPES = (DRAIN, BALANCE, REPLICATE, LEAVE, JOIN, REMOVE, ADD, RETURN, GIVE_UP, REPLACE, HEAL)
