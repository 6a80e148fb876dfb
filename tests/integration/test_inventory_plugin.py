# GPL-3.0-or-later (see LICENSE)
"""A running cluster as an inventory."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from _cluster import CLUSTER, quoted
from _servers import PASSWORD, SECURED

COMMAND = Path(sys.executable).parent / "ansible-inventory"
GROUPS = ("timescale_access_node", "timescale_data_nodes")


@pytest.fixture
def inventory(cluster, tmp_path):
    """Reads the cluster's inventory; returns what ansible-inventory prints."""
    names = ("timescaledb.multinode", "community.postgresql")
    collections = [Path(importlib.import_module(f"ansible_collections.{name}").__path__[0]).parents[2] for name in names]

    def read(fails: bool = False, environment: dict[str, str] | None = None, output: Path | None = None, **options: object):
        source = tmp_path / "metrics.timescale_cluster.yml"
        settings = dict(plugin="timescaledb.multinode.timescale_cluster", access_node="an1", **cluster.login())
        source.write_text(yaml.safe_dump({key: value for key, value in dict(settings, **options).items() if value is not None}))
        more = dict(ANSIBLE_COLLECTIONS_PATH=":".join(map(str, collections)), ANSIBLE_HOME=str(tmp_path), ANSIBLE_INVENTORY_UNPARSED_FAILED="true")
        command = [COMMAND, "-i", source, "--list", "--export", *(["--yaml", "--output", output] if output else [])]
        done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **more, **(environment or {})), check=False)
        assert (done.returncode != 0) is fails, done.stderr
        if output:
            return yaml.safe_load(output.read_text())
        return done.stderr if fails else json.loads(done.stdout, object_hook=plain)

    return read


def plain(value: dict) -> object:
    """Text that is not a template, as newer releases of Ansible mark it."""
    return value.get("__ansible_unsafe", value)


def hosts(found: dict, group: str) -> dict[str, dict]:
    return {name: found["_meta"]["hostvars"].get(name, {}) for name in found[group]["hosts"]}


def test_groups_and_hosts(nodes, inventory):
    found = inventory(access_node_address="10.0.0.10")
    assert hosts(found, GROUPS[0]) == {"an1": dict(ansible_host="10.0.0.10", timescaledb_host_port=nodes.an.port)}
    assert hosts(found, GROUPS[1]) == {
        name: dict(ansible_host=host, timescaledb_host_port=port) for name, (host, port, _database, _available) in nodes.nodes().items()
    }


def test_variables_of_the_cluster(nodes, inventory):
    of_groups = [inventory()[group]["vars"] for group in GROUPS]
    assert of_groups[0] == of_groups[1]
    variables = of_groups[0]
    release = nodes.query("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")[0][0]
    assert variables["timescaledb_host_timescaledb_version"] == release
    assert variables["timescaledb_host_postgresql_version"] == 15
    assert (variables["timescaledb_host_locale"], variables["timescaledb_host_encoding"]) == ("C.UTF-8", "UTF8")
    assert (variables["timescaledb_database_name"], variables["timescaledb_database_role"]) == (nodes.database, "postgres")
    assert variables["timescaledb_host_data_directory"] == str(nodes.an.data)
    assert variables["timescaledb_host_listen_addresses"] == ["127.0.0.1"]
    assert variables["timescaledb_cluster_hypertables"] == []
    assert variables["timescaledb_cluster_analyze_interval"] == variables["timescaledb_cluster_heal_interval"] == ""
    assert not any("password" in name for name in variables)


def test_roles_of_the_passfile(roles, inventory, passfile):
    """Those that are there and have a line, by their names as libpq reads them."""
    odd = 'o:d\\d "Role"'
    roles.cluster.run("timescale_role", roles=[dict(name=name, login=True) for name in ("app", "other", odd)])
    escaped = odd.replace("\\", "\\\\").replace(":", "\\:")
    passfile.write_text(passfile.read_text() + f"h:1:d:{escaped}:s3cret\nh\\:1:1:d:app:pa:ss\n#h:1:d:other:s3cret\nh:1:d:nobody:s3cret\n")
    variables = inventory()[GROUPS[0]]["vars"]
    assert variables["timescaledb_host_node_roles"] == sorted(["app", odd, SECURED])
    assert "s3cret" not in str(variables)


