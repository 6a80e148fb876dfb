# GPL-3.0-or-later (see LICENSE)
"""Distributed hypertables that are not there yet."""

from __future__ import annotations

import pytest
from _cluster import HYPERTABLE, quoted

COLUMNS = "time timestamptz NOT NULL, device int NOT NULL, value float8"
CONDITIONS = dict(relation="conditions", time_column_name="time", partitioning_column="device")


@pytest.fixture
def table(nodes):
    nodes.query(f"CREATE TABLE conditions ({COLUMNS})")
    return nodes


def actions(result: dict) -> list[str]:
    return [step["action"] for step in result["steps"]]


def test_from_an_existing_table(table):
    result = table.converge(HYPERTABLE, **CONDITIONS)
    assert actions(result) == ["create"]
    assert result["before"] == [] and result["warnings"] == []
    assert result["after"] == [
        dict(
            schema="public",
            relation="conditions",
            time_column_name="time",
            partitioning_column="device",
            number_partitions=3,
            chunk_time_interval="7 days",
            replication_factor=1,
            data_nodes=["dn1", "dn2", "dn3"],
            default_indexes=True,
        )
    ]
    table.fill("conditions", 300)
    counts = [table.rows_on(f"dn{number}", "conditions") for number in (1, 2, 3)]
    assert sum(counts) == 300 and min(counts) > 0


def test_from_a_definition(nodes):
    result = nodes.converge(HYPERTABLE, definition=f"{COLUMNS}, CHECK (device % 2 < 2 AND device::text !~ '{{}}')", **CONDITIONS)
    assert actions(result) == ["create table", "create"]


def test_definition_of_a_table_that_is_there_is_not_used(table):
    assert actions(table.converge(HYPERTABLE, definition="nonsense", **CONDITIONS)) == ["create"]


def test_interrupted_plan_is_finished_by_the_next_run(nodes):
    """One of its steps fails because a data node has a table of that name."""
    nodes.distribute("other")
    nodes.dn("dn2").query(nodes.database, "CREATE TABLE conditions (other int)")
    wanted = [dict(relation="other", time_column_name="time", chunk_time_interval="1 day"), dict(CONDITIONS, definition=COLUMNS)]
    result = nodes.run(HYPERTABLE, hypertables=wanted)
    assert result["failed"] and result["changed"] is True
    assert actions(result) == ["set"]
    assert "already exists" in result["msg"] and "Steps done before it: 1" in result["msg"]
    nodes.dn("dn2").query(nodes.database, "DROP TABLE conditions")
    assert actions(nodes.converge(HYPERTABLE, hypertables=wanted)) == ["create table", "create"]


def test_all_options(table):
    options = dict(number_partitions=8, chunk_time_interval="12 hours", replication_factor=2, data_nodes=["dn3", "dn1"], create_default_indexes=False)
    result = table.converge(HYPERTABLE, migrate_data=True, **options, **CONDITIONS)
    found = table.table("conditions")
    assert (found["number_partitions"], found["chunk_time_interval"], found["replication_factor"]) == (8, "12:00:00", 2)
    assert found["data_nodes"] == ["dn1", "dn3"] and not found["indexes"]
    assert "default_indexes" not in result["after"][0]


def test_default_of_the_replication_factor(table):
    table.an.query("postgres", f"ALTER DATABASE {table.database} SET timescaledb.hypertable_replication_factor_default = 2")
    assert table.converge(HYPERTABLE, **CONDITIONS)["after"][0]["replication_factor"] == 2


@pytest.mark.parametrize("schema, relation, time, space", [("Sch 1 %s", "Tab'1 {x}", "Ti me %", "Sp {} ace"), ("s" * 63, "t" * 63, "ti", "sp")])
def test_odd_names(nodes, schema, relation, time, space):
    definition = f"{quoted(time)} timestamptz NOT NULL, {quoted(space)} text NOT NULL"
    options = dict(schema=schema, relation=relation, time_column_name=time, partitioning_column=space)
    nodes.converge(HYPERTABLE, definition=definition, **options)
    nodes.converge(HYPERTABLE, number_partitions=6, chunk_time_interval="1 day", replication_factor=2, data_nodes=["dn1", "dn2"], **options)
    for (name,) in nodes.query("SELECT indexname FROM pg_indexes WHERE schemaname = %s", schema):
        nodes.query(f"DROP INDEX {quoted(schema, name)}")
    assert actions(nodes.converge(HYPERTABLE, **options)) == ["create index", "create index"]


