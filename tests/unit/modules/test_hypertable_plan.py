# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

from dataclasses import replace

import pytest
from _build import SPACE, TIME, access_node, data_node, distributed_table, holding, missing_table, plain_table, shape, table_parameters
from ansible_collections.timescaledb.multinode.plugins.module_utils._definition_trial import Trial
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_plan import leaving_nodes, plan_hypertables
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan
from ansible_collections.timescaledb.multinode.plugins.module_utils._table_shape import Column
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import wanted_hypertables

DAY = 86_400_000_000
KEY = ("public", "conditions")
BY_DEVICE = dict(partitioning_column="device")


def plan(found, nodes="dn1 dn2", interval=DAY, held=None, an=None, **options) -> Plan:
    wanted = wanted_hypertables([table_parameters(**options)])
    intervals = {text: interval for text in [options.get("chunk_time_interval")] if text is not None}
    return plan_hypertables(wanted, an or access_node(*nodes.split()), {KEY: found}, intervals, [held] if held else [])


def refusal(*arguments, **more) -> str:
    with pytest.raises(ClusterError) as raised:
        plan(*arguments, **more)
    return str(raised.value)


def actions(made: Plan) -> list[str]:
    return [step.action for step in made.steps]


def after(made: Plan) -> dict:
    (state,) = made.after["hypertables"]
    return state


def with_space(**more):
    return (TIME, replace(SPACE, **more))


# Schemas


def plan_in_schema(*tables, schema="s t", **options) -> Plan:
    names = [f"t{number}" for number in range(len(tables))]
    wanted = [table for name in names for table in wanted_hypertables([table_parameters(schema=schema, relation=name, **options)])]
    found = dict(zip([(schema, name) for name in names], tables))
    return plan_hypertables(wanted, access_node("dn1", "dn2"), found, {}, [])


def test_schema_is_created_here_and_on_data_nodes_before_the_table():
    made = plan_in_schema(missing_table(schema_exists=False), definition="time timestamptz NOT NULL")
    assert actions(made) == ["create schema", "create schema", "create table", "create"]
    assert made.steps[0].statement.identifiers == {"name": "s t"}
    assert made.steps[1].statement.values == ("s t", "s t", ["dn1", "dn2"])


def test_schema_of_two_tables_is_created_once():
    made = plan_in_schema(missing_table(schema_exists=False), missing_table(schema_exists=False), definition="time timestamptz NOT NULL")
    assert actions(made) == ["create schema", "create schema", "create table", "create", "create table", "create"]


def test_what_makes_new_hypertables_shares_a_transaction():
    made = plan_in_schema(missing_table(schema_exists=False), missing_table(schema_exists=False), definition="time timestamptz NOT NULL")
    assert [step.together for step in made.steps] == [True, False, True, True, True, True]


def test_schema_is_created_on_the_data_nodes_that_may_lack_it():
    made = plan_in_schema(plain_table(nodes_with_schema=("dn1", "dn9")))
    assert actions(made) == ["create schema", "create"]
    assert made.steps[0].statement.values[-1] == ["dn2"]
    assert actions(plan_in_schema(plain_table(nodes_with_schema=("dn1", "dn2")))) == ["create"]
    assert actions(plan_in_schema(plain_table(), schema="public")) == ["create"]


def test_schema_of_postgresql_is_not_created():
    with pytest.raises(ClusterError, match="names that begin with pg_"):
        plan_in_schema(missing_table(schema_exists=False), schema="pg_temp", definition="x")


def test_schema_is_created_on_a_new_data_node():
    made = plan_in_schema(distributed_table(data_nodes=("dn1",), nodes_with_schema=("dn1",)), data_nodes=["dn1", "dn2"])
    assert actions(made)[:2] == ["create schema", "attach"]
    assert made.steps[0].statement.values[-1] == ["dn2"]


# Creation


def test_create_says_only_what_is_wanted():
    (step,) = plan(plain_table()).steps
    assert step.statement.template == "SELECT * FROM {schema}.create_distributed_hypertable(format('%%I.%%I', %s, %s)::regclass, %s)"
    assert step.statement.values == ("public", "conditions", "time")


