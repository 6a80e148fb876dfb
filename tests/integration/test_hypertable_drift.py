# GPL-3.0-or-later (see LICENSE)
"""Distributed hypertables that differ from what is wanted."""

from __future__ import annotations

import pytest
from _cluster import HYPERTABLE

CONDITIONS = dict(relation="conditions", time_column_name="time", partitioning_column="device")


@pytest.fixture
def conditions(nodes):
    """Three data nodes, three partitions, chunks of seven days."""
    nodes.distribute("conditions")
    return nodes


@pytest.fixture
def replicated(nodes):
    """The same with two copies of each of its three chunks."""
    nodes.distribute("conditions", options=", 'device', replication_factor => 2")
    nodes.fill("conditions")
    return nodes


def actions(result: dict) -> list[str]:
    return [step["action"] for step in result["steps"]]


def test_equal_table_is_left_alone(conditions):
    conditions.unchanged(HYPERTABLE, **CONDITIONS)
    everything = dict(number_partitions=3, chunk_time_interval="7 days", replication_factor=1, data_nodes=["dn3", "dn2", "dn1"])
    assert conditions.unchanged(HYPERTABLE, **everything, **CONDITIONS)["warnings"] == []


def test_options_that_are_not_given_are_left_alone(conditions):
    conditions.unchanged(HYPERTABLE, relation="conditions", time_column_name="time")


@pytest.mark.parametrize("interval, shown", [("1 day", "1 day"), ("1 month", "30 days"), ("3600000000", "01:00:00")])
def test_chunk_time_interval(conditions, interval, shown):
    result = conditions.converge(HYPERTABLE, chunk_time_interval=interval, **CONDITIONS)
    assert actions(result) == ["set"]
    assert result["steps"][0]["reason"] == f"chunk_time_interval is 7 days, wanted {shown}"
    assert conditions.table("conditions")["chunk_time_interval"] == shown


def test_same_chunk_time_interval_in_other_words(conditions):
    for text in ("168 hours", "1 week", "604800000000"):
        conditions.unchanged(HYPERTABLE, chunk_time_interval=text, **CONDITIONS)


@pytest.mark.parametrize("time_type", ["smallint", "int", "bigint"])
def test_chunk_time_interval_of_integers(nodes, time_type):
    nodes.query(f"CREATE TABLE conditions (time {time_type} NOT NULL, device int NOT NULL)")
    nodes.query("SELECT create_distributed_hypertable('conditions', 'time', 'device', chunk_time_interval => 10)")
    nodes.unchanged(HYPERTABLE, **CONDITIONS)
    nodes.converge(HYPERTABLE, chunk_time_interval="20", **CONDITIONS)
    assert nodes.table("conditions")["chunk_time_interval"] == "20"
    nodes.refuse(HYPERTABLE, "is not an integer", chunk_time_interval="1 day", **CONDITIONS)


def test_chunk_time_interval_of_dates(nodes):
    nodes.distribute("conditions", columns="time date NOT NULL, device int NOT NULL")
    nodes.converge(HYPERTABLE, chunk_time_interval="1 day", **CONDITIONS)
    nodes.refuse(HYPERTABLE, "not a whole number of days", chunk_time_interval="1 hour", **CONDITIONS)


@pytest.mark.parametrize(
    "interval, cause",
    [
        ("often", 'chunk_time_interval "often" is no interval'),
        ("9" * 20, "is no interval"),
        ("0", "is not positive"),
        ("-1 day", "is not positive"),
    ],
)
def test_chunk_time_interval_that_is_refused(conditions, interval, cause):
    conditions.refuse(HYPERTABLE, cause, chunk_time_interval=interval, **CONDITIONS)


@pytest.mark.parametrize("partitions, too_few", [(6, False), (2, True)])
def test_number_of_partitions_both_ways(conditions, partitions, too_few):
    result = conditions.converge(HYPERTABLE, number_partitions=partitions, **CONDITIONS)
    assert conditions.table("conditions")["number_partitions"] == partitions
    assert any("it has 2 partitions on 3 data nodes" in warning for warning in result["warnings"]) is too_few


def test_replication_factor_up_and_down(conditions):
    conditions.fill("conditions")
    ours = 'distributed hypertable "public"."conditions": only new chunks will have replication factor 3; the chunks that are there keep their copies'
    assert ours in conditions.converge(HYPERTABLE, replication_factor=3, **CONDITIONS)["warnings"]
    assert ours not in conditions.converge(HYPERTABLE, replication_factor=2, **CONDITIONS)["warnings"]
    assert conditions.table("conditions")["replication_factor"] == 2


