# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from _build import access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._info import Answers, ask_access_node, chosen_subsets
from ansible_collections.timescaledb.multinode.plugins.module_utils._info_facts import cluster_facts, imbalance
from ansible_collections.timescaledb.multinode.plugins.module_utils._info_queries import SUBSETS
from ansible_collections.timescaledb.multinode.plugins.module_utils._recommended import ACCESS_NODE, DATA_NODE, NAMES, RECOMMENDATIONS, differing
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._settings import Host, server_settings

EVERYTHING = list(SUBSETS)


@pytest.mark.parametrize(
    "given, chosen",
    [
        (["all"], EVERYTHING),
        ([], EVERYTHING),
        (["min"], []),
        (["!all"], []),
        (["jobs", "nodes"], ["nodes", "jobs"]),
        (["!jobs"], [name for name in EVERYTHING if name != "jobs"]),
        (["all", "!jobs", "!nodes"], [name for name in EVERYTHING if name not in ("jobs", "nodes")]),
        # What is named is gathered, as by ansible.builtin.setup.
        (["jobs", "!jobs"], ["jobs"]),
        (["!all", "jobs"], ["jobs"]),
        (["!all", "!min", "jobs"], ["jobs"]),
        (["all", "!all"], []),
        (["min", "jobs"], ["jobs"]),
    ],
)
def test_chosen_subsets(given, chosen):
    assert chosen_subsets(given) == chosen


def test_unknown_subsets_are_named():
    with pytest.raises(ClusterError, match="there is no b, c"):
        chosen_subsets(["c", "!b", "jobs"])


@pytest.mark.parametrize("amounts, expected", [([], None), ([0, 0], None), ([5], 1.0), ([4, 4], 1.0), ([6, 0, 0], 3.0), ([3, 1], 1.5)])
def test_imbalance(amounts, expected):
    assert imbalance(amounts) == expected


class Server:
    """Answers each query that does not name one of these relations."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.name = "an"

    def run(self, statement, subject):
        for relation in self.refused:
            if relation in statement.template:
                raise ClusterError(subject, f"permission denied for {relation}")
        return []


def test_what_is_refused_is_null_and_costs_nothing_else():
    answers = ask_access_node(Server("timescaledb_information.jobs"), access_node(), ["jobs", "hypertables"])
    assert answers.rows == {"jobs": None, "hypertables": []}
    assert answers.warnings == ["jobs: access node: permission denied for timescaledb_information.jobs."]
    facts = cluster_facts(access_node(), ["jobs", "hypertables"], answers, {}, {})
    assert facts["jobs"] is None and facts["hypertables"] == []


def test_older_releases_have_no_catalogue_of_copies():
    answers = ask_access_node(Server(), access_node(release=Release(2, 3, 1)), ["copy_operations"])
    assert answers.rows == {"copy_operations": None} and "needs TimescaleDB 2.4.0, this is 2.3.1" in answers.warnings[0]


def test_a_node_that_refuses_everything_has_the_same_keys():
    fine = Answers({name: [] for name in EVERYTHING}, latency=0.001)
    refusing = Answers(dict.fromkeys(EVERYTHING), latency=0.001)
    dead = Answers(reason="no")
    here = Answers({name: [] for name in EVERYTHING})
    found = cluster_facts(access_node("a", "b", "c"), EVERYTHING, here, {"a": fine, "b": refusing, "c": dead}, {})["data_nodes"]
    assert set(found[0]) == set(found[1]) == set(found[2])
    assert [entry["reachable"] for entry in found] == [True, True, False]


@pytest.mark.parametrize("node_type", [ACCESS_NODE, DATA_NODE])
def test_what_the_role_writes_is_what_is_recommended(node_type):
    written = {entry["name"]: entry["value"] for entry in server_settings(Host(node_type, 8 * 2**30, 4, 15, 5432, "*", "/p"))}
    # In the units of pg_settings; what the role leaves out has PostgreSQL's default.
    defaults = {"max_replication_slots": "10", "max_wal_senders": "10", "wal_retrieve_retry_interval": "5000", "statement_timeout": "0"}
    settings = {name: written.get(name, defaults.get(name)).replace("100ms", "100") for name in NAMES if written.get(name, defaults.get(name))}
    assert differing(node_type, settings) == []
    assert {rule.name for rule in RECOMMENDATIONS if node_type in rule.node_types} <= set(written)


@pytest.mark.parametrize(
    "node_type, name, value, differs",
    [
        (DATA_NODE, "max_prepared_transactions", "99", True),
        (DATA_NODE, "max_prepared_transactions", "100", False),
        (DATA_NODE, "wal_level", "replica", True),
        (ACCESS_NODE, "wal_level", "replica", False),
        (ACCESS_NODE, "jit", "on", True),
        (ACCESS_NODE, "enable_partitionwise_aggregate", "off", True),
        (DATA_NODE, "enable_partitionwise_aggregate", "off", False),
        (ACCESS_NODE, "synchronous_commit", "off", True),
        (ACCESS_NODE, "synchronous_commit", "remote_apply", False),
        (DATA_NODE, "synchronous_commit", "off", False),
        (DATA_NODE, "statement_timeout", "1000", True),
        (DATA_NODE, "wal_retrieve_retry_interval", "5000", True),
        (DATA_NODE, "max_wal_senders", "2", True),
    ],
)
def test_differing_settings(node_type, name, value, differs):
    found = differing(node_type, {"max_connections": "100", name: value})
    assert [entry["name"] for entry in found] == ([name] if differs else [])
    assert all(entry["value"] == value and entry["why"] and entry["recommended"] for entry in found)