def test_create_with_everything():
    options = dict(BY_DEVICE, number_partitions=8, chunk_time_interval="1 day", replication_factor=2, data_nodes=["dn2", "dn1"], create_default_indexes=False)
    made = plan(plain_table(), **options)
    (step,) = made.steps
    assert step.statement.template.partition("%s)::regclass, ")[2] == (
        "%s, partitioning_column => %s, number_partitions => %s, chunk_time_interval => %s::interval, "
        "create_default_indexes => %s, replication_factor => %s, data_nodes => %s::name[])"
    )
    assert step.statement.values == ("public", "conditions", "time", "device", 8, "1 day", False, 2, ["dn2", "dn1"])
    assert made.before["hypertables"] == []
    assert after(made) == dict(
        schema="public",
        relation="conditions",
        time_column_name="time",
        partitioning_column="device",
        number_partitions=8,
        chunk_time_interval="1 day",
        replication_factor=2,
        data_nodes=["dn1", "dn2"],
    )


def test_predicted_defaults():
    state = after(plan(plain_table(), **BY_DEVICE))
    assert (state["number_partitions"], state["chunk_time_interval"], state["replication_factor"]) == (2, "7 days", 1)
    assert (state["data_nodes"], state["default_indexes"]) == (["dn1", "dn2"], True)


@pytest.mark.parametrize("setting, factor", [("2", 2), ("", 1)])
def test_default_of_the_replication_factor(setting, factor):
    an = access_node("dn1", "dn2", settings={"timescaledb.hypertable_replication_factor_default": setting})
    assert after(plan(plain_table(), an=an))["replication_factor"] == factor


def test_nodes_of_others_are_left_out_by_default():
    assert after(plan(plain_table(), an=access_node("dn1", data_node("dn2", may_use=False))))["data_nodes"] == ["dn1"]


def test_definition():
    made = plan(missing_table(), definition="time timestamptz, CHECK (note <> '{}' AND 5 % 2 = 1)")
    assert actions(made) == ["create table", "create"]
    template = made.steps[0].statement.template
    assert template.format(relation_schema='"s"', relation='"t"') == 'CREATE TABLE "s"."t" (time timestamptz, CHECK (note <> \'{}\' AND 5 % 2 = 1))'
    assert made.steps[0].statement.values == ()


def test_definition_of_a_table_that_is_there():
    assert actions(plan(plain_table(), definition="anything")) == ["create"]


@pytest.mark.parametrize("interval, text, column_type, shown", [(5, "5", "bigint", "5"), (DAY, "1 day", "date", "1 day"), (DAY, str(DAY), "date", "1 day")])
def test_predicted_interval(interval, text, column_type, shown):
    found = plain_table(columns={"time": column_type})
    assert after(plan(found, interval=interval, chunk_time_interval=text))["chunk_time_interval"] == shown


@pytest.mark.parametrize("text, placeholder, value", [("1 day", "%s::interval", "1 day"), (" 5 ", "%s::bigint", 5)])
def test_interval_argument(text, placeholder, value):
    (step,) = plan(plain_table(), chunk_time_interval=text).steps
    assert f"chunk_time_interval => {placeholder}" in step.statement.template
    assert step.statement.values[-1] == value


