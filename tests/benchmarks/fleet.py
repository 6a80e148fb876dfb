# GPL-3.0-or-later (see LICENSE)
"""What 60 more data nodes cost a deployment that has nothing to do: hosts that are PostgreSQL clusters on this machine, without containers.

The same machine plays every host, so that only ratios tell. All servers run from the first measurement to the last, and only the inventory changes:
a machine with more of them is a slower one, and each look at a host takes longer where it has the processes and files of more hosts to go through. No
host of a real fleet has those of the others.

Where data nodes add work of their own only, the second thirty cost what the first thirty did: with something for each pair of hosts they would cost
nearly three times as much. That is about processor time: the clock also tells of what else the machine does. And what 60 add to deploy.yml to what they
add to a ping.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import machine
import prepare
import toolbox
from measure import Figure, costs, run, seconds

FEW, SOME, MANY = 4, 34, 64
ROUNDS = 3
# Below those that the system gives to clients, who could have taken one.
FIRST_PORT = 31000
# Of the PostgreSQL clusters, so that none of anybody else is touched.
PREFIX = "tsfleet_"
# All hosts are this machine, and have it in common.
PASSFILE = "/etc/timescaledb-multinode-fleet.passfile"
FORKS = "10"


def measure(folder: Path) -> Iterator[Figure]:
    """folder: for the inventories."""
    if not (machine.install("postgresql-15", "python3-psycopg2") and prepare.install_on_this_host()):
        print("fleet: skipped, the engine cannot be installed on this machine", flush=True)
        return
    fleet = _Fleet(folder)
    linear = Figure(
        f"deploy, nothing to do, {MANY - SOME} more nodes: processor",
        f"from {SOME} to {MANY} data nodes",
        f"from {FEW} to {SOME} data nodes",
        at_most=1.2,
    )
    added = Figure(f"{MANY - FEW} more data nodes, deploy with nothing to do", "added to deploy.yml", "added to ansible -m ping")
    try:
        for _round in range(ROUNDS):
            # The largest first, whose servers stay.
            on_many, on_some, on_few = (fleet.measure(nodes) for nodes in (MANY, SOME, FEW))
            linear.theirs_seconds.append(on_some.processor - on_few.processor)
            linear.ours_seconds.append(on_many.processor - on_some.processor)
            added.theirs_seconds.append(on_many.ping - on_few.ping)
            added.ours_seconds.append(on_many.deploy - on_few.deploy)
    finally:
        fleet.remove()
    yield linear
    yield added


class _Costs(NamedTuple):
    """Seconds of a ping and of deploy.yml with nothing to do, and processor time of the latter."""

    ping: float
    deploy: float
    processor: float


class _Fleet:
    def __init__(self, folder: Path) -> None:
        self._inventory = folder / "fleet.json"
        self._password = folder / "fleet.password"

    def measure(self, nodes: int) -> _Costs:
        """On so many data nodes and their access node."""
        self._inventory.write_text(json.dumps(_inventory(nodes, self._password)))
        self._ansible("ansible-playbook", "timescaledb.multinode.deploy")
        return _Costs(self._ping(), *self._deploy(nodes))

    def remove(self) -> None:
        known = run(["pg_lsclusters", "--no-header"])
        for line in known.splitlines():
            version, name = line.split()[:2]
            if name.startswith(PREFIX):
                run([*machine.ROOT, "pg_dropcluster", "--stop", version, name])
        run([*machine.ROOT, "rm", "--force", PASSFILE])

    def _ping(self) -> float:
        return seconds(lambda: self._ansible("ansible", "all", "-m", "ansible.builtin.ping"))

    def _deploy(self, nodes: int) -> tuple[float, float]:
        output: list[str] = []
        taken = costs(lambda: output.append(self._ansible("ansible-playbook", "timescaledb.multinode.deploy")))
        if output[0].count("changed=0 ") != nodes + 1:
            raise RuntimeError(f"expected changed=0 everywhere:\n{output[0][-3000:]}")
        return taken

    def _ansible(self, program: str, argument: str, *more: str) -> str:
        inventories = ["-i", str(prepare.INVENTORY), "-i", str(self._inventory)]
        return run([program, *inventories, "--forks", FORKS, argument, *more], cwd=toolbox.CHECKOUT, env=toolbox.environment())


def _inventory(nodes: int, password: Path) -> dict[str, object]:
    local = {
        "ansible_connection": "local",
        "ansible_become": True,
        "ansible_become_method": "ansible.builtin.sudo" if machine.ROOT else "ansible.builtin.su",
        "ansible_python_interpreter": "/usr/bin/python3",
        "timescaledb_host_install_method": "preinstalled",
        "timescaledb_host_cluster_name": PREFIX + "{{ inventory_hostname }}",
        "timescaledb_host_address": "127.0.0.1",
        "timescaledb_host_source_addresses": ["127.0.0.1"],
        "timescaledb_host_listen_addresses": ["127.0.0.1"],
        "timescaledb_host_passfile": PASSFILE,
        "timescaledb_host_settings": {"shared_buffers": "16MB", "max_connections": 60, "max_worker_processes": 30},
        "timescaledb_database_password_file": str(password),
        # Those that are not in the inventory leave the cluster.
        "timescaledb_cluster_prune": True,
    }
    ports = {f"data{number}": {"timescaledb_host_port": FIRST_PORT + number} for number in range(1, nodes + 1)}
    members = [
        # Come back with the inventory.
        {"node_name": name, "host": "127.0.0.1", "port": variables["timescaledb_host_port"], "reclaim": "membership"}
        for name, variables in ports.items()
    ]
    return {
        "all": {"vars": local},
        "timescale_access_node": {"hosts": {"access": {"timescaledb_host_port": FIRST_PORT, "timescaledb_cluster_data_nodes": members}}},
        "timescale_data_nodes": {"hosts": ports},
    }