def test_replication_factor_of_an_empty_table_needs_no_warning(conditions):
    assert conditions.converge(HYPERTABLE, replication_factor=2, **CONDITIONS)["warnings"] == []


@pytest.mark.parametrize("repartition, partitions", [(True, 4), (False, 3)])
def test_attach(conditions, repartition, partitions):
    conditions.register("dn4")
    result = conditions.converge(HYPERTABLE, data_nodes=["dn1", "dn2", "dn3", "dn4"], repartition=repartition, **CONDITIONS)
    assert actions(result) == ["attach"]
    assert conditions.table("conditions")["number_partitions"] == partitions
    assert any("it has 3 partitions on 4 data nodes" in warning for warning in result["warnings"]) is not repartition


def test_attach_two_to_a_table_with_chunks(conditions):
    conditions.register("dn4", "dn5")
    conditions.fill("conditions")
    result = conditions.converge(HYPERTABLE, data_nodes=["dn5", "dn1", "dn2", "dn3", "dn4"], number_partitions=10, **CONDITIONS)
    assert actions(result) == ["attach", "attach", "set"]


def test_attach_to_many_partitions_leaves_them(nodes):
    nodes.distribute("conditions", options=", 'device', number_partitions => 9")
    nodes.register("dn4")
    nodes.converge(HYPERTABLE, data_nodes=["dn1", "dn2", "dn3", "dn4"], **CONDITIONS)
    assert nodes.table("conditions")["number_partitions"] == 9


@pytest.mark.parametrize("repartition, partitions", [(True, 2), (False, 3)])
def test_detach_without_data(conditions, repartition, partitions):
    result = conditions.converge(HYPERTABLE, data_nodes=["dn1", "dn2"], repartition=repartition, **CONDITIONS)
    assert actions(result) == ["detach"]
    assert conditions.table("conditions")["number_partitions"] == partitions
    assert "dn3" in conditions.nodes()


def test_detach_from_a_table_without_space_dimension(nodes):
    nodes.distribute("conditions", options="")
    nodes.converge(HYPERTABLE, relation="conditions", time_column_name="time", data_nodes=["dn2"])


@pytest.mark.parametrize("force", [False, True])
def test_detach_the_only_copies(conditions, force):
    conditions.fill("conditions")
    conditions.refuse(HYPERTABLE, 'only "dn3" holds', data_nodes=["dn1", "dn2"], force=force, **CONDITIONS)


def test_detach_with_copies_elsewhere_needs_force(replicated):
    replicated.refuse(HYPERTABLE, "still has copies of", data_nodes=["dn1", "dn2"], **CONDITIONS)
    rows = replicated.query("SELECT count(*) FROM conditions")
    replicated.converge(HYPERTABLE, data_nodes=["dn1", "dn2"], force=True, **CONDITIONS)
    assert replicated.query("SELECT count(*) FROM conditions") == rows


def test_detach_below_the_replication_factor(nodes):
    nodes.distribute("conditions", options=", 'device', replication_factor => 3")
    nodes.refuse(HYPERTABLE, "replication_factor 3 needs", data_nodes=["dn1", "dn2"], replication_factor=3, **CONDITIONS)
    nodes.refuse(HYPERTABLE, "has replication factor 3 and 2 other data nodes that take new chunks", data_nodes=["dn1", "dn2"], **CONDITIONS)
    result = nodes.converge(HYPERTABLE, data_nodes=["dn1", "dn2"], replication_factor=2, **CONDITIONS)
    assert actions(result) == ["set", "detach"]


@pytest.mark.real_engine("block_new_chunks()")
def test_detach_what_takes_no_new_chunks(nodes):
    nodes.distribute("conditions", options=", 'device', replication_factor => 2")
    nodes.query("SELECT timescaledb_experimental.block_new_chunks('dn3', 'conditions')")
    nodes.converge(HYPERTABLE, data_nodes=["dn1", "dn2"], **CONDITIONS)


def test_detach_two_of_replicated_chunks_is_judged_together(replicated):
    replicated.refuse(HYPERTABLE, "would lose", data_nodes=["dn1"], force=True, **CONDITIONS)