@pytest.mark.parametrize(
    "found, options, word",
    [
        (missing_table(), {}, "the table does not exist"),
        (missing_table(schema_exists=False, may_create_schema=False), dict(definition="x"), 'schema "public" does not exist, and the role may not create'),
        (missing_table(schema_exists=False), {}, "the table does not exist"),
        (missing_table(may_create=False), dict(definition="x"), "may not create tables"),
        (plain_table(kind="p"), {}, "not an ordinary, permanent table"),
        (plain_table(kind="v"), {}, "not an ordinary, permanent table"),
        (plain_table(persistence="u"), {}, "not an ordinary, permanent table"),
        (plain_table(persistence="t"), {}, "not an ordinary, permanent table"),
        (plain_table(may_change=False), {}, "does not own the table"),
        (plain_table(has_rows=True), {}, "only an empty table can be distributed"),
        (plain_table(has_rows=True), dict(migrate_data=True), "no TimescaleDB release migrates"),
        (plain_table(inherits=True), {}, "inherits"),
        (plain_table(unique_indexes=(("id", "time"),)), BY_DEVICE, "its unique index on (id, time) lacks device"),
        (plain_table(columns={"device": "integer"}), {}, 'no column "time"'),
        (plain_table(columns={"time": Column("date", generated=True)}), {}, 'its column "time" is generated'),
        (plain_table(columns={"time": "date", "device": Column("integer", generated=True)}), BY_DEVICE, 'its column "device" is generated'),
        (plain_table(columns={"time": "date", "device": Column("json", hashable=False)}), BY_DEVICE, "of type json, which has no hash function"),
        (plain_table(not_inherited=("a", "b")), {}, "CHECK constraints with NO INHERIT: a, b"),
        (plain_table(rules=("r",)), {}, "it has rules: r"),
        (plain_table(transition_triggers=("t",)), {}, "triggers with transition tables: t"),
        (plain_table(row_security=True), {}, "row level security"),
        (missing_table(trial=Trial(0, shape(columns={"at": "date"}))), dict(definition="at date"), 'the table has no column "time"'),
        (missing_table(trial=Trial(0, shape(columns={"time": "bigint"}))), dict(definition="time bigint"), "no default interval"),
        (missing_table(trial=Trial(0, shape(kind="p"))), dict(definition="x"), "does not make an ordinary table"),
        (missing_table(trial=Trial(error=ClusterError("t", "no such type"))), dict(definition="x"), "its definition is refused: no such type"),
        (plain_table(), dict(partitioning_column="nope"), 'no column "nope"'),
        (plain_table(columns={"time": "text"}), {}, "is of type text"),
        (plain_table(columns={"time": "bigint"}), {}, "no default interval"),
        (plain_table(), dict(replication_factor=3), "needs as many data nodes, and there are 2"),
        (plain_table(), dict(data_nodes=["dn1", "dn9"]), '"dn9" is not registered'),
        (plain_table(), dict(relation='a"b'), "double quote"),
        (plain_table(hypertable_id=3), {}, "but not a distributed one"),
        (distributed_table(replication_factor=-1), {}, "data node's part"),
    ],
)
def test_refused(found, options, word):
    wanted = table_parameters(**options)
    with pytest.raises(ClusterError) as raised:
        plan_hypertables(wanted_hypertables([wanted]), access_node("dn1", "dn2"), {(wanted["schema"], wanted["relation"]): found}, {}, [])
    assert word in str(raised.value) and len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "interval, text, column_type, word",
    [
        (0, "0", "bigint", "is not positive"),
        (-DAY, "-1 day", "date", "is not positive"),
        (DAY, "1 day", "bigint", "is not an integer"),
        (DAY, "1 day", "smallint", "is not an integer"),
        (DAY // 2, "12 hours", "date", "not a whole number of days"),
        (32768, "32768", "smallint", "out of range"),
        (2**31, str(2**31), "integer", "out of range"),
    ],
)
@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_interval_refused(there, interval, text, column_type, word):
    columns = {"time": column_type}
    found = distributed_table("dn1", "dn2", dimensions=(replace(TIME, type=column_type),), columns=columns) if there else plain_table(columns=columns)
    assert word in refusal(found, interval=interval, chunk_time_interval=text)


def test_columns_that_nothing_is_made_by_may_be_anything():
    columns = {"time": "date", "device": "integer", "more": Column("json", hashable=False), "twice": Column("integer", generated=True)}
    assert plan(plain_table(columns=columns), **BY_DEVICE).steps


def test_interval_of_a_definition_is_judged_by_its_column():
    found = missing_table(trial=Trial(0, shape(columns={"time": "timestamp with time zone"})))
    assert after(plan(found, interval=DAY, definition="x", chunk_time_interval=str(DAY)))["chunk_time_interval"] == "1 day"


def test_definition_that_could_not_be_tried():
    """As where it needs an extension that the same task makes."""
    assert actions(plan(missing_table(trial=None), definition="x")) == ["create table", "create"]


@pytest.mark.parametrize("declared", [("a", "b"), ("b", "a")])
def test_definition_that_names_another_new_table(declared):
    """The trial found b before a; results are shown as declared."""
    wanted = [table_parameters(relation=name, definition="x") for name in declared]
    tables = {("public", name): missing_table(trial=Trial(turn, shape())) for turn, name in enumerate("ba")}
    made = plan_hypertables(wanted_hypertables(wanted), access_node("dn1", "dn2"), tables, {}, [])
    assert [step.subject for step in made.steps] == [f'distributed hypertable "public"."{name}"' for name in "bbaa"]
    assert [table["relation"] for table in made.after["hypertables"]] == list(declared)


@pytest.mark.parametrize("interval, column_type", [(32767, "smallint"), (2**31 - 1, "integer"), (1, "bigint")])
def test_interval_at_the_border(interval, column_type):
    assert plan(plain_table(columns={"time": column_type}), interval=interval, chunk_time_interval=str(interval)).steps


def test_no_data_nodes():
    assert "there are no data nodes" in refusal(plain_table(), nodes="")


