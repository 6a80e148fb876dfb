# GPL-3.0-or-later (see LICENSE)
"""What holds for the plan of any fleet."""

from __future__ import annotations

import math

from _fleets import Chunk, Scene, moved
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import FleetNode, Goal
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_plan import plan_rebalance
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ["dn1", "dn2", "dn3", "dn4", "dn5", "dn6"]

many = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def scenes(draw, plain: bool = False) -> Scene:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    nodes = [
        FleetNode(
            name,
            weight=1.0 if plain else draw(st.sampled_from([1.0, 1.0, 1.0, 2.0, 0.5])),
            most_bytes=None if plain else draw(st.sampled_from([None, None, None, 50, 300])),
            leaves=draw(st.integers(0, 5)) == 0,
            takes_part=plain or draw(st.integers(0, 7)) > 0,
        )
        for name in names
    ]
    hypertables = draw(st.integers(1, 3))
    # Data nodes that are drained answer.
    nodes = [FleetNode(node.name, node.weight, node.most_bytes, node.leaves and node.takes_part, node.takes_part) for node in nodes]
    allowed = {
        number: set(draw(st.lists(st.sampled_from(names), min_size=1, unique=True)))
        for number in range(hypertables)
        if not plain and draw(st.integers(0, 3)) == 0
    }
    sizes = st.one_of(st.integers(1, 100), st.sampled_from([16, 16, 16, 1, 0]))
    chunks = []
    for number in range(draw(st.integers(0, 25))):
        holders = set(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)))
        lacking = draw(st.sampled_from([0, 0, 0, 1, 2]))
        chunks.append(Chunk(number + 1, draw(sizes), holders, draw(st.integers(0, hypertables - 1)), draw(st.integers(0, 3)), lacking))
    return Scene(nodes, chunks, allowed)


goals = st.builds(Goal, balance=st.booleans(), tolerance=st.sampled_from([0.0, 0.02, 0.1, 0.5]), spread=st.booleans())


@many
@given(scenes(), goals)
def test_every_move_is_possible_and_predicted(scene, goal):
    fleet = scene.fleet()
    plan = plan_rebalance(fleet, goal)
    after = scene.after(fleet, plan)
    names = [node.name for node in fleet.nodes]
    assert dict(zip(names, plan.before)) == scene.loads()
    assert dict(zip(names, plan.after)) == after.loads()
    assert plan.moved_bytes == sum(fleet.sizes[move.chunk] for move in plan.moves)


@many
@given(scenes(), goals)
def test_nobody_moves_twice_and_no_copy_is_lost(scene, goal):
    fleet = scene.fleet()
    plan = plan_rebalance(fleet, goal)
    assert len({(move.chunk, move.destination) for move in plan.moves}) == len(plan.moves)
    for before, after in zip(scene.chunks, scene.after(fleet, plan).chunks):
        assert len(after.nodes) + after.lacking == len(before.nodes) + before.lacking
        assert after.lacking <= before.lacking


@many
@given(scenes(), goals)
def test_the_plan_for_what_it_leads_to_is_empty(scene, goal):
    fleet = scene.fleet()
    after = scene.after(fleet, plan_rebalance(fleet, goal))
    assert moved(fleet, plan_rebalance(after.fleet(), goal)) == []


@many
@given(scenes(), goals)
def test_the_order_in_which_things_are_listed_does_not_count(scene, goal):
    fleet, turned = scene.fleet(), scene.fleet(backwards=True)
    assert moved(fleet, plan_rebalance(fleet, goal)) == moved(turned, plan_rebalance(turned, goal))


@many
@given(scenes(), goals)
def test_what_leaves_is_empty_and_what_lacks_is_there_or_said_not_to_be(scene, goal):
    fleet = scene.fleet()
    plan = plan_rebalance(fleet, goal)
    after = scene.after(fleet, plan)
    leaving = {node.name for node in scene.nodes if node.leaves}
    open_ends = {chunk.id for chunk in after.chunks if chunk.nodes & leaving or chunk.lacking}
    assert set(plan.unplaced) == open_ends
    loads = after.loads()
    for chunk in after.chunks:
        if chunk.id in open_ends and any(node.takes_part and node.name in chunk.nodes for node in scene.nodes):
            for node in scene.nodes:
                takes = node.takes_part and not node.leaves and node.name in scene.allowed.get(chunk.hypertable, {node.name})
                if takes and node.name not in chunk.nodes and not goal.balance:
                    assert node.most_bytes is not None and loads[node.name] + chunk.size > node.most_bytes