@pytest.mark.parametrize("option", ["schema", "relation", "time_column_name", "partitioning_column"])
def test_double_quotes_in_names_are_refused_for_the_server_cannot(nodes, option):
    nodes.refuse(HYPERTABLE, 'the name a"b has a double quote', **{**CONDITIONS, "definition": COLUMNS, option: 'a"b'})


def schema_on(nodes, server, name: str) -> bool:
    return server.value(nodes.database, "SELECT count(*) FROM pg_namespace WHERE nspname = %s", name) == 1


@pytest.mark.parametrize("schema", ["weather", "We'ather %s {x}"])
def test_schema_that_is_nowhere(nodes, schema):
    result = nodes.converge(HYPERTABLE, schema=schema, definition=COLUMNS, **CONDITIONS)
    assert actions(result) == ["create schema", "create schema", "create table", "create"]
    assert all(schema_on(nodes, server, schema) for server in (nodes.an, *nodes.dns[:3]))
    result = nodes.converge(HYPERTABLE, schema=schema, definition=COLUMNS, **{**CONDITIONS, "relation": "more"})
    assert actions(result) == ["create table", "create"]


def test_schema_that_some_data_nodes_lack(nodes):
    for server in (nodes.an, nodes.dn("dn2")):
        server.query(nodes.database, "CREATE SCHEMA weather")
    result = nodes.converge(HYPERTABLE, schema="weather", definition=COLUMNS, **CONDITIONS)
    assert actions(result) == ["create schema", "create table", "create"]


def test_schema_on_a_data_node_that_is_attached_later(nodes):
    nodes.converge(HYPERTABLE, schema="weather", definition=COLUMNS, data_nodes=["dn1"], **CONDITIONS)
    assert not schema_on(nodes, nodes.dn("dn2"), "weather")
    result = nodes.converge(HYPERTABLE, schema="weather", data_nodes=["dn1", "dn2"], **CONDITIONS)
    assert actions(result) == ["create schema", "attach"]
    assert schema_on(nodes, nodes.dn("dn2"), "weather") and not schema_on(nodes, nodes.dn("dn3"), "weather")


def test_schema_that_is_there_needs_no_right_to_create_one(nodes):
    for server in (nodes.an, *nodes.dns[:3]):
        server.query(nodes.database, "CREATE SCHEMA weather AUTHORIZATION app")
    nodes.query("GRANT USAGE ON FOREIGN SERVER dn1, dn2, dn3 TO app")
    nodes.converge(HYPERTABLE, schema="weather", definition=COLUMNS, login_user="app", **CONDITIONS)


def test_schema_that_the_role_may_not_create_on_a_data_node(nodes):
    nodes.query("CREATE SCHEMA weather AUTHORIZATION app; GRANT USAGE ON FOREIGN SERVER dn1, dn2, dn3 TO app")
    result = nodes.run(HYPERTABLE, schema="weather", definition=COLUMNS, login_user="app", **CONDITIONS)
    assert result["failed"] and "permission denied for database" in result["msg"] and "[dn" in result["msg"]
    assert "GRANT CREATE ON DATABASE to the role there" in result["msg"]


def test_odd_names_of_data_nodes(cluster):
    call = "SELECT add_data_node(%s, host => '127.0.0.1', port => %s, bootstrap => false)"
    for name, server in (('Dn "1"', "dn1"), ("Capital Two", "dn2")):
        cluster.query(call, name, cluster.dn(server).port)
    cluster.converge(HYPERTABLE, definition=COLUMNS, data_nodes=["Capital Two", 'Dn "1"'], **CONDITIONS)
    cluster.converge(HYPERTABLE, data_nodes=['Dn "1"'], **CONDITIONS)


@pytest.mark.parametrize(
    "time_type, interval, shown",
    [
        ("timestamptz", "1 month", "30 days"),
        ("timestamptz", "1 year 2 months 3 days 04:05:06", "423 days 04:05:06"),
        ("timestamp", "1 day", "1 day"),
        ("timestamptz", "86400000000", "1 day"),
        ("timestamptz", "36 hours", "1 day 12:00:00"),
        ("date", "2 weeks", "14 days"),
        ("bigint", "1000000", "1000000"),
        ("int", "10", "10"),
        ("smallint", " 10 ", "10"),
    ],
)
def test_chunk_time_interval(nodes, time_type, interval, shown):
    nodes.query(f"CREATE TABLE conditions (time {time_type} NOT NULL, device int NOT NULL)")
    assert nodes.converge(HYPERTABLE, chunk_time_interval=interval, **CONDITIONS)["after"][0]["chunk_time_interval"] == shown


