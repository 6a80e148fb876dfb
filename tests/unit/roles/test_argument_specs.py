# GPL-3.0-or-later (see LICENSE)
"""The argument specifications say all of the roles' variables, and nothing that is not so."""

from __future__ import annotations

import re

import pytest
from _roles import CHECKOUT, ROLES, defaults, entry_points, every_variable, is_computed, load, options
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import extension_list, role_list, schema_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import hypertable_options
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import node_options

ENTRY_POINTS = [(role, name) for role in ROLES for name in entry_points(role)]
# What is not a variable but looks like one: names of the roles, a folder.
NO_VARIABLES = {*ROLES, "timescaledb_information", "timescaledb_multinode_verify", "timescaledb_left"}


def texts(*folders: str) -> str:
    files = (path for folder in folders for path in (CHECKOUT / folder).rglob("*") if path.suffix in (".yml", ".j2", ".py", ".sh"))
    return "\n".join(path.read_text() for path in files if path.name != "argument_specs.yml")


def named(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])timescaledb_(?:cluster|database|host|rebalance|repair|standby|tls)_[a-z_]*[a-z]", text)) - NO_VARIABLES


@pytest.mark.parametrize("role", ROLES)
def test_each_default_is_specified(role):
    specified = options(role)
    assert set(defaults(role)) <= set(specified)
    for name, value in defaults(role).items():
        assert specified[name].get("default") == (None if is_computed(value) else value), name
        assert ("default" in specified[name]) is not is_computed(value), name


@pytest.mark.parametrize("role", ROLES)
def test_what_has_no_default_is_asked_for_as_optional(role):
    used = texts("roles", "plugins/plugin_utils")
    for name in set(options(role)) - set(defaults(role)):
        assert re.search(rf"\b{name} \| default\(|\"{name}\"", used), name


def test_each_variable_that_is_used_is_specified():
    used = named(texts("roles", "plugins", "playbooks"))
    assert used == every_variable()


@pytest.mark.parametrize("role, entry_point", ENTRY_POINTS)
def test_each_entry_point_is_a_file_of_tasks(role, entry_point):
    assert (CHECKOUT / "roles" / role / "tasks" / f"{entry_point}.yml").is_file()


def test_each_entry_point_that_is_used_is_specified():
    """By the playbooks, and by roles that use another one."""
    plays = [play for path in sorted((CHECKOUT / "playbooks").glob("*.yml")) for play in load(path)]
    tasks = [task for play in plays for task in play.get("tasks", [])]
    tasks += [task for path in sorted((CHECKOUT / "roles").glob("*/tasks/*.yml")) for task in load(path)]
    used = [task[kind] for task in tasks for kind in ("ansible.builtin.import_role", "ansible.builtin.include_role") if kind in task]
    assert {(role["name"].rpartition(".")[2], role.get("tasks_from", "main")) for role in used} == set(ENTRY_POINTS)


@pytest.mark.parametrize("role, entry_point", ENTRY_POINTS)
def test_an_entry_point_has_options_of_the_role(role, entry_point):
    assert options(role, entry_point).items() <= options(role).items()


@pytest.mark.parametrize("role", ROLES)
def test_each_option_says_what_it_is(role):
    for name, details in options(role).items():
        assert name.startswith(f"{role}_")
        assert all(sentence.endswith(".") for sentence in details["description"]), name
        assert "type" in details, name
        assert ("elements" in details) is (details["type"] == "list"), name


def test_passwords_are_marked():
    assert options("timescaledb_database")["timescaledb_database_password"]["no_log"] is True
    assert options("timescaledb_database")["timescaledb_database_passwords"]["no_log"] is True
    assert options("timescaledb_tls")["timescaledb_tls_authority_passphrase"]["no_log"] is True
    assert options("timescaledb_cluster")["timescaledb_cluster_data_nodes"]["options"]["password"]["no_log"] is True
    assert options("timescaledb_cluster")["timescaledb_cluster_roles"]["options"]["password"]["no_log"] is True


