# GPL-3.0-or-later (see LICENSE)
"""Definitions of tables that are not there: what is wrong with them is told before anything is changed."""

from __future__ import annotations

import pytest
from _cluster import CLUSTER, HYPERTABLE

COLUMNS = "time timestamptz NOT NULL, device int NOT NULL"
CONDITIONS = dict(relation="conditions", time_column_name="time", partitioning_column="device")
SUBJECT = 'distributed hypertable "public"."conditions"'


@pytest.mark.parametrize(
    "definition, cause",
    [
        ("time timestamptz NOT NULL, device nonsense", 'its definition is refused: type "nonsense" does not exist'),
        (f"{COLUMNS}, device", 'its definition is refused: syntax error at or near ")"'),
        (f"{COLUMNS}, device int", 'its definition is refused: column "device" specified more than once'),
        ("LIKE nowhere", 'its definition is refused: relation "nowhere" does not exist'),
        ("at timestamptz NOT NULL, device int", 'the table has no column "time"'),
        ("time timestamptz NOT NULL", 'the table has no column "device"'),
        ("time text NOT NULL, device int", 'its time column "time" is of type text'),
        ("time bigint NOT NULL, device int", "which has no default interval"),
        (f"{COLUMNS}, PRIMARY KEY (device)", "its unique index on (device) lacks time"),
        (f"{COLUMNS}, UNIQUE (time)", "its unique index on (time) lacks device"),
        (f"{COLUMNS}) PARTITION BY RANGE (time", "its definition does not make an ordinary table"),
        ("LIKE other", "its unique index on (time) lacks device"),
    ],
)
def test_definition_that_makes_no_distributed_hypertable(nodes, definition, cause):
    nodes.query(f"CREATE TABLE other ({COLUMNS}, UNIQUE (time))")
    nodes.refuse(HYPERTABLE, cause, **dict(CONDITIONS, definition=definition.replace("LIKE other", "LIKE other INCLUDING ALL")))


@pytest.mark.parametrize("interval, cause", [("1 day", 'chunk_time_interval "1 day" is not an integer'), ("99999999999", "out of range")])
def test_interval_that_the_column_of_a_definition_cannot_have(nodes, interval, cause):
    definition = "time int NOT NULL, device int NOT NULL"
    nodes.refuse(HYPERTABLE, cause, **dict(CONDITIONS, definition=definition, chunk_time_interval=interval))


@pytest.mark.parametrize("column_type, shown", [("timestamptz", "00:01:00"), ("bigint", "60000000")])
def test_plain_number_as_the_interval_is_shown_in_the_units_of_the_column(nodes, column_type, shown):
    definition = f"time {column_type} NOT NULL, device int"
    result = nodes.converge(HYPERTABLE, **dict(CONDITIONS, definition=definition, chunk_time_interval="60000000"))
    assert result["after"][0]["chunk_time_interval"] == shown


def test_nothing_is_left_of_the_trial(nodes):
    before = nodes.tables(), nodes.query("SELECT nspname FROM pg_namespace ORDER BY 1"), nodes.query("SELECT relname FROM pg_class ORDER BY 1")
    result = nodes.succeed(HYPERTABLE, check=True, **dict(CONDITIONS, schema="new", definition=f"{COLUMNS}, id serial, UNIQUE (time, device)"))
    assert result["changed"] is True
    assert before == (nodes.tables(), nodes.query("SELECT nspname FROM pg_namespace ORDER BY 1"), nodes.query("SELECT relname FROM pg_class ORDER BY 1"))


def test_role_that_may_create_tables_and_no_schemas(nodes):
    nodes.query("CREATE SCHEMA s; GRANT CREATE, USAGE ON SCHEMA s TO app; GRANT USAGE ON FOREIGN SERVER dn1 TO app")
    nodes.refuse(HYPERTABLE, "has no column", login_user="app", **dict(CONDITIONS, schema="s", definition="time date NOT NULL"))


