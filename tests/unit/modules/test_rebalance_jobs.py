# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._copy_operations import Operation, PlacedChunk
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_jobs import Wanted, check_capacity, check_wanted, plan_moves
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_look import Capacity, Hypertable, Observed
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_text import placement_after
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release

RELEASE = Release(2, 13, 1)
UUID = "0e811c05-2e98-4f00-8000-000000000000"


def access_node(*names: str, unavailable: str = "", release: Release = RELEASE, superuser: bool = True) -> AccessNode:
    nodes = {name: DataNode(name, Endpoint(name, 5432, "metrics"), available=name != unavailable) for name in names}
    return AccessNode("an", "metrics", "postgres", superuser, release, "public", "UTF8", "C", "C", UUID, UUID, True, data_nodes=nodes)


def observed(*places: str, attached: str = "dn1 dn2", factor: int = 1, blocked: str = "", **more) -> Observed:
    """Chunks of 10 bytes, one for each place: the names of its nodes."""
    table = Hypertable(1, "public", "t", factor, {name: name in blocked.split() for name in attached.split()})
    chunks = {number: PlacedChunk(number, 1, "internal", f"c{number}", number, tuple(place.split()), 10) for number, place in enumerate(places, 1)}
    capacity = Capacity("logical", 10, 0, 10, 0, 4, 100)
    return Observed({1: table}, chunks, **dict(dict(operations=[], capacities=dict.fromkeys(("dn1", "dn2", "dn3"), capacity)), **more))


def moves(plan) -> list[tuple[str, str, str]]:
    return sorted((move.chunk.relation, move.source, move.destination) for move in plan.moves)


def test_a_node_is_attached_before_it_gets_chunks():
    plan = plan_moves(Wanted("balanced"), access_node("dn1", "dn2", "dn3"), observed("dn1", "dn1", "dn2"))
    assert [(source, destination) for _chunk, source, destination in moves(plan)] == [("dn1", "dn3")]
    assert [(table.relation, node) for table, node in plan.attaches] == [("t", "dn3")]


def test_a_node_that_takes_no_new_chunks_gets_none():
    plan = plan_moves(Wanted("balanced"), access_node("dn1", "dn2"), observed("dn1", "dn1", blocked="dn2"))
    assert plan.moves == []


def test_drained_blocks_first():
    plan = plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), observed("dn1", "dn2"))
    assert [(table.relation, node) for table, node in plan.blocks] == [("t", "dn1")]
    assert moves(plan) == [("c1", "dn1", "dn2")]


def test_a_node_is_attached_before_the_last_one_that_takes_new_chunks_is_blocked():
    plan = plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), observed("dn1", attached="dn1"))
    assert [action for _object, action, _statement in plan.preparations] == ['attach data node "dn2"', 'block new chunks on data node "dn1"']


@pytest.mark.parametrize(
    ("attached", "blocked", "unavailable", "factor"),
    [("dn1", "", "", 1), ("dn1 dn2", "", "", 2), ("dn1 dn2", "dn2", "", 1), ("dn1 dn2", "", "dn2", 1)],
)
def test_drained_leaves_enough_for_new_chunks(attached, blocked, unavailable, factor):
    cluster = access_node("dn1", "dn2", "dn3", unavailable=unavailable)
    with pytest.raises(ClusterError, match=f'"public"."t": {factor - 1} data nodes would be left for new chunks, and its replication factor is {factor}'):
        plan_moves(Wanted("drained", ("dn1",)), cluster, observed(attached=attached, blocked=blocked, factor=factor))


def test_a_drained_node_is_not_blocked_twice():
    plan = plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), observed("dn2", blocked="dn1"))
    assert plan.blocks == plan.moves == []


def test_copies_on_a_node_that_is_not_available_do_not_count():
    cluster = access_node("dn1", "dn2", "dn3", unavailable="dn2")
    plan = plan_moves(Wanted("replicated"), cluster, observed("dn1 dn2", factor=2))
    assert moves(plan) == [("c1", "dn1", "dn3")] and not plan.moves[0].deletes


