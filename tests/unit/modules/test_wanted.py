# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from _build import access_node, node_parameters, table_parameters
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import wanted_hypertables
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import release_errors, wanted_nodes


@pytest.mark.parametrize(
    "options, cause",
    [
        (dict(node_name="n" * 64), "is longer than 63 bytes"),
        (dict(node_name="ü" * 32), "is longer than 63 bytes"),
        (dict(database="d" * 64), "is longer than 63 bytes"),
        (dict(node_name=""), "the name is empty"),
        (dict(port=0), "0 is not a port number"),
        (dict(port=65536), "65536 is not a port number"),
        (dict(connect_timeout=0), "connect_timeout is 0"),
        (dict(force=True), "only go with state=absent"),
        (dict(drop_database=True), "only go with state=absent"),
    ],
)
def test_nodes_that_cannot_be(options, cause):
    with pytest.raises(ClusterError, match=cause):
        wanted_nodes([node_parameters(**{"node_name": "dn1", **options})])


@pytest.mark.parametrize("options", [dict(node_name="ü" * 31), dict(node_name="n" * 63), dict(port=1), dict(port=65535), dict(connect_timeout=1)])
def test_nodes_at_the_borders(options):
    assert len(wanted_nodes([node_parameters(**{"node_name": "dn1", **options})])) == 1


def test_a_list_of_nodes_and_all_its_errors():
    rows = [node_parameters(node_name="dn1"), node_parameters(node_name="dn1"), node_parameters(node_name="dn2", port=-1)]
    with pytest.raises(ClusterError) as raised:
        wanted_nodes(rows)
    assert "it is listed 2 times" in str(raised.value) and 'data node "dn2": -1' in str(raised.value)


def test_endpoint_defaults():
    new, known = wanted_nodes([node_parameters(node_name="new", host="h"), node_parameters(node_name="dn1", port=6000)])
    an = access_node("dn1", database="other", settings={"port": "5433"})
    assert new.endpoint(an) == Endpoint("h", 5433, "other")
    assert known.endpoint(an) == Endpoint("dn1.example", 6000, "metrics")


@pytest.mark.parametrize(
    "options, release, cause",
    [
        (dict(available=True), "2.8.1", "available needs TimescaleDB 2.9.0"),
        (dict(state="absent", drop_database=True), "2.5.2", "drop_database needs TimescaleDB 2.6.0"),
        (dict(), "2.13.1", "no host is given"),
    ],
)
def test_releases_that_lack_an_option(options, release, cause):
    host = {} if cause == "no host is given" else {"host": "h"}
    wanted = wanted_nodes([node_parameters(node_name="dn1", **host, **options)])
    (error,) = release_errors(wanted, access_node(release=Release.parse(release)))
    assert cause in str(error)


@pytest.mark.parametrize("options, release", [(dict(available=True), "2.9.0"), (dict(state="absent", drop_database=True), "2.6.0")])
def test_releases_that_have_an_option(options, release):
    assert release_errors(wanted_nodes([node_parameters(node_name="dn1", host="h", **options)]), access_node(release=Release.parse(release))) == []


@pytest.mark.parametrize(
    "options, cause",
    [
        (dict(relation="t" * 64), "is not 1 to 63 bytes long"),
        (dict(schema=""), "is not 1 to 63 bytes long"),
        (dict(time_column_name="ü" * 32), "is not 1 to 63 bytes long"),
        (dict(data_nodes=["n" * 64]), "is not 1 to 63 bytes long"),
        (dict(data_nodes=[]), "data_nodes is empty"),
        (dict(data_nodes=["dn1", "dn1"]), "names a node twice"),
        (dict(number_partitions=2), "without partitioning_column"),
        (dict(partitioning_column="device", number_partitions=0), "between 1 and 32767"),
        (dict(partitioning_column="device", number_partitions=32768), "between 1 and 32767"),
        (dict(partitioning_column="time"), "both time column and partitioning column"),
        (dict(replication_factor=0), "choose 1 or more"),
    ],
)
def test_tables_that_cannot_be(options, cause):
    with pytest.raises(ClusterError, match=cause):
        wanted_hypertables([table_parameters(**options)])


def test_tables_at_the_borders():
    (table,) = wanted_hypertables([table_parameters(relation="ü" * 31, partitioning_column="d", number_partitions=32767, data_nodes=["n" * 63])])
    assert table.data_nodes == ("n" * 63,)
    assert table.subject == f'distributed hypertable "public"."{"ü" * 31}"'


def test_a_list_of_tables():
    rows = [table_parameters(), table_parameters(schema="other")]
    assert [table.schema for table in wanted_hypertables(rows)] == ["public", "other"]
    with pytest.raises(ClusterError, match="listed 2 times"):
        wanted_hypertables([rows[0], rows[0]])