@pytest.mark.parametrize("node, word", [(data_node("dn2", may_use=False), "may not use"), (data_node("dn2", available=False), "marked unavailable")])
@pytest.mark.parametrize("found", [plain_table(), distributed_table("dn1")], ids=["new", "there"])
def test_data_node_that_cannot_be_used(found, node, word):
    assert word in refusal(found, an=access_node("dn1", node), data_nodes=["dn1", "dn2"])


def test_data_node_that_is_attached_already_may_be_unavailable():
    assert plan(distributed_table("dn1", "dn2"), an=access_node("dn1", data_node("dn2", available=False)), data_nodes=["dn1", "dn2"]).steps == []


# Drift


def test_equal():
    made = plan(distributed_table("dn1", "dn2"), data_nodes=["dn2", "dn1"], number_partitions=2, replication_factor=1, **BY_DEVICE)
    assert made.steps == made.warnings == [] and made.before["hypertables"] == made.after["hypertables"]


@pytest.mark.parametrize(
    "options, sql, shown",
    [
        (
            dict(chunk_time_interval="1 day"),
            "{schema}.set_chunk_time_interval(format('%%I.%%I', %s, %s)::regclass, %s::interval, dimension_name => %s)",
            "1 day",
        ),
        (dict(number_partitions=5, **BY_DEVICE), "{schema}.set_number_partitions(format('%%I.%%I', %s, %s)::regclass, %s, dimension_name => %s)", 5),
        (dict(replication_factor=2), "{schema}.set_replication_factor(format('%%I.%%I', %s, %s)::regclass, %s)", 2),
    ],
)
def test_set(options, sql, shown):
    made = plan(distributed_table("dn1", "dn2"), **options)
    (step,) = made.steps
    assert step.statement.template == f"SELECT {sql}"
    assert after(made)[next(iter(options))] == shown


def test_factor_and_chunks_that_are_there():
    assert plan(distributed_table("dn1", "dn2"), replication_factor=2).warnings == []
    (warning,) = plan(distributed_table("dn1", "dn2", has_chunks=True), replication_factor=2).warnings
    assert "only new chunks will have replication factor 2" in warning
    assert plan(distributed_table("dn1", "dn2", has_chunks=True, replication_factor=2), replication_factor=1).warnings == []


@pytest.mark.parametrize("partitions, repartition, then", [(2, True, 3), (2, False, 2), (8, True, 8)])
def test_attach(partitions, repartition, then):
    made = plan(
        distributed_table("dn1", "dn2", dimensions=with_space(partitions=partitions)), "dn1 dn2 dn3", data_nodes=["dn1", "dn2", "dn3"], repartition=repartition
    )
    assert actions(made) == ["attach"]
    assert after(made)["number_partitions"] == then
    assert after(made)["data_nodes"] == ["dn1", "dn2", "dn3"]


@pytest.mark.parametrize("partitions, repartition, then", [(3, True, 2), (3, False, 3), (8, True, 2), (1, True, 1)])
def test_detach(partitions, repartition, then):
    found = distributed_table("dn1", "dn2", "dn3", dimensions=with_space(partitions=partitions))
    made = plan(found, "dn1 dn2 dn3", held=holding(), data_nodes=["dn1", "dn2"], repartition=repartition, drop_remote_data=True)
    (step,) = made.steps
    assert step.statement.values == ("dn3", "public", "conditions", False, repartition, True)
    assert after(made)["number_partitions"] == then
    assert after(made)["data_nodes"] == ["dn1", "dn2"]


def test_detach_the_only_copies():
    assert 'only "dn3" holds' in refusal(distributed_table("dn1", "dn2", "dn3"), "dn1 dn2 dn3", held=holding(("dn3", 1)), data_nodes=["dn1"], force=True)


def test_an_attached_node_counts_before_another_is_detached():
    found = distributed_table("dn1", "dn2", replication_factor=2)
    held = holding(attached="dn1 dn2", replication_factor=2)
    made = plan(found, "dn1 dn2 dn3", held=held, data_nodes=["dn1", "dn3"])
    assert actions(made) == ["attach", "detach"]


def test_a_lowered_factor_counts_before_a_node_is_detached():
    found = distributed_table("dn1", "dn2", replication_factor=2)
    held = holding(attached="dn1 dn2", replication_factor=2)
    assert "has replication factor 2" in refusal(found, held=held, data_nodes=["dn1"])
    assert actions(plan(found, held=held, data_nodes=["dn1"], replication_factor=1)) == ["set", "detach"]


