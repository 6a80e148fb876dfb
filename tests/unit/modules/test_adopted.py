# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jinja2
import pytest
from _build import access_node, data_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._adopted import ACCESS_NODE, DATA_NODES, Observed, adopted
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._settings import Host, server_settings

TEMPLATE = Path(__file__).parents[3] / "roles" / "timescaledb_host" / "templates" / "timescaledb-multinode.conf.j2"
DEBIAN = {"server_version_num": "150020", "data_directory": "/var/lib/postgresql/15/main", "cluster_name": "15/main"}


def made(*nodes, settings=None, file="", hypertables=(), address=None, names=None, intervals=None):
    here = access_node(*nodes)
    return adopted(Observed(here, list(hypertables), DEBIAN if settings is None else settings, file, intervals or {}), "an1", address, names or {})


def test_a_cluster_without_data_nodes_has_its_access_node():
    found = made()
    assert found.hosts == {ACCESS_NODE: {"an1": {"timescaledb_host_port": 5432}}, DATA_NODES: {}}


def test_data_nodes_are_hosts_by_their_own_names_unless_others_are_given():
    found = made("dn2", "dn1", names={"dn2": "db-7"})
    assert found.hosts[DATA_NODES] == {
        "dn1": {"ansible_host": "dn1.example", "timescaledb_host_port": 5432},
        "db-7": {"ansible_host": "dn2.example", "timescaledb_host_port": 5432, "timescaledb_cluster_node_name": "dn2"},
    }


def test_a_database_of_another_name_is_the_host_s_own_variable():
    other = data_node("dn1")
    found = made(replace(other, endpoint=replace(other.endpoint, database="Other")), "dn2")
    assert found.hosts[DATA_NODES]["dn1"]["timescaledb_database_name"] == "Other"
    assert "timescaledb_database_name" not in found.hosts[DATA_NODES]["dn2"]


def test_the_role_is_the_one_that_registered_all_data_nodes_else_the_one_that_looks():
    assert made(data_node("dn1", owner="tsdb"), data_node("dn2", owner="tsdb")).variables["timescaledb_database_role"] == "tsdb"
    assert made(data_node("dn1", owner="tsdb"), data_node("dn2", owner="app")).variables["timescaledb_database_role"] == "postgres"


def test_roles_that_log_in_to_data_nodes_are_let_in_further_on():
    observed = Observed(access_node("dn1"), [], DEBIAN, roles=["app", "postgres", "reader"])
    assert adopted(observed, "an1", None, {}).variables["timescaledb_host_node_roles"] == ["app", "reader"]
    assert "timescaledb_host_node_roles" not in made("dn1").variables


@pytest.mark.parametrize(
    ("directory", "cluster_name", "name", "kept"),
    [
        ("/var/lib/postgresql/15/main", "15/main", "main", None),
        ("/var/lib/postgresql/15/metrics/", "15/metrics", "metrics", None),
        ("/var/lib/pgsql/15/data", "", "data", None),
        ("/srv/postgresql/metrics", "15/metrics", "metrics", "/srv/postgresql/metrics"),
        ("/var/lib/postgresql/15/main", "15/metrics", "metrics", "/var/lib/postgresql/15/main"),
        ("/data/pg", "", None, "/data/pg"),
    ],
)
def test_places(directory, cluster_name, name, kept):
    variables = made(settings={**DEBIAN, "data_directory": directory, "cluster_name": cluster_name}).variables
    assert variables.get("timescaledb_host_cluster_name") == name
    assert variables.get("timescaledb_host_data_directory") == kept


def test_settings_that_a_role_may_not_read_are_left_out():
    """data_directory needs pg_read_all_settings."""
    variables = made(settings={"server_version_num": "150020"}).variables
    assert variables["timescaledb_host_postgresql_version"] == 15
    assert not {"timescaledb_host_cluster_name", "timescaledb_host_data_directory", "timescaledb_host_passfile"} & set(variables)


@pytest.mark.parametrize("node_type", ["access_node", "data_node"])
def test_what_users_set_makes_the_same_file_again(node_type):
    given = dict(
        max_connections=200, work_mem="12MB", log_line_prefix="it's \\ %m 100%", shared_preload_libraries="pg_stat_statements", jit=True, Wal_Level="logical"
    )
    file = written(node_type, given)
    kept = made(file=file).variables["timescaledb_host_settings"]
    assert {"max_connections": "200", "log_line_prefix": given["log_line_prefix"], "jit": "on"}.items() <= kept.items()
    assert len(kept) == len(given)
    assert written(node_type, kept) == file