@pytest.mark.parametrize("time_type, interval, shown", [("timestamptz", "1 month", "30 days"), ("bigint", "1000000", "1000000"), ("date", "1 day", "1 day")])
def test_chunk_time_interval_with_a_definition(nodes, time_type, interval, shown):
    definition = f"time {time_type} NOT NULL, device int NOT NULL"
    assert nodes.converge(HYPERTABLE, definition=definition, chunk_time_interval=interval, **CONDITIONS)["after"][0]["chunk_time_interval"] == shown


@pytest.mark.parametrize(
    "time_type, interval, cause",
    [
        ("timestamptz", "often", 'chunk_time_interval "often" is no interval'),
        ("timestamptz", "0", "is not positive"),
        ("timestamptz", "0 days", "is not positive"),
        ("timestamptz", "-1 day", "is not positive"),
        ("bigint", "0", "is not positive"),
        ("bigint", "1 day", "is not an integer"),
        ("bigint", None, "which has no default interval"),
        ("int", "99999999999", "is out of range"),
        ("smallint", "40000", "is out of range"),
        ("date", "36 hours", "is not a whole number of days"),
        ("date", "1000", "is not a whole number of days"),
        ("timestamptz", "99999999999999999999", "too long for one"),
        ("timestamptz", "300000 years", "too long for one"),
    ],
)
def test_chunk_time_interval_that_is_refused(nodes, time_type, interval, cause):
    nodes.query(f"CREATE TABLE conditions (time {time_type} NOT NULL, device int NOT NULL)")
    options = {} if interval is None else {"chunk_time_interval": interval}
    nodes.refuse(HYPERTABLE, cause, **options, **CONDITIONS)


def test_create_default_indexes_false_keeps_hands_off(table):
    table.converge(HYPERTABLE, create_default_indexes=False, **CONDITIONS)
    assert not table.table("conditions")["indexes"]
    assert actions(table.converge(HYPERTABLE, **CONDITIONS)) == ["create index", "create index"]
    table.unchanged(HYPERTABLE, create_default_indexes=False, **CONDITIONS)


def test_index_that_is_there_counts_as_default(nodes):
    nodes.query("CREATE TABLE conditions (time timestamptz NOT NULL, device int NOT NULL, PRIMARY KEY (device, time))")
    nodes.converge(HYPERTABLE, **CONDITIONS)
    assert sorted(nodes.table("conditions")["indexes"]) == [["device", "time"], ["time"]]


def test_partial_index_counts_as_default_as_it_does_for_the_server(nodes):
    nodes.query("CREATE TABLE conditions (time timestamptz NOT NULL, device int NOT NULL)")
    nodes.query("CREATE INDEX ON conditions (time) WHERE device > 1")
    nodes.converge(HYPERTABLE, **CONDITIONS)
    assert sorted(nodes.table("conditions")["indexes"]) == [["device", "time"], ["time"]]


def test_several_tables_in_one_call(nodes):
    tables = [dict(CONDITIONS, definition=COLUMNS), dict(CONDITIONS, relation="events", definition=COLUMNS, number_partitions=6)]
    result = nodes.converge(HYPERTABLE, hypertables=tables)
    assert [table["relation"] for table in result["after"]] == ["conditions", "events"]
    assert [table["number_partitions"] for table in result["after"]] == [3, 6]


def test_as_a_role_without_superuser_rights(nodes):
    for name in ("dn1", "dn2"):
        nodes.query(f"GRANT USAGE ON FOREIGN SERVER {name} TO app")
    result = nodes.converge(HYPERTABLE, login_user="app", definition=COLUMNS, **CONDITIONS)
    assert result["after"][0]["data_nodes"] == ["dn1", "dn2"]
    nodes.refuse(HYPERTABLE, 'the role may not use data node "dn3"', login_user="app", data_nodes=["dn1", "dn2", "dn3"], **CONDITIONS)