def test_definitions_are_made_in_the_order_in_which_they_need_each_other(nodes):
    tables = [
        dict(CONDITIONS, relation="third", definition="LIKE second INCLUDING ALL"),
        dict(CONDITIONS, relation="second", definition="LIKE first INCLUDING ALL"),
        dict(CONDITIONS, relation="first", definition=f"{COLUMNS}, UNIQUE (time, device)"),
    ]
    result = nodes.converge(HYPERTABLE, hypertables=tables)
    assert [table["relation"] for table in result["after"]] == ["third", "second", "first"]
    assert [step["object"] for step in result["steps"] if step["action"] == "create table"] == [
        f'distributed hypertable "public"."{name}"' for name in ("first", "second", "third")
    ]


def test_one_wrong_definition_keeps_the_rest_from_beginning(nodes):
    """Each is told; the one that names the wrong one as well."""
    tables = [
        dict(CONDITIONS, relation="good", definition=COLUMNS),
        dict(CONDITIONS, relation="like_bad", definition="LIKE bad"),
        dict(CONDITIONS, relation="bad", definition="time timestamptz, device nonsense"),
    ]
    message = nodes.refuse(HYPERTABLE, 'type "nonsense" does not exist', hypertables=tables)
    assert 'relation "bad" does not exist' in message and '"good"' not in message


def test_data_nodes_are_not_added_before_a_definition_is_known_to_be_right(cluster):
    declared = dict(data_nodes=[cluster.place("dn1")], hypertables=[dict(CONDITIONS, definition="at timestamptz NOT NULL, device int")])
    for check in (True, False):
        result = cluster.run(CLUSTER, check, **declared)
        assert result["failed"] and result["msg"].startswith(f"{SUBJECT} at ") and 'the table has no column "time"' in result["msg"]
        assert cluster.nodes() == {}


def test_definition_with_a_type_of_an_extension_of_the_same_task(roles):
    """It cannot be tried before that is there."""
    declared = dict(
        extensions=[dict(name="hstore")],
        hypertables=[dict(CONDITIONS, definition=f"{COLUMNS}, more hstore")],
    )
    roles.cluster.succeed(CLUSTER, check=True, **declared)
    roles.cluster.succeed(CLUSTER, **declared)
    assert roles.cluster.succeed(CLUSTER, **declared)["changed"] is False
    declared["hypertables"].append(dict(CONDITIONS, relation="wrong", definition=f"{COLUMNS}, more hstor"))
    roles.cluster.refuse(CLUSTER, 'type "hstor" does not exist', **declared)


def test_table_that_a_definition_refers_to_is_locked(nodes):
    """The trial gives up, the run may wait for it."""
    nodes.query("CREATE TABLE other (id int PRIMARY KEY)")
    with nodes.an.connection(nodes.database) as holder:
        holder.cursor().execute("BEGIN; LOCK TABLE other IN ACCESS EXCLUSIVE MODE")
        result = nodes.succeed(HYPERTABLE, check=True, **dict(CONDITIONS, definition="time date, device int REFERENCES other"))
    assert [step["action"] for step in result["steps"]] == ["create table", "create"]


@pytest.mark.parametrize("there", [False, True], ids=["definition", "table"])
def test_types_and_tables_that_data_nodes_lack(nodes, there):
    """TimescaleDB sends the table to data nodes, and nothing that it is made of."""
    make = 'CREATE TYPE "My mood" AS ENUM (\'fine\'); CREATE DOMAIN share AS float8; CREATE TABLE places (id int PRIMARY KEY)'
    definition = f'{COLUMNS}, mood "My mood", moods "My mood"[], part share, place int REFERENCES places'
    nodes.query(make)
    nodes.dn("dn2").query(nodes.database, make.replace("float8", "int"))
    if there:
        nodes.query(f"CREATE TABLE conditions ({definition})")
    wanted = CONDITIONS if there else dict(CONDITIONS, definition=definition)
    causes = [f"it needs the {what}, which is not on dn1, dn3" for what in ('type public."My mood"', "type public.share", "table public.places")]
    message = nodes.refuse(HYPERTABLE, *causes, **wanted)
    assert len(message.splitlines()) == len(causes)
    for name in ("dn1", "dn3"):
        nodes.dn(name).query(nodes.database, make)
    assert nodes.converge(HYPERTABLE, **wanted)["changed"] is True
