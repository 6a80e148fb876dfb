# GPL-3.0-or-later (see LICENSE)
"""What forbids to make a table a distributed hypertable, or to change one."""

from __future__ import annotations

import pytest
from _cluster import HYPERTABLE

COLUMNS = "time timestamptz NOT NULL, device int NOT NULL, other timestamptz"
CONDITIONS = dict(relation="conditions", time_column_name="time", partitioning_column="device")
ORDINARY = "it is not an ordinary, permanent table"


@pytest.mark.parametrize(
    "create, cause",
    [
        ("CREATE TABLE conditions ({columns}) PARTITION BY RANGE (time)", ORDINARY),
        ("CREATE UNLOGGED TABLE conditions ({columns})", ORDINARY),
        ("CREATE VIEW conditions AS SELECT now() AS time, 1 AS device", ORDINARY),
        ("CREATE MATERIALIZED VIEW conditions AS SELECT now() AS time, 1 AS device", ORDINARY),
        ("CREATE SEQUENCE conditions", ORDINARY),
        ("CREATE TABLE conditions ({columns}); INSERT INTO conditions VALUES (now(), 1)", "only an empty table can be distributed"),
        ("CREATE TABLE conditions (device int)", 'the table has no column "time"'),
        ("CREATE TABLE conditions (time timestamptz NOT NULL)", 'the table has no column "device"'),
        ("CREATE TABLE conditions (time text NOT NULL, device int)", 'its time column "time" is of type text'),
        ("CREATE TABLE parent ({columns}); CREATE TABLE conditions () INHERITS (parent)", "it inherits from another table"),
        ("CREATE TABLE conditions ({columns}, PRIMARY KEY (device))", "its unique index on (device) lacks time"),
        ("CREATE TABLE conditions ({columns}, EXCLUDE USING btree (device WITH =))", "its unique index on (device) lacks time"),
        ("CREATE TABLE conditions ({columns}, CONSTRAINT few CHECK (device < 9) NO INHERIT)", "CHECK constraints with NO INHERIT: few"),
        ("CREATE TABLE conditions (time date GENERATED ALWAYS AS (date '2020-01-01') STORED, device int)", 'its column "time" is generated'),
        ("CREATE TABLE conditions (time date NOT NULL, device int GENERATED ALWAYS AS (1) STORED)", 'its column "device" is generated'),
        ("CREATE TABLE conditions (time date NOT NULL, device json)", "is of type json, which has no hash function"),
        ("CREATE TABLE conditions ({columns}); CREATE RULE no AS ON DELETE TO conditions DO INSTEAD NOTHING", "it has rules: no"),
        ("CREATE TABLE conditions ({columns}); ALTER TABLE conditions ENABLE ROW LEVEL SECURITY", "it has row level security"),
        (
            "CREATE TABLE conditions ({columns}); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
            "CREATE TRIGGER seen AFTER INSERT ON conditions REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION f()",
            "it has triggers with transition tables: seen",
        ),
        ("SELECT 1", "the table does not exist"),
    ],
)
def test_table_that_cannot_be_distributed(nodes, create, cause):
    nodes.query(create.format(columns=COLUMNS))
    nodes.refuse(HYPERTABLE, 'distributed hypertable "public"."conditions"', cause, **CONDITIONS)


@pytest.mark.real_engine("create_hypertable()")
def test_hypertable_that_is_not_distributed(nodes):
    nodes.query(f"CREATE TABLE conditions ({COLUMNS}); SELECT create_hypertable('conditions', 'time')")
    nodes.refuse(HYPERTABLE, "it is a hypertable, but not a distributed one", **CONDITIONS)


def test_migrate_data_is_refused_with_its_own_reason(nodes):
    nodes.query(f"CREATE TABLE conditions ({COLUMNS}); INSERT INTO conditions VALUES (now(), 1)")
    nodes.refuse(HYPERTABLE, "no TimescaleDB release migrates data into a distributed hypertable", migrate_data=True, **CONDITIONS)


def test_temporary_table_is_not_seen(nodes):
    nodes.refuse(HYPERTABLE, 'names that begin with pg_ are PostgreSQL\'s own', schema="pg_temp", definition=COLUMNS, **CONDITIONS)


def test_missing_schema_without_the_right_to_create_it(nodes):
    nodes.query("GRANT USAGE ON FOREIGN SERVER dn1 TO app")
    cause = 'schema "nowhere" does not exist, and the role may not create it'
    nodes.refuse(HYPERTABLE, cause, schema="nowhere", definition=COLUMNS, login_user="app", **CONDITIONS)