def test_a_limit_of_bytes():
    plan = plan_moves(Wanted("drained", ("dn1",), byte_limit=25), access_node("dn1", "dn2"), observed("dn1", "dn1", "dn1"))
    assert len(plan.moves) == 2 and len(plan.left) == 1


def test_a_stale_copy_is_in_the_way():
    found = observed("dn1", stale={"dn2": {("internal", "c1")}})
    with pytest.raises(ClusterError, match=r"\"dn2\" has a stale copy.*drop_stale_chunks\('dn2'\)"):
        plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), found)


def test_the_half_copy_of_a_failed_operation_is_not_stale():
    failed = Operation("any", "sync", 1, "dn1", "dn2")
    plan = plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), observed("dn1", operations=[failed], stale={"dn2": {("internal", "c1")}}))
    assert plan.leftovers == [failed] and moves(plan) == [("c1", "dn1", "dn2")]


def test_a_copy_that_was_attached_but_not_completed_is_planned_anew():
    failed = Operation("tsmn_1", "attach_chunk", 1, "dn1", "dn2")
    plan = plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), observed("dn1 dn2", operations=[failed]))
    assert plan.leftovers == [failed] and moves(plan) == [("c1", "dn1", "dn2")]


def test_a_move_that_has_arrived_is_not_undone():
    ended = Operation("any", "delete_chunk", 1, "dn1", "dn2", deletes=True)
    plan = plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), observed("dn2", operations=[ended]))
    assert plan.leftovers == [ended] and moves(plan) == []


@pytest.mark.parametrize("unavailable", ["dn1", ""])
@pytest.mark.parametrize("stage", ["attach_chunk", "attach_compressed_chunk", "delete_chunk", "complete"])
@pytest.mark.parametrize("wanted", [Wanted("replicated"), Wanted("balanced"), Wanted("drained", ("dn2",))])
def test_a_copy_that_was_never_compared_has_not_arrived_where_its_source_was_forgotten(wanted, stage, unavailable):
    """As the access node forgets it: the source is dead, and the chunk was written to."""
    ours = Operation("tsmn_x_1", stage, 1, "dn1", "dn2")
    found = observed("dn2", attached="dn1 dn2 dn3", operations=[ours])
    plan = plan_moves(wanted, access_node("dn1", "dn2", "dn3", unavailable=unavailable), found)
    assert plan.kept == [ours] and plan.leftovers == plan.lost == []
    assert plan.moves == [] and placement_after(found, plan) == {1: ("dn2",)}
    (warning,) = plan.warnings
    for text in ('chunk "internal"."c1"', '"dn1" may have rows that no other data node has', "never compared", "operation_id = 'tsmn_x_1'"):
        assert text in warning


def test_a_copy_that_was_never_compared_is_made_anew_from_another_one_where_its_source_was_forgotten():
    ours = Operation("tsmn_x_1", "complete", 1, "dn1", "dn2")
    found = observed("dn2 dn3", factor=2, attached="dn1 dn2 dn3", operations=[ours])
    plan = plan_moves(Wanted("replicated"), access_node("dn1", "dn2", "dn3", unavailable="dn1"), found)
    assert plan.leftovers == [ours] and plan.kept == [] and moves(plan) == [("c1", "dn3", "dn2")]


def test_a_running_operation():
    with pytest.raises(ClusterError, match="still running, in the access node's process 7"):
        plan_moves(Wanted("balanced"), access_node("dn1", "dn2"), observed("dn1", operations=[Operation("any", "sync", 1, "dn1", "dn2", 7)]))


def test_a_finished_operation_of_others_is_left_alone():
    plan = plan_moves(Wanted("balanced"), access_node("dn1", "dn2"), observed("dn2", operations=[Operation("theirs", "complete", 1, "dn1", "dn2")]))
    assert plan.leftovers == []


def test_a_copy_that_was_never_compared_does_not_count():
    ours = Operation("tsmn_x_1", "complete", 1, "dn1", "dn2")
    plan = plan_moves(Wanted("replicated"), access_node("dn1", "dn2"), observed("dn1 dn2", factor=2, operations=[ours]))
    assert plan.leftovers == [ours] and moves(plan) == [("c1", "dn1", "dn2")]