def test_order_of_all_steps():
    found = distributed_table("dn1", "dn2", indexes=())
    options = dict(BY_DEVICE, chunk_time_interval="1 day", number_partitions=9, replication_factor=2, data_nodes=["dn2", "dn3"])
    made = plan(found, "dn1 dn2 dn3", held=holding(attached="dn1 dn2"), **options)
    assert [step.statement.template.partition(".")[2].partition("(")[0] for step in made.steps[:5]] == [
        "set_chunk_time_interval",
        "attach_data_node",
        "detach_data_node",
        "set_replication_factor",
        "set_number_partitions",
    ]
    assert actions(made)[5:] == ["create index", "create index"]
    assert after(made) == dict(
        schema="public",
        relation="conditions",
        time_column_name="time",
        partitioning_column="device",
        number_partitions=9,
        chunk_time_interval="1 day",
        replication_factor=2,
        data_nodes=["dn2", "dn3"],
        default_indexes=True,
    )


@pytest.mark.parametrize(
    "indexes, missing",
    [
        ((("time",), ("device", "time")), 0),
        ((("time",),), 1),
        ((("device", "time"),), 1),
        ((("time", "device"), ("device",)), 2),
    ],
)
def test_default_indexes(indexes, missing):
    made = plan(distributed_table("dn1", "dn2", indexes=indexes))
    assert actions(made) == ["create index"] * missing
    assert after(made)["default_indexes"] is True
    hands_off = plan(distributed_table("dn1", "dn2", indexes=indexes), create_default_indexes=False)
    assert hands_off.steps == [] and "default_indexes" not in after(hands_off)


def test_statement_of_an_index():
    (step,) = plan(distributed_table("dn1", "dn2", indexes=(("time",),))).steps
    assert step.statement.template == "CREATE INDEX ON {relation_schema}.{relation} ({space}, {time} DESC)"
    assert step.statement.identifiers == dict(relation_schema="public", relation="conditions", time="time", space="device")


@pytest.mark.parametrize(
    "found, options, word",
    [
        (distributed_table("dn1"), dict(time_column_name="other"), 'its time column is "time", wanted "other"'),
        (distributed_table("dn1"), dict(partitioning_column="other"), 'its partitioning column is "device", wanted "other"'),
        (distributed_table("dn1", dimensions=(TIME,)), BY_DEVICE, 'its partitioning column is none, wanted "device"'),
        (distributed_table("dn1", may_change=False), {}, "the role does not own it"),
    ],
)
def test_drift_that_cannot_be_helped(found, options, word):
    assert word in refusal(found, **options)


# Warnings


@pytest.mark.parametrize(
    "nodes, dimensions, word",
    [
        ("dn1 dn2", (TIME,), "no partitioning column, so that only one of its 2 data nodes"),
        ("dn1", (TIME,), None),
        ("dn1 dn2 dn3", with_space(partitions=2), "2 partitions on 3 data nodes, so that 1 stay without rows"),
        ("dn1 dn2", with_space(partitions=2), None),
    ],
)
def test_layouts_that_users_regret(nodes, dimensions, word):
    warnings = plan(distributed_table(*nodes.split(), dimensions=dimensions), nodes).warnings
    assert warnings == [] if word is None else len(warnings) == 1 and word in warnings[0]


# Several tables


def test_several_tables_and_their_errors():
    tables = {("public", name): plain_table() for name in ("a", "b")}
    wanted = wanted_hypertables([table_parameters(relation=name) for name in ("b", "a")])
    made = plan_hypertables(wanted, access_node("dn1"), tables, {}, [])
    assert [table["relation"] for table in made.after["hypertables"]] == ["b", "a"]
    tables = {key: missing_table() for key in tables}
    with pytest.raises(ClusterError) as raised:
        plan_hypertables(wanted, access_node("dn1"), tables, {}, [])
    assert len(str(raised.value).splitlines()) == 2


def test_leaving_nodes():
    tables = {("public", "a"): distributed_table("dn1", "dn2"), ("public", "b"): distributed_table("dn3"), ("public", "c"): distributed_table("dn4")}
    rows = [table_parameters(relation="a", data_nodes=["dn2"]), table_parameters(relation="b", data_nodes=["dn5"]), table_parameters(relation="c")]
    assert leaving_nodes(wanted_hypertables(rows), tables) == ["dn1", "dn3"]