def test_missing_schema_and_no_definition(nodes):
    nodes.refuse(HYPERTABLE, "the table does not exist", schema="nowhere", **CONDITIONS)


def test_schema_without_the_right_to_create(nodes):
    nodes.query("CREATE SCHEMA closed; GRANT USAGE ON FOREIGN SERVER dn1 TO app")
    nodes.refuse(HYPERTABLE, 'may not create tables in schema "closed"', schema="closed", definition=COLUMNS, login_user="app", **CONDITIONS)


def test_table_of_somebody_else(nodes):
    nodes.query(f"CREATE TABLE conditions ({COLUMNS}); GRANT USAGE ON FOREIGN SERVER dn1 TO app")
    nodes.refuse(HYPERTABLE, "the role does not own the table", login_user="app", **CONDITIONS)


def test_hypertable_of_somebody_else(nodes):
    nodes.distribute("conditions")
    nodes.refuse(HYPERTABLE, "the role does not own it", login_user="app", chunk_time_interval="1 day", **CONDITIONS)


def test_part_on_a_data_node(nodes):
    nodes.distribute("conditions")
    nodes.refuse(HYPERTABLE, "is itself a data node", login_port=nodes.dn("dn1").port, **CONDITIONS)


def test_no_data_nodes(cluster):
    cluster.refuse(HYPERTABLE, "there are no data nodes that the role may use", definition=COLUMNS, **CONDITIONS)


def test_missing_data_node(nodes):
    nodes.refuse(HYPERTABLE, 'data node "dn9" is not registered', definition=COLUMNS, data_nodes=["dn1", "dn9"], **CONDITIONS)


def test_missing_data_node_to_attach(nodes):
    nodes.distribute("conditions")
    nodes.refuse(HYPERTABLE, 'data node "dn9" is not registered', data_nodes=["dn1", "dn2", "dn3", "dn9"], **CONDITIONS)


def test_unavailable_data_node(nodes):
    nodes.query("SELECT alter_data_node('dn2', available => false)")
    nodes.refuse(HYPERTABLE, 'data node "dn2" is marked unavailable', definition=COLUMNS, data_nodes=["dn1", "dn2"], **CONDITIONS)


@pytest.mark.parametrize(
    "options, cause",
    [
        (dict(replication_factor=4), "replication_factor 4 needs as many data nodes, and there are 3"),
        (dict(replication_factor=2, data_nodes=["dn1"]), "replication_factor 2 needs as many data nodes, and there are 1"),
        (dict(replication_factor=0), "replication_factor is 0"),
        (dict(number_partitions=0), "choose a number between 1 and 32767"),
        (dict(number_partitions=32768), "choose a number between 1 and 32767"),
        (dict(data_nodes=[]), "data_nodes is empty"),
        (dict(data_nodes=["dn1", "dn1"]), "names a node twice"),
        (dict(relation="t" * 64), "is not 1 to 63 bytes long"),
        (dict(partitioning_column="time"), "is both time column and partitioning column"),
    ],
)
@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_option_that_cannot_be(nodes, there, options, cause):
    if there:
        nodes.distribute("conditions")
    nodes.refuse(HYPERTABLE, cause, **{**CONDITIONS, "definition": COLUMNS, **options})


def test_partitions_without_column(nodes):
    nodes.refuse(HYPERTABLE, "number_partitions is given without partitioning_column", relation="conditions", time_column_name="time", number_partitions=3)


def test_one_table_twice(nodes):
    nodes.refuse(HYPERTABLE, "it is listed 2 times", hypertables=[CONDITIONS, CONDITIONS])


def test_time_column_is_fixed(nodes):
    nodes.distribute("conditions", columns=COLUMNS)
    message = nodes.refuse(HYPERTABLE, 'its time column is "time", wanted "other"', **dict(CONDITIONS, time_column_name="other"))
    assert "TimescaleDB cannot change that" in message


@pytest.mark.parametrize("options, found", [(", 'device'", '"device"'), ("", "none")])
def test_partitioning_column_is_fixed(nodes, options, found):
    nodes.distribute("conditions", columns=COLUMNS, options=options)
    nodes.refuse(HYPERTABLE, f'its partitioning column is {found}, wanted "other"', **dict(CONDITIONS, partitioning_column="other"))


def test_all_findings_in_one_message(nodes):
    tables = [dict(CONDITIONS, relation="first"), dict(CONDITIONS, relation="second", definition=COLUMNS, data_nodes=["dn9"])]
    nodes.refuse(HYPERTABLE, '"public"."first" at ', "the table does not exist", 'data node "dn9" is not registered', hypertables=tables)