def test_computed_settings_are_left_out():
    assert "timescaledb_host_settings" not in made(file=written("data_node", {})).variables


def written(node_type: str, overrides: dict) -> str:
    """The file, by the role's own template."""
    host = Host(node_type, 2**34, 4, 15, 5432, "*", "/etc/passfile", overrides)
    values = dict(_timescaledb_host_node_type=node_type, _timescaledb_host_server_settings=server_settings(host))
    return jinja2.Environment(trim_blocks=True, keep_trailing_newline=True).from_string(TEMPLATE.read_text()).render(values)


def test_hypertables_are_declared_in_the_options_of_the_role():
    table = dict(schema="S", relation="t", time_column_name="time", partitioning_column=None, default_indexes=False, data_nodes=["dn1"])
    assert made("dn1", hypertables=[table]).variables["timescaledb_cluster_hypertables"] == [
        dict(schema="S", relation="t", time_column_name="time", data_nodes=["dn1"], create_default_indexes=False)
    ]


def test_hypertable_that_lost_all_data_nodes_is_declared_without_any():
    """An empty list would be refused."""
    table = dict(schema="S", relation="t", time_column_name="time", default_indexes=True, data_nodes=[])
    (declared,) = made("dn1", hypertables=[table]).variables["timescaledb_cluster_hypertables"]
    assert "data_nodes" not in declared


def test_jobs_are_declared_as_they_are_and_those_that_are_not_there_are_turned_off():
    variables = made("dn1", intervals={"heal": "00:10:00"}).variables
    assert (variables["timescaledb_cluster_heal_interval"], variables["timescaledb_cluster_analyze_interval"]) == ("00:10:00", "")


def test_how_the_nodes_log_in():
    by_certificate = {"timescaledb_host_auth_method": "certificate", "timescaledb_host_ssl_dir": "/tls"}
    assert by_certificate.items() <= made(settings=DEBIAN | {"ssl": "on", "timescaledb.ssl_dir": "/tls"}).variables.items()
    for settings in ({"ssl": "on"}, {"ssl": "off", "timescaledb.ssl_dir": "/tls"}, {"ssl": "on", "timescaledb.ssl_dir": ""}):
        assert "timescaledb_host_auth_method" not in made(settings=DEBIAN | settings).variables


@pytest.mark.parametrize("mark", ["{{ 1 }}", "{% if x %}", "{# x #}"])
@pytest.mark.parametrize("of", ["table", "node", "column", "database"])
def test_a_name_that_would_be_a_template_is_refused(mark, of):
    """Whoever may make a table would have the controller run what its name says."""
    tables = [dict(relation=mark if of == "table" else "t", time_column_name=mark if of == "column" else "time", default_indexes=True)]
    node = data_node(mark if of == "node" else "dn1")
    if of == "database":
        node = replace(node, endpoint=replace(node.endpoint, database=mark))
    with pytest.raises(ClusterError) as refused:
        made(node, hypertables=tables)
    assert "would be a template" in str(refused.value) and repr(mark) in str(refused.value)


def test_braces_that_are_no_template_are_names_as_others():
    (table,) = made("dn1", hypertables=[dict(relation="a {b} }} {", default_indexes=True)]).variables["timescaledb_cluster_hypertables"]
    assert table["relation"] == "a {b} }} {"


@pytest.mark.parametrize(
    "names, cause",
    [
        ({"dn1": "db", "dn2": "db"}, 'host "db": 2 nodes of the cluster would be this one'),
        ({"dn1": "dn2"}, 'host "dn2": 2 nodes of the cluster would be this one'),
        ({"dn1": "an1"}, 'host "an1": 2 nodes of the cluster would be this one'),
        ({"dn3": "db"}, 'option host_names: there is no data node "dn3"'),
    ],
)
def test_no_node_is_lost_under_the_name_of_another(names, cause):
    with pytest.raises(ClusterError) as refused:
        made("dn1", "dn2", names=names)
    assert cause in str(refused.value)


def test_an_access_node_that_is_called_as_a_data_node_needs_a_name_for_it():
    with pytest.raises(ClusterError, match="2 nodes"):
        made("an1")
    assert set(made("an1", names={"an1": "data1"}).hosts[DATA_NODES]) == {"data1"}