@pytest.mark.parametrize(
    "variable, of_the_module",
    [
        ("timescaledb_cluster_data_nodes", node_options(required=True)),
        ("timescaledb_cluster_hypertables", hypertable_options(required=True)),
        ("timescaledb_cluster_roles", role_list()["options"]),
        ("timescaledb_cluster_schemas", schema_list()["options"]),
        ("timescaledb_cluster_extensions", extension_list()["options"]),
    ],
)
def test_lists_for_modules_have_the_options_of_the_module(variable, of_the_module):
    of_the_role = options("timescaledb_cluster")[variable]["options"]
    assert _plain(of_the_role) == _said(of_the_module)


def _said(options: dict[str, dict]) -> dict[str, dict]:
    """What a module's options say; what is false unless it is said is left out there."""
    said = {name: {key: value for key, value in details.items() if value is not False or key == "default"} for name, details in options.items()}
    return {name: dict(details, options=_said(details["options"])) if "options" in details else details for name, details in said.items()}


def _plain(options: dict[str, dict]) -> dict[str, dict]:
    """Without descriptions, those of suboptions included."""
    plain = {name: {key: value for key, value in details.items() if key != "description"} for name, details in options.items()}
    return {name: dict(details, options=_plain(details["options"])) if "options" in details else details for name, details in plain.items()}


def errors(role: str, given: dict) -> list[str]:
    specified = {name: {key: value for key, value in details.items() if key != "description"} for name, details in options(role).items()}
    return ArgumentSpecValidator(specified).validate(given).error_messages


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_are_accepted(role):
    assert errors(role, {name: value for name, value in defaults(role).items() if not is_computed(value)}) == []


@pytest.mark.parametrize(
    "variable, value",
    [
        # As extra variables and inventories in INI format give them.
        ("timescaledb_host_port", "6000"),
        ("timescaledb_host_postgresql_version", "15"),
        ("timescaledb_host_data_checksums", "false"),
        ("timescaledb_host_listen_addresses", "*"),
        ("timescaledb_host_listen_addresses", ["10.0.0.1", "localhost"]),
        ("timescaledb_host_settings", {"max_connections": 60, "a.b": True}),
        ("timescaledb_cluster_data_nodes", [{"node_name": 'Dn "1"', "host": "h", "port": "6001", "database": None}]),
        ("timescaledb_cluster_hypertables", [{"relation": "a b", "time_column_name": "t", "number_partitions": "6"}]),
        ("timescaledb_cluster_hypertables", []),
        ("timescaledb_cluster_heal_interval", ""),
        ("timescaledb_cluster_heal_interval", None),
        ("timescaledb_cluster_roles", [{"name": "app", "login": "yes", "grants": [{"type": "database", "privs": "CONNECT"}]}]),
    ],
)
def test_accepted(variable, value):
    assert errors("_".join(variable.split("_")[:2]), {variable: value}) == []


@pytest.mark.parametrize(
    "variable, value, reason",
    [
        ("timescaledb_host_port", "six thousand", "cannot be converted to an int"),
        ("timescaledb_host_install_method", "source", "must be one of"),
        ("timescaledb_host_settings", "fsync", "dict"),
        ("timescaledb_host_data_checksums", "perhaps", "bool"),
        ("timescaledb_cluster_hypertables", [{"relation": "a"}], "time_column_name"),
        ("timescaledb_cluster_hypertables", [{"relation": "a", "time_column_name": "t", "partition_column": "d"}], "partition_column"),
        ("timescaledb_cluster_data_nodes", [{"host": "a"}], "node_name"),
        ("timescaledb_cluster_roles", [{"login": True}], "name"),
        ("timescaledb_cluster_roles", [{"name": "app", "grants": [{"type": "server", "privs": ["ALL"]}]}], "must be one of"),
        ("timescaledb_cluster_schemas", [{"name": "a", "ownr": "b"}], "ownr"),
        ("timescaledb_cluster_data_nodes", [{"node_name": "a", "reclaim": "all"}], "must be one of"),
    ],
)
def test_refused(variable, value, reason):
    (message,) = errors("_".join(variable.split("_")[:2]), {variable: value})
    assert reason in message