def test_declaring_what_it_yields_changes_nothing(cluster, inventory):
    """Of everything that the cluster module declares; deploy is run in the scenarios."""
    for server, name in zip(("dn1", "dn2", "dn3"), ('Dn "1"', "ü" * 31, "d n")):
        cluster.query("SELECT add_data_node(%s, host => '127.0.0.1', port => %s, bootstrap => false)", name, cluster.dn(server).port)
        cluster.dn(server).query(cluster.database, f"CREATE SCHEMA {quoted('S 1')}")
    cluster.query(f"CREATE SCHEMA {quoted('S 1')}")
    cluster.distribute("plain", options="")
    cluster.distribute(quoted("S 1", "My Table"), options=", 'device', 7, replication_factor => 2, chunk_time_interval => interval '36 hours'")
    cluster.distribute("counted", "time bigint NOT NULL, device int NOT NULL", ", 'device', chunk_time_interval => 1000, create_default_indexes => false")
    cluster.distribute("few", options=", 'device', data_nodes => ARRAY['d n']")
    cluster.succeed(CLUSTER, heal_job=dict(schedule_interval="90 minutes"))
    found = inventory()
    variables = found[GROUPS[1]]["vars"]
    tables = variables["timescaledb_cluster_hypertables"]
    assert [table["relation"] for table in tables] == ["My Table", "counted", "few", "plain"]
    assert tables[1]["create_default_indexes"] is False and tables[2]["data_nodes"] == ["d n"]
    declared = [
        dict(node_name=name, host=host["ansible_host"], port=host["timescaledb_host_port"], database=cluster.database)
        for name, host in hosts(found, GROUPS[1]).items()
    ]
    intervals = [variables[f"timescaledb_cluster_{name}_interval"] for name in ("analyze", "heal")]
    assert intervals == ["", "01:30:00"]
    jobs = dict(analyze_job=dict(state="absent"), heal_job=dict(schedule_interval=intervals[1]))
    cluster.unchanged(CLUSTER, data_nodes=declared, hypertables=tables, prune=True, **jobs)
    assert len(declared) == 3


@pytest.mark.real_engine("delete_data_node() by force, and jobs")
def test_paused_job_and_a_hypertable_without_data_nodes_stay_as_they_are(nodes, inventory):
    nodes.distribute("conditions")
    nodes.query("SELECT delete_data_node(name, force => true) FROM unnest(ARRAY['dn1', 'dn2', 'dn3']) AS name")
    nodes.register("dn4")
    nodes.succeed(CLUSTER, analyze_job=dict(schedule_interval="6 hours"), heal_job=dict(schedule_interval="90 minutes"))
    nodes.query("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE proc_name = 'heal_data_nodes'")
    variables = inventory()[GROUPS[0]]["vars"]
    assert variables["timescaledb_cluster_heal_interval"] is None
    assert variables["timescaledb_cluster_analyze_interval"] == "06:00:00"
    nodes.unchanged(CLUSTER, hypertables=variables["timescaledb_cluster_hypertables"], prune=True, analyze_job=dict(schedule_interval="06:00:00"))


def test_export_is_an_inventory_of_its_own(nodes, inventory, tmp_path):
    """As README shows it: without marks of Ansible's own, and with the same variables."""
    nodes.distribute("plain")
    exported = inventory(output=tmp_path / "inventory.yml")["all"]["children"]
    found = inventory()
    for group in GROUPS:
        assert exported[group]["hosts"] == hosts(found, group)
        assert exported[group]["vars"] == found[group]["vars"]


def test_a_table_that_is_named_as_a_template_is_refused(nodes, inventory):
    name = "{{ lookup(_pipe_, _id_) }}"
    nodes.distribute(quoted(name))
    message = " ".join(inventory(fails=True).split())
    assert "would be a template in an inventory" in message and "lookup" in message
    nodes.query(f"DROP TABLE {quoted(name)}")
    assert inventory()[GROUPS[0]]["vars"]["timescaledb_cluster_hypertables"] == []


def test_a_table_with_fewer_nodes_than_its_factor_is_left_as_it_is(nodes, inventory):
    """After a data node was removed by force."""
    nodes.distribute("a", options=", 'device', replication_factor => 3")
    nodes.query("SELECT delete_data_node('dn3', force => true)")
    found = inventory()
    tables = found[GROUPS[1]]["vars"]["timescaledb_cluster_hypertables"]
    assert (tables[0]["replication_factor"], tables[0]["data_nodes"]) == (3, ["dn1", "dn2"])
    nodes.unchanged(CLUSTER, hypertables=tables, prune=False)
    nodes.refuse(CLUSTER, "needs as many data nodes", hypertables=[dict(tables[0], replication_factor=4)])


