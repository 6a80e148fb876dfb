# GPL-3.0-or-later (see LICENSE)
"""An application's role: creates and fills distributed hypertables by its own login, and may do no more."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg2
import pytest

PASSWORD = "s3cret: of \\ app"
SCHEMA = "metrics"
CREATE = (
    f"CREATE TABLE {SCHEMA}.c (time timestamptz NOT NULL, device int NOT NULL)",
    f"SELECT create_distributed_hypertable('{SCHEMA}.c', 'time', 'device', replication_factor => 2)",
)
FILL = f"INSERT INTO {SCHEMA}.c SELECT '2026-01-01'::timestamptz + n * interval '1 min', n FROM generate_series(1, 90) n"


@pytest.fixture
def application(roles, passfile):
    """The role as its task makes it; data nodes and access node let it in by its password only."""
    passfile.write_text(passfile.read_text() + "*:*:*:application:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:") + "\n")
    roles.wanted = dict(
        schemas=[dict(name=SCHEMA), dict(name="other"), dict(name="public", public_privs=["USAGE"])],
        roles=[dict(name="application", password=PASSWORD, distributed_hypertables_in=[SCHEMA], exclusive=True)],
    )
    roles.converge(**roles.wanted)
    with ExitStack() as stack:
        for server in roles.servers.values():
            stack.enter_context(server.demanding_password("application"))
        yield roles


def run(roles, *statements: str) -> list[tuple]:
    """As the application logs in."""
    connection = psycopg2.connect(host="127.0.0.1", port=roles.an.port, dbname=roles.database, user="application", password=PASSWORD)
    connection.autocommit = True
    try:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_creates_fills_and_reads(application):
    assert run(application, *CREATE, FILL, f"SELECT count(*) FROM {SCHEMA}.c") == [(90,)]
    there = [application.on(node, f"SELECT count(*) FROM {SCHEMA}.c")[0][0] for node in ("dn1", "dn2", "dn3")]
    assert sum(there) == 180 and all(there)
    for node in application.servers:
        assert application.on(node, "SELECT relowner::regrole::text FROM pg_class WHERE oid = %s::regclass", f"{SCHEMA}.c") == [("application",)]
    application.unchanged(**application.wanted)


@pytest.mark.parametrize(
    "statement, error",
    [
        ("CREATE TABLE public.t (a int)", "permission denied for schema public"),
        ("CREATE TABLE other.t (a int)", "permission denied for schema other"),
        ("CREATE SCHEMA mine", "permission denied for database"),
        ("CREATE ROLE mine", "permission denied to create role"),
        ("CREATE DATABASE mine", "permission denied to create database"),
        ("SELECT add_data_node('dn9', host => '127.0.0.1', bootstrap => false)", "permission denied"),
        ("SELECT delete_data_node('dn1')", "permission denied for hypertable"),
        ("SELECT alter_data_node('dn1', host => 'elsewhere')", "must be owner of foreign server"),
        ("SELECT rolpassword FROM pg_authid", "permission denied for table pg_authid"),
        ("SELECT * FROM public.secret", "permission denied for table secret"),
        ("INSERT INTO public.measured VALUES ('2026-01-01', 1)", "permission denied for table measured"),
        ("SELECT * FROM public.measured", "permission denied for table measured"),
        ("GRANT USAGE ON SCHEMA metrics TO app", None),
    ],
)
def test_is_refused_what_it_was_not_given(application, statement, error):
    application.on("access node", "CREATE TABLE secret (a int)")
    application.cluster.distribute("measured")
    application.cluster.fill("measured", 10)
    if error is None:
        before = application.everything()
        run(application, statement)  # PostgreSQL only warns: no privileges were granted
        assert application.everything() == before
        return
    with pytest.raises(psycopg2.Error, match=error):
        run(application, statement)


@pytest.mark.parametrize(
    "lacking, error",
    [
        (dict(data_nodes=[]), "no data nodes can be assigned to the hypertable"),
        (dict(distributed_hypertables_in=[]), f"permission denied for schema {SCHEMA}"),
    ],
)
def test_each_part_of_what_it_has_is_needed(application, lacking, error):
    application.converge(roles=[dict(name="application", state="absent")])
    application.converge(roles=[dict(dict(application.wanted["roles"][0], login=True), **lacking)])
    with pytest.raises(psycopg2.Error, match=error):
        run(application, *CREATE)


@pytest.mark.real_engine("reading by a role that did not write")
def test_reader_needs_no_usage_of_data_nodes(application):
    """A login everywhere, and privileges on schema and tables: those that it has now, and those to come."""
    application.on("access node", "CREATE TABLE metrics.plain (a int)")
    reads = [
        dict(type="schema", objs=[SCHEMA], privs=["USAGE"]),
        dict(type="table", schema=SCHEMA, privs=["SELECT"]),
        dict(type="default_privs", target_roles=["application"], schema=SCHEMA, objs=["TABLES"], privs=["SELECT"]),
    ]
    application.converge(roles=[dict(name="reader", login=True, grants=reads, exclusive=True)])
    run(application, *CREATE, FILL)
    assert application.on("access node", f"SELECT count(*) FROM {SCHEMA}.c", user="reader") == [(90,)]
    with pytest.raises(psycopg2.Error, match="permission denied for table c"):
        application.on("access node", FILL, user="reader")
    application.unchanged(roles=[dict(name="reader", login=True, grants=reads, exclusive=True)])


@pytest.mark.real_engine("writing new chunks by a role that does not own the table")
def test_writer_needs_no_usage_of_data_nodes(application):
    run(application, *CREATE)
    schema = dict(type="schema", objs=[SCHEMA], privs=["USAGE"])
    application.converge(roles=[dict(name="writer", login=True, grants=[schema, dict(type="table", schema=SCHEMA, objs=["c"], privs=["INSERT"])])])
    application.on("access node", FILL, user="writer")
    assert run(application, f"SELECT count(*) FROM {SCHEMA}.c") == [(90,)]
    with pytest.raises(psycopg2.Error, match="permission denied for table c"):
        application.on("access node", f"SELECT count(*) FROM {SCHEMA}.c", user="writer")


def test_a_node_added_later_can_be_attached_once_the_role_is_there(application):
    run(application, *CREATE)
    application.cluster.register("dn4")
    application.servers["dn4"] = application.cluster.dn("dn4")
    with pytest.raises(psycopg2.Error, match=r"permission denied for foreign server|does not exist|password authentication failed"):
        run(application, f"SELECT attach_data_node('dn4', '{SCHEMA}.c')")
    application.converge(**application.wanted)
    run(application, f"SELECT attach_data_node('dn4', '{SCHEMA}.c')", FILL)
    assert application.on("dn4", "SELECT relowner::regrole::text FROM pg_class WHERE oid = %s::regclass", f"{SCHEMA}.c") == [("application",)]
    assert application.on("dn4", f"SELECT count(*) FROM {SCHEMA}.c")[0][0] > 0
    application.unchanged(**application.wanted)
