# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from _build import UUID, access_node, look, node_parameters
from ansible_collections.timescaledb.multinode.plugins.module_utils._admission import Admission
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import wanted_nodes

BARE = dict(release=None, uuid=None)
MISSING = dict(BARE, database_exists=False, encoding=None, collation=None, ctype=None, maintenance_database="postgres")


def admission(seen=None, an=None, **options) -> Admission:
    (node,) = wanted_nodes([node_parameters(node_name="dn9", host="dn9.example", **options)])
    return Admission(node, seen or look(), an or access_node("dn1"))


def causes(seen=None, an=None, **options) -> list[str]:
    return [error.cause for error in admission(seen, an, **options).check_new()]


@pytest.mark.parametrize("seen", [look(), look(**BARE), look(**MISSING), look(preloaded=None, **BARE), look(release=Release(2, 13, 0), available_versions=())])
def test_admitted(seen):
    assert causes(seen) == []


@pytest.mark.parametrize(
    "change, word",
    [
        (dict(unreachable=True, reason="refused."), "no connection as role postgres: refused"),
        (dict(postgresql_major=16), "it runs PostgreSQL 16"),
        (dict(license="apache"), "Apache edition"),
        (dict(in_recovery=True), "it is a standby"),
        (dict(max_prepared_transactions=0), "max_prepared_transactions is 0"),
        (dict(encoding="SQL_ASCII"), "encoding SQL_ASCII, the access node's has UTF8"),
        (dict(collation="C"), "collation C,"),
        (dict(ctype="C"), "LC_CTYPE C,"),
        (dict(release=Release(2, 12, 3)), "accepts 2.13 or newer"),
        (dict(release=Release(2, 14, 0)), "has no multi-node"),
        (dict(uuid=UUID), "the access node's own database"),
        (dict(own_data_nodes=1), "itself an access node with data nodes"),
        (dict(dist_uuid="its-uuid"), "itself an access node with data nodes"),
        (dict(dist_uuid=UUID), "was a data node of this cluster before"),
        (dict(dist_uuid="foreign"), "data node of another cluster (dist_uuid foreign)"),
        (dict(BARE, available_versions=("2.12.0", "2.11.0")), "TimescaleDB 2.13.1 is not installed there (available: 2.11.0, 2.12.0)"),
        (dict(BARE, available_versions=()), "(available: none)"),
        (dict(BARE, preloaded=False), "shared_preload_libraries lacks timescaledb"),
        (dict(MISSING, may_create_database=False), "may not create databases"),
    ],
)
def test_one_finding(change, word):
    (cause,) = causes(look(**change))
    assert word in cause


def test_all_findings_at_once():
    assert len(causes(look(max_prepared_transactions=0, in_recovery=True, encoding="LATIN1", dist_uuid="foreign"))) == 4


@pytest.mark.parametrize(
    "seen, asked, chosen",
    [
        (look(), None, False),
        (look(), True, True),
        (look(**BARE), None, True),
        (look(**MISSING), None, True),
        (look(**MISSING), False, False),
    ],
)
def test_bootstrap_is_chosen(seen, asked, chosen):
    assert admission(seen, bootstrap=asked).bootstrap is chosen


@pytest.mark.parametrize("seen, word", [(look(**MISSING), "the database does not exist"), (look(**BARE), "has no extension timescaledb")])
def test_bootstrap_false(seen, word):
    (cause,) = causes(seen, bootstrap=False)
    assert word in cause


@pytest.mark.parametrize("whose", [UUID, "foreign"])
def test_reclaim(whose):
    member = look(dist_uuid=whose, maintenance_database="postgres")
    cleared, dropped = admission(member, reclaim="membership"), admission(member, reclaim="database")
    assert cleared.check_new() == dropped.check_new() == []
    assert cleared.clears_membership and not cleared.drops_database and not cleared.bootstrap
    assert dropped.drops_database and not dropped.clears_membership and dropped.bootstrap


@pytest.mark.parametrize(
    "seen, options, word",
    [
        (dict(dist_uuid=UUID, distributed_members=2), dict(reclaim="membership"), "2 distributed hypertable(s)"),
        (dict(dist_uuid=UUID), dict(reclaim="database"), "needs a login to another database"),
        (dict(dist_uuid=UUID, maintenance_database="postgres"), dict(reclaim="database", bootstrap=False), "bootstrap=false forbids"),
        (dict(own_data_nodes=1, dist_uuid="its-uuid", maintenance_database="postgres"), dict(reclaim="database"), "itself an access node"),
        (dict(uuid=UUID, maintenance_database="postgres"), dict(reclaim="database"), "own database"),
    ],
)
def test_reclaim_has_limits(seen, options, word):
    (cause,) = causes(look(**seen), **options)
    assert word in cause


@pytest.mark.parametrize("reclaim", ["membership", "database"])
def test_nothing_to_reclaim(reclaim):
    free = admission(reclaim=reclaim)
    assert free.check_new() == []
    assert not free.clears_membership and not free.drops_database


@pytest.mark.parametrize(
    "change, word",
    [
        (dict(dist_uuid=UUID), None),
        (dict(unreachable=True, reason="refused"), "no connection"),
        (dict(BARE), "no database with TimescaleDB at the new place"),
        (dict(dist_uuid="foreign"), "no data node of this cluster"),
        (dict(), "no data node of this cluster"),
        (dict(dist_uuid=UUID, release=Release(2, 12, 0)), "accepts 2.13 or newer"),
        (dict(dist_uuid=UUID, in_recovery=True), "standby"),
    ],
)
def test_known_node_at_a_new_place(change, word):
    found = [error.cause for error in admission(look(**change)).check_known()]
    assert found == [] if word is None else word in found[0] and len(found) == 1