def test_names_of_ones_own(nodes, inventory):
    keyed = [dict(prefix="pg", key="timescaledb_host_postgresql_version | string")]
    found = inventory(host_names={"dn2": "db-7.example.org"}, compose={"ansible_user": "'me'"}, keyed_groups=keyed)
    told = hosts(found, GROUPS[1])
    assert set(told) == {"dn1", "db-7.example.org", "dn3"}
    assert told["db-7.example.org"]["timescaledb_cluster_node_name"] == "dn2" and "timescaledb_cluster_node_name" not in told["dn1"]
    assert all(host["ansible_user"] == "me" for host in told.values())
    assert len(found["pg_15"]["hosts"]) == 4


def test_settings_that_the_user_gave(nodes, inventory):
    folder = nodes.an.data / "conf.d"
    folder.mkdir()
    (folder / "timescaledb-multinode.conf").write_text(
        "work_mem = '8MB'  # set by the user\nlog_line_prefix = 'it''s \\\\ %d|%u|'  # set by the user\njit = 'off'  # compiling takes longer\n"
    )
    main = nodes.an.data / "postgresql.conf"
    text = main.read_text()
    main.write_text(f"{text}\ninclude_dir 'conf.d'\n")
    nodes.an.query("postgres", "SELECT pg_reload_conf()")
    try:
        assert inventory()[GROUPS[0]]["vars"]["timescaledb_host_settings"] == {"work_mem": "8MB", "log_line_prefix": "it's \\ %d|%u|"}
        assert "timescaledb_host_settings" not in inventory(login_user="app")[GROUPS[0]]["vars"]
    finally:
        main.write_text(text)
        (folder / "timescaledb-multinode.conf").unlink()
        folder.rmdir()
        nodes.an.query("postgres", "SELECT pg_reload_conf()")


def test_before_the_first_data_node(cluster, inventory):
    found = inventory()
    assert found[GROUPS[0]]["hosts"] == ["an1"]
    assert "hosts" not in found.get(GROUPS[1], {})


def test_number_of_queries_does_not_grow(nodes, inventory):
    def queries() -> int:
        before = nodes.an.log_size()
        inventory()
        return len(nodes.an.statements_since(before, nodes.database))

    few = queries()
    for number in range(5):
        nodes.distribute(f"t{number}")
    nodes.register("dn4", "dn5")
    assert queries() == few == 8


def test_cache(nodes, inventory, tmp_path):
    options = dict(cache=True, cache_plugin="ansible.builtin.jsonfile", cache_connection=str(tmp_path / "cache"), cache_timeout=60)
    first = inventory(**options)
    before = nodes.an.log_size()
    assert inventory(**options) == first
    assert nodes.an.statements_since(before, nodes.database) == []


def test_password_from_the_environment(nodes, inventory):
    login = dict(login_unix_socket=None, login_host="127.0.0.1", login_user=SECURED)
    assert inventory(environment=dict(TIMESCALEDB_LOGIN_PASSWORD=PASSWORD), **login)[GROUPS[0]]["hosts"] == ["an1"]
    message = inventory(fails=True, environment=dict(TIMESCALEDB_LOGIN_PASSWORD="not this one"), **login)
    assert "password authentication failed" in message and "not this one" not in message


@pytest.mark.parametrize(
    "options, reason",
    [
        (dict(login_db="nowhere"), 'database "nowhere" does not exist'),
        (dict(login_db="postgres"), "the extension timescaledb is not installed"),
        (dict(access_node=None), "option access_node: it is missing"),
    ],
)
def test_what_fails_says_why(nodes, inventory, options, reason):
    message = inventory(fails=True, **options)
    assert reason in message and "Remedy: " in message and "Traceback" not in message


def test_unreachable_access_node(nodes, inventory, closed_port):
    message = inventory(fails=True, login_unix_socket=None, login_host="127.0.0.1", login_port=closed_port)
    assert f"access node at 127.0.0.1:{closed_port}" in message and "Connection refused" in message