def test_operations_are_named_as_slots_may_be():
    (move,) = plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), observed("dn1")).moves
    assert move.operation_id == "tsmn_0e811c052e98_1"


@pytest.mark.parametrize(
    "change, expected",
    [
        (dict(wal_level="replica"), r"wal_level = logical \(is replica\)"),
        (dict(used_slots=9), r"max_replication_slots >= 11 \(is 10\)"),
        (dict(used_senders=9), r"max_wal_senders >= 11 \(is 10\)"),
        (dict(workers=1), r"max_logical_replication_workers >= 2 \(is 1\)"),
    ],
)
def test_settings_that_do_not_do(change, expected):
    capacity = Capacity(**dict(dict(wal_level="logical", slots=10, used_slots=0, senders=10, used_senders=0, workers=4, retry_milliseconds=100), **change))
    found = observed("dn1", capacities={"dn1": capacity, "dn2": capacity})
    cluster = access_node("dn1", "dn2")
    plan = plan_moves(Wanted("drained", ("dn1",)), cluster, found)
    with pytest.raises(ClusterError, match=expected):
        check_capacity(plan, found, cluster, 1)


def test_stock_settings_are_slow():
    slow = Capacity("logical", 10, 0, 10, 0, 4, 5000)
    found = observed("dn1", capacities={"dn1": slow, "dn2": slow})
    plan = plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), found)
    check_capacity(plan, found, access_node("dn1", "dn2"), 1)
    assert plan.warnings == ['Data node "dn2" waits 5 s for every chunk it takes: set wal_retrieve_retry_interval to 100ms there.']


@pytest.mark.parametrize(
    "wanted, cluster, expected",
    [
        (Wanted("balanced"), access_node("dn1", release=Release(2, 6, 1)), "upgrade to 2.7.0"),
        (Wanted("balanced"), access_node("dn1", superuser=False), "not a superuser"),
        (Wanted("drained", ("x",)), access_node("dn1"), 'data node "x" is not registered'),
        (Wanted("balanced", most_bytes={"x": 1}), access_node("dn1"), 'data node "x" is not registered'),
        (Wanted("drained", ("dn1",)), access_node("dn1", unavailable="dn1"), "not available"),
    ],
)
def test_refusals(wanted, cluster, expected):
    with pytest.raises(ClusterError, match=expected):
        check_wanted(wanted, cluster)


def test_nowhere_to_go():
    with pytest.raises(ClusterError, match="1 chunks have a copy that no data node can take"):
        plan_moves(Wanted("drained", ("dn1",)), access_node("dn1", "dn2"), observed("dn1", blocked="dn2"))


def test_what_only_a_dead_node_has_is_told_of_and_in_nobodys_way():
    cluster = access_node("dn1", "dn2", "dn3", unavailable="dn2")
    plan = plan_moves(Wanted("replicated"), cluster, observed("dn2", "dn1 dn2", factor=2))
    assert moves(plan) == [("c2", "dn1", "dn3")]
    assert [chunk.relation for chunk in plan.lost] == ["c1"]
    assert plan.warnings == [
        '1 chunks have no copy on an available data node (chunk "internal"."c1") and can neither be read nor copied: bring back data node "dn2".'
    ]


def test_copies_on_a_dead_node_are_given_up_where_others_have_enough():
    """A chunk with enough copies on available data nodes and one on a dead one crashes the access node when it is copied to."""
    cluster = access_node("dn1", "dn2", "dn3", unavailable="dn2")
    found = observed("dn1 dn2", "dn1 dn2 dn3", "dn1 dn3", attached="dn1 dn2 dn3", factor=2)
    plan = plan_moves(Wanted("replicated"), cluster, found)
    assert moves(plan) == [("c1", "dn1", "dn3")] and plan.moves[0].unavailable == ("dn2",)
    assert [[chunk.relation for chunk in chunks] for _table, chunks in plan.surplus] == [["c2"]]
    assert plan.preparations[0][1] == 'give up copies of 1 chunks on unavailable data nodes ("dn2")'
    assert set(placement_after(found, plan).values()) == {("dn1", "dn3")}
    assert plan_moves(Wanted("balanced"), cluster, found).surplus == []