def test_exchange_a_node_attaches_first(replicated):
    replicated.register("dn4")
    result = replicated.converge(HYPERTABLE, data_nodes=["dn1", "dn2", "dn4"], replication_factor=3, force=True, **CONDITIONS)
    assert actions(result) == ["attach", "detach", "set"]


@pytest.mark.parametrize("drop", [False, True])
def test_drop_remote_data(conditions, drop):
    conditions.converge(HYPERTABLE, data_nodes=["dn1", "dn2"], drop_remote_data=drop, **CONDITIONS)
    assert conditions.dn("dn3").value(conditions.database, "SELECT to_regclass('conditions') IS NULL") is drop


def test_dropped_default_indexes_are_made_again(conditions):
    for index in ("conditions_time_idx", "conditions_device_time_idx"):
        conditions.query(f"DROP INDEX {index}")
    before = conditions.run(HYPERTABLE, check=True, **CONDITIONS)["before"]
    assert before[0]["default_indexes"] is False
    result = conditions.converge(HYPERTABLE, **CONDITIONS)
    assert actions(result) == ["create index", "create index"]
    definitions = conditions.query("SELECT indexdef FROM pg_indexes WHERE tablename = 'conditions' ORDER BY 1")
    assert [text.partition(" USING ")[2] for (text,) in definitions] == ['btree (device, "time" DESC)', 'btree ("time" DESC)']
    assert conditions.dn("dn1").value(conditions.database, "SELECT count(*) FROM pg_indexes WHERE tablename = 'conditions'") == 2


def test_dropped_default_indexes_that_nobody_wants(conditions):
    conditions.query("DROP INDEX conditions_time_idx")
    conditions.unchanged(HYPERTABLE, create_default_indexes=False, **CONDITIONS)


def test_everything_at_once_in_its_order(conditions):
    conditions.register("dn4", "dn5")
    conditions.query("DROP INDEX conditions_time_idx")
    options = dict(chunk_time_interval="1 day", number_partitions=16, replication_factor=2, data_nodes=["dn2", "dn3", "dn4", "dn5"])
    result = conditions.converge(HYPERTABLE, **options, **CONDITIONS)
    assert actions(result) == ["set", "attach", "attach", "detach", "set", "set", "create index"]
    assert ["set_chunk_time_interval" in step["sql"] for step in result["steps"]].index(True) == 0


def test_no_space_dimension_is_warned_about(nodes):
    nodes.query("CREATE TABLE conditions (time timestamptz NOT NULL)")
    warning = (
        'distributed hypertable "public"."conditions": it has no partitioning column, so that only one of its 3 data nodes takes new rows at a time; '
        "this can only be chosen when it is created"
    )
    plain = dict(relation="conditions", time_column_name="time")
    assert nodes.converge(HYPERTABLE, **plain)["warnings"] == [warning]
    assert nodes.unchanged(HYPERTABLE, **plain)["warnings"] == [warning]


def test_no_space_dimension_on_one_node_is_left_to_the_servers_own_warning(nodes):
    nodes.query("CREATE TABLE conditions (time timestamptz NOT NULL)")
    assert nodes.converge(HYPERTABLE, relation="conditions", time_column_name="time", data_nodes=["dn1"])["warnings"] == [
        "only one data node was assigned to the hypertable"
    ]


def test_fewer_partitions_than_nodes_are_warned_about(nodes):
    nodes.query("CREATE TABLE conditions (time timestamptz NOT NULL, device int NOT NULL)")
    warnings = nodes.converge(HYPERTABLE, number_partitions=2, **CONDITIONS)["warnings"]
    ours = 'distributed hypertable "public"."conditions": it has 2 partitions on 3 data nodes, so that 1 stay without rows'
    assert ours in warnings


def test_statements_do_not_grow_with_tables_and_nodes(nodes):
    """Counted in the access node's log, in a run with nothing to do."""

    def statements(tables: list[dict]) -> int:
        offset = nodes.an.log_size()
        assert nodes.succeed(HYPERTABLE, hypertables=tables)["changed"] is False
        return len(nodes.an.statements_since(offset, nodes.database))

    nodes.distribute("t0")
    few = statements([dict(CONDITIONS, relation="t0")])
    nodes.register("dn4", "dn5")
    for number in range(1, 12):
        nodes.distribute(f"t{number}")
    many = statements([dict(CONDITIONS, relation=f"t{number}", chunk_time_interval="7 days") for number in range(12)])
    assert 0 < many <= few + 1  # one more for the wanted intervals, all at once
