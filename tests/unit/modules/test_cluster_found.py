# GPL-3.0-or-later (see LICENSE)
"""Examples that the properties of a cluster's plan failed on once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from _model import Model
from _seen import planned
from _small_cluster import TABLE, endpoint, node, role, small_cluster, table, task
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import Held

SELECT, INSERT = frozenset({"SELECT"}), frozenset({"INSERT"})
READ_A = dict(type="table", objs=["a"], schema="public", target_roles=None, privs=["SELECT"])


def actions(model: Model, declared: dict[str, Any]) -> list[tuple[str, str]]:
    """What is done; it must be possible, and leave what is predicted and nothing to do."""
    plan = planned(model, declared)
    again = planned(model.after(plan.steps), declared)
    assert again.steps == [] and again.before == plan.after
    return [(step.subject, step.action) for step in plan.steps]


def test_a_privilege_that_another_role_granted_on_a_data_node_stays_there_when_the_access_node_revokes_it():
    model = small_cluster()
    model.places.access_node.held(TABLE, "q").grant(SELECT | INSERT)
    model.places.of("dn1").acl[TABLE]["q"] = Held(SELECT | INSERT, SELECT)
    with pytest.raises(ClusterError, match=r'"q" on data node "dn1" .*: it has INSERT .*granted by another role than the owner'):
        planned(model, task(roles=[role("q", exclusive=True, grants=[READ_A])]))


def test_privileges_on_a_data_node_go_with_it():
    model = small_cluster(nodes=["dn1"])
    for name in ("dn1", "dn2"):
        model.places.access_node.held(Object("foreign server", "", name), "q").grant(frozenset({"USAGE"}))
    assert actions(model, task(data_nodes=[node("dn2", state="absent")], roles=[role("q", data_nodes=["dn1"])])) == [('data node "dn2"', "delete")]


@pytest.mark.parametrize("maker", ["postgres", "r"])
def test_default_privileges_of_who_makes_the_table_are_foreseen(maker):
    """Of the role of the task, or of the table's owner where a data node is attached; neither is named by the task."""
    model = small_cluster(owner=maker, nodes=["dn1"])
    there = model.places.of("dn2")
    there.held(Object("default tables", "", maker), "q").grant(INSERT)
    there.held(Object("schema", "", "public"), maker).grant(frozenset({"USAGE", "CREATE"}))
    done = actions(model, task(roles=[role("q", exclusive=True, grants=[READ_A])], hypertables=[table(data_nodes=["dn1", "dn2"])]))
    assert ('role "q" on data node "dn2"', "revoke") in done


@pytest.mark.parametrize("joins", [False, True])
def test_what_is_left_on_a_detached_data_node_has_the_new_owner_only_where_another_one_joins(joins):
    """That one is attached as the new owner. Otherwise a data node that leaves need not have that role."""
    model = small_cluster(owner="r", nodes=["dn1", "dn2"] if not joins else ["dn2"])
    model.places.of("dn1").held(Object("schema", "", "public"), "q").grant(frozenset({"USAGE", "CREATE"}))
    roles = [role("r", grants=[dict(READ_A, objs=None)])]
    done = actions(model, task(roles=roles, hypertables=[table(owner="q", data_nodes=["dn1"])]))
    assert (('role "r" on data node "dn2"', "grant") in done) is joins
    of_table = [action for subject, action in done if "hypertable" in subject]
    assert of_table == (["alter", "attach", "detach"] if joins else ["detach", "alter"])


@pytest.mark.parametrize("found, declared, refused", [({}, dict(owner="r"), "change its owner"), (dict(indexes=set()), {}, "create its default indexes")])
def test_statements_about_a_table_need_all_its_data_nodes_available(found, declared, refused):
    model = small_cluster(**found)
    model.registered["dn2"].available = False
    with pytest.raises(ClusterError, match=f'data node "dn2", which is marked unavailable, so that TimescaleDB refuses to {refused}'):
        planned(model, task(hypertables=[table(**declared)]))


def test_a_dimension_is_changed_on_unavailable_data_nodes_too_which_have_to_answer():
    model, declared = small_cluster(), task(hypertables=[table(chunk_time_interval="1 day", create_default_indexes=False)])
    model.registered["dn2"].available = False
    assert actions(model, declared) == [('distributed hypertable "public"."a"', "set")]
    model.places.of("dn2").answers = False
    with pytest.raises(ClusterError, match=r'data node "dn2" .*no connection .* needed by: distributed hypertable "public"."a"'):
        planned(model, declared)


def test_a_data_node_that_has_moved_is_not_asked_for_at_its_old_place():
    model = small_cluster()
    model.places.of("dn2").endpoint = replace(endpoint("dn2"), port=6000)
    declared = task(data_nodes=[node("dn2", port=6000)], hypertables=[table(chunk_time_interval="1 day")])
    assert [action for _subject, action in actions(model, declared)] == ["alter", "set"]


def test_chunks_that_are_given_up_may_go_with_their_table():
    model = small_cluster(chunks={"a_0": {"dn2"}})
    model.registered["dn2"].available = False
    declared = task(data_nodes=[node("dn2", state="absent", lose_chunks=True, force=True)], hypertables=[table(state="absent", drop_data=True)])
    assert [action for _subject, action in actions(model, declared)] == ["drop", "delete"]


def test_a_table_of_another_role_that_is_to_belong_to_who_distributes_it():
    model = small_cluster(owner="r", nodes=None)
    assert [action for _subject, action in actions(model, task(hypertables=[table(owner="postgres")]))] == ["create", "alter"]
