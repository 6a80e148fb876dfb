# GPL-3.0-or-later (see LICENSE)
"""What follows for hosts from declared roles: whom data nodes let in, by which password, and what is wrong with the declaration itself."""

from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._scram import scram_verifier
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._declaration import declaration_findings
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._node_roles import node_passwords, node_roles

APP = dict(name="app", password="s3cret", distributed_hypertables_in=["metrics"])


@pytest.mark.parametrize(
    "role, logs_in",
    [
        (dict(name="a"), False),
        (dict(name="a", login=True), True),
        (dict(name="a", login="yes"), True),
        (dict(name="a", login=False, distributed_hypertables_in=["m"]), False),
        (dict(name="a", login=None, distributed_hypertables_in=["m"]), True),
        (dict(name="a", distributed_hypertables_in=[]), False),
        (dict(name="a", login=True, state="absent"), False),
    ],
)
def test_who_can_log_in_is_let_in(role, logs_in):
    assert node_roles([role]) == (["a"] if logs_in else [])
    assert node_passwords([dict(role, password="p")], {}) == ({"a": "p"} if logs_in else {})


def test_roles_are_in_one_order():
    z, a = dict(name="z", login=True), dict(name="a", login=True)
    assert node_roles([z, a], ["m", "a"]) == node_roles([a, z], ["a", "m"]) == ["a", "m", "z"]
    assert node_roles([z, a], ["m"], "m") == ["a", "z"]


def test_a_verifier_is_no_password():
    declared = [APP, dict(name="b", login=True, password=scram_verifier("p"))]
    assert node_passwords(declared, {}) == {"app": "s3cret"}
    assert node_passwords(declared, {"b": "p", "app": "other"}) == {"app": "other", "b": "p"}


def test_a_declaration_with_nothing_wrong():
    assert declaration_findings([APP], [dict(name="metrics", owner="app")], [dict(name="pgcrypto")]) == []


@pytest.mark.parametrize(
    "declared, causes",
    [
        ([dict(APP, name="pg_app")], ["the name is PostgreSQL's own"]),
        ([APP, APP], ["it is listed 2 times"]),
        ([dict(APP, grants=[dict(type="table", privs=["READ"])])], ["there is no privilege READ on table"]),
        ([dict(APP, password=""), dict(name="b", connection_limit=-2)], ["the password is empty", "connection_limit is -2"]),
    ],
)
def test_what_is_wrong_is_said_without_secrets(declared, causes):
    found = declaration_findings(declared, [], [])
    assert [cause for _subject, cause, _remedy in found] == causes
    assert "s3cret" not in str(found)


def test_declared_hypertables_are_judged_with_the_rest():
    fine = dict(relation="a", time_column_name="time", number_partitions=4, partitioning_column="device")
    assert declaration_findings([APP], [], [], [fine, dict(relation="old", state="absent")]) == []
    wrong = [dict(fine, replication_factor=0), fine, dict(relation="b")]
    found = declaration_findings([dict(name="pg_a")], [], [], wrong)
    assert [(subject, cause) for subject, cause, _remedy in found] == [
        ('role "pg_a"', "the name is PostgreSQL's own"),
        ('distributed hypertable "public"."a"', "replication_factor is 0"),
        ('distributed hypertable "public"."b"', "time_column_name is missing"),
        ('distributed hypertable "public"."a"', "it is listed 2 times"),
    ]