def test_empty_chunks_find_a_place_where_there_are_no_bytes_at_all():
    nodes = [FleetNode("dn1", 1.0, None, True, True), FleetNode("dn2", 1.0, None, False, False), FleetNode("dn3", 1.0, None, False, True)]
    scene = Scene(nodes, [Chunk(1, 0, {"dn1"}, 0, 0, 0)], {})
    fleet = scene.fleet()
    assert [move.destination for move in plan_rebalance(fleet, Goal(balance=False)).moves] == [2]


def test_a_node_that_is_full_of_one_chunk_does_not_hide_the_next_one():
    nodes = [FleetNode(name, 1.0, None, leaves, True) for name, leaves in (("dn1", True), ("dn3", False), ("dn4", False), ("dn5", False), ("dn6", False))]
    places = [(1, {"dn1"}), (1, {"dn6"}), (15, {"dn1"}), (1, {"dn6"}), (1, {"dn1", "dn6"})]
    scene = Scene(nodes, [Chunk(number, size, holders, 0, 0, 0) for number, (size, holders) in enumerate(places, 1)], {})
    fleet = scene.fleet()
    plan = plan_rebalance(fleet, Goal(tolerance=0.0, spread=False))
    assert sorted(scene.after(fleet, plan).loads().values()) == [0, 1, 2, 2, 15]


@many
@given(scenes(plain=True), st.sampled_from([0.0, 0.02, 0.1]))
def test_nodes_are_within_the_tolerance_or_no_single_move_helps(scene, tolerance):
    fleet = scene.fleet()
    plan = plan_rebalance(fleet, Goal(tolerance=tolerance, spread=False))
    after = scene.after(fleet, plan)
    loads = after.loads()
    staying = [node.name for node in scene.nodes if not node.leaves]
    shares = dict(zip((node.name for node in fleet.nodes), plan.targets))
    for giver in staying:
        for taker in staying:
            outside = loads[giver] > math.ceil(shares[giver] * (1 + tolerance)) or loads[taker] < math.floor(shares[taker] * (1 - tolerance))
            if outside:
                helping = [chunk for chunk in after.chunks if chunk.size and giver in chunk.nodes and taker not in chunk.nodes]
                assert all(loads[taker] + chunk.size >= loads[giver] for chunk in helping)


@many
@given(scenes(plain=True), st.sampled_from([0.0, 0.02, 0.1]))
def test_no_less_is_moved_than_the_bound_says_where_all_are_within_the_tolerance(scene, tolerance):
    fleet = scene.fleet()
    plan = plan_rebalance(fleet, Goal(tolerance=tolerance, spread=False))
    staying = [number for number, node in enumerate(fleet.nodes) if not node.leaves]
    within = all(abs(plan.after[node] - plan.targets[node]) <= plan.targets[node] * tolerance + 1e-6 for node in staying)
    if within and not plan.unplaced:
        assert plan.moved_bytes >= plan.least_bytes - len(staying)


@many
@given(scenes(plain=True), st.sampled_from([0.02, 0.5]))
def test_no_node_has_too_many_of_the_newest_chunks_where_another_one_has_room(scene, tolerance):
    fleet = scene.fleet()
    after = scene.after(fleet, plan_rebalance(fleet, Goal(tolerance=tolerance)))
    staying = [node.name for node in scene.nodes if not node.leaves]
    for hypertable in {chunk.hypertable for chunk in scene.chunks}:
        chunks = [chunk for chunk in after.chunks if chunk.hypertable == hypertable]
        last = max(chunk.begin for chunk in chunks)
        newest = [chunk for chunk in chunks if chunk.begin == last]
        most = math.ceil(sum(len(chunk.nodes) + chunk.lacking for chunk in newest) / max(len(staying), 1))
        for giver in staying:
            if after.newest(giver, hypertable) > most:
                for taker in staying:
                    if after.newest(taker, hypertable) < most:
                        assert not any(giver in chunk.nodes and taker not in chunk.nodes for chunk in newest)
