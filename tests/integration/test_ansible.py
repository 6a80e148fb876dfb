# GPL-3.0-or-later (see LICENSE)
"""A few runs through the real ansible-playbook: what the direct runs of the other tests leave out."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from _servers import PASSWORD, SECURED

COMMAND = Path(sys.executable).parent / "ansible-playbook"


@pytest.fixture
def play(cluster, tmp_path):
    """Runs tasks on this machine, the login given once as defaults of the action group; returns what was printed."""
    collections = [
        Path(importlib.import_module(f"ansible_collections.{name}").__path__[0]).parents[2] for name in ("timescaledb.multinode", "community.postgresql")
    ]

    def run(tasks: list[dict], *arguments: str, fails: bool = False, **login: str) -> str:
        play = dict(hosts="localhost", gather_facts=False, tasks=tasks)
        play["module_defaults"] = {"group/timescaledb.multinode.timescaledb": cluster.login(**login)}
        playbook = tmp_path / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=":".join(map(str, collections)), ANSIBLE_HOME=str(tmp_path), ANSIBLE_LOCALHOST_WARNING="false")
        command = [COMMAND, "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", *arguments, playbook]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False)
        assert (done.returncode != 0) is fails, done.stdout
        return done.stdout

    return run


def data_nodes(*places: dict) -> dict:
    return {"name": "Register", "timescaledb.multinode.timescale_data_node": {"data_nodes": list(places)}}


CONDITIONS = {
    "name": "Distribute",
    "timescaledb.multinode.timescale_distributed_hypertable": {
        "relation": "conditions",
        "definition": "time timestamptz NOT NULL, device int NOT NULL",
        "time_column_name": "time",
        "partitioning_column": "device",
    },
}


def test_both_modules_with_defaults_of_the_action_group(cluster, play):
    tasks = [data_nodes(cluster.place("dn1"), cluster.place("dn2"))]
    checked = play(tasks, "--check", "--diff")
    assert "changed=1" in checked and '+            "node_name": "dn2"' in checked
    assert cluster.nodes() == {}
    assert "changed=2" in play([*tasks, CONDITIONS])
    assert set(cluster.nodes()) == {"dn1", "dn2"} and cluster.table("conditions")["data_nodes"] == ["dn1", "dn2"]
    assert "changed=0" in play([*tasks, CONDITIONS])


def test_a_whole_cluster_through_its_action(cluster, play):
    """Ansible gives it the defaults of the action group as well, and the result says only options that were given."""
    task = {"name": "Cluster", "timescaledb.multinode.timescale_cluster": {"data_nodes": [cluster.place("dn1"), cluster.place("dn2")]}}
    assert "changed=1" in play([task], "--check", "--diff") and cluster.nodes() == {}
    said = play([task], "-vvv")
    assert "changed=1" in said and '"node_name": "dn1"' in said and '"reclaim": null' not in said
    assert set(cluster.nodes()) == {"dn1", "dn2"}
    assert "changed=0" in play([task])


@pytest.mark.parametrize("listed", [False, True])
def test_password_is_in_no_output(cluster, play, listed):
    place = cluster.place("dn1", password=PASSWORD)
    task = data_nodes(place) if listed else {"name": "Register", "timescaledb.multinode.timescale_data_node": place}
    output = play([task], "-vvv", "--diff", login_user=SECURED)
    assert "add_data_node" in output and PASSWORD not in output
    assert set(cluster.nodes()) == {"dn1"}


def test_findings_are_readable(cluster, play, closed_port):
    output = play([data_nodes(cluster.place("dn1", port=closed_port, password=PASSWORD))], "-vvv", fails=True)
    assert f"127.0.0.1:{closed_port}" in output and "Remedy: start the node" in output and PASSWORD not in output
    assert "Traceback" not in output


def test_the_role_of_rotate_passwords_gives_declared_roles_their_new_ones(roles, play, tmp_path):
    """As rotate_passwords has it, behind the passfiles."""
    variables = dict(timescaledb_cluster_database=roles.database, timescaledb_cluster_port=roles.an.port, ansible_become=False)
    part = {"name": "timescaledb.multinode.timescaledb_cluster", "tasks_from": "roles"}
    task = {"name": "Roles", "ansible.builtin.import_role": part, "environment": {"PGHOST": str(roles.an.root), "PGUSER": "postgres"}}

    def run(password: str) -> str:
        declared = [dict(name="declared", login=True, password=password)] if password else []
        (tmp_path / "variables.yml").write_text(yaml.safe_dump(dict(variables, timescaledb_cluster_roles=declared)))
        return play([task], "-vvv", "--diff", "-e", f"@{tmp_path}/variables.yml")

    assert "changed=0" in run("") and roles.nodes_with("declared") == set()
    assert "changed=1" in run("the old one")
    old = {roles.verifier(node, "declared") for node in roles.servers}
    said = run("the new one")
    assert "changed=1" in said and "the new one" not in said
    new = {roles.verifier(node, "declared") for node in roles.servers}
    assert len(old) == len(new) == 1 and old != new
    assert "changed=0" in run("the new one")


@pytest.mark.real_engine("jobs")
def test_intervals_of_jobs_as_the_role_hands_them_over(nodes, play):
    """Empty removes the job, null leaves it as it is."""
    role = Path(__file__).parents[2] / "roles" / "timescaledb_cluster" / "tasks" / "main.yml"
    module = "timescaledb.multinode.timescale_cluster"
    (handed_over,) = [task[module] for task in yaml.safe_load(role.read_text()) if module in task]
    task = {"name": "Converge", module: {"data_nodes": [], **{name: handed_over[name] for name in ("analyze_job", "heal_job")}}}

    def run(analyze: str | None, heal: str | None) -> str:
        intervals = dict(timescaledb_cluster_analyze_interval=analyze, timescaledb_cluster_heal_interval=heal)
        return play([dict(task, vars=intervals)])

    assert "changed=1" in run("6 hours", "90 minutes")
    nodes.query("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE proc_name = 'heal_data_nodes'")
    paused = nodes.jobs()
    assert "changed=0" in run("6 hours", None) and "changed=0" in run(None, None)
    assert nodes.jobs() == paused
    assert "changed=1" in run("", None)
    assert nodes.jobs() == [job for job in paused if job["procedure"] == "heal_data_nodes"]
