# GPL-3.0-or-later (see LICENSE)
"""deploy.yml on one access node and four data nodes, reached by ssh: the first run on virgin hosts against a plain shell script that does
the same work, and a run with nothing to do against `ansible -m ping` on the same hosts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import image
import toolbox
from measure import Figure, run, seconds

ROUNDS = 5
PROJECT = "timescaledb-multinode-bench"
ACCESS_NODE, DATA_NODES = "access", [f"data{number}" for number in range(1, 5)]
NODES = [ACCESS_NODE, *DATA_NODES]
CONFIG = "/etc/postgresql/15/main"
HYPERTABLE = {
    "relation": "conditions",
    "definition": "time timestamptz NOT NULL, device int NOT NULL, temperature double precision",
    "time_column_name": "time",
    "partitioning_column": "device",
}


def measure(folder: Path) -> Iterator[Figure]:
    """folder: for the inventory and the files that are handed to the script. Each figure comes as soon as it is known."""
    bench = _Bench(folder)
    first = Figure("first deploy, 1 + 4 hosts", "deploy.yml", "shell script, hosts side by side", at_most=1.3)
    idle = Figure("deploy with nothing to do, 1 + 4 hosts", "deploy.yml", "ansible -m ping", at_most=5)
    try:
        bench.fresh_hosts()
        first.ours_seconds.append(bench.deploy())
        for _round in range(ROUNDS):
            idle.theirs_seconds.append(bench.ping())
            idle.ours_seconds.append(bench.deploy(changed=0))
        yield idle
        bench.collect_files()
        for _round in range(3):
            bench.fresh_hosts()
            first.theirs_seconds.append(bench.script())
            bench.fresh_hosts()
            first.ours_seconds.append(bench.deploy())
        yield first
    finally:
        bench.remove_hosts()


class _Bench:
    def __init__(self, folder: Path) -> None:
        self._files = folder / "files"
        shutil.rmtree(self._files, ignore_errors=True)
        self._files.mkdir(parents=True)
        self._ssh_config = self._files / "ssh_config"
        self._password = self._files / "password"
        self._key = self._files / "key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)])
        self._control_path = ""
        self._version = ""
        self._hosts = folder / "hosts.yml"
        self._hosts.write_text(json.dumps(self._inventory(image.ensure("virgin"))))
        self._by_ssh = folder / "by_ssh.yml"
        connection = {"ansible_connection": "ssh", "ansible_user": "root", "ansible_ssh_common_args": f"-F {self._ssh_config}"}
        self._by_ssh.write_text(json.dumps({"all": {"vars": connection}}))

    def _inventory(self, of_image: str) -> dict[str, object]:
        return {
            "all": {
                "vars": {
                    "test_hosts_project": PROJECT,
                    "test_hosts_image": of_image,
                    "timescaledb_database_password_file": str(self._password),
                    "timescaledb_cluster_hypertables": [HYPERTABLE],
                    # Five servers share this machine; a quarter of its memory for each would be too much.
                    "timescaledb_host_settings": {"shared_buffers": "128MB"},
                }
            },
            "timescale_access_node": {"hosts": {ACCESS_NODE: None}},
            "timescale_data_nodes": {"hosts": dict.fromkeys(DATA_NODES)},
        }

    def fresh_hosts(self) -> None:
        """Hosts that nothing has been done to, with ssh."""
        self.remove_hosts()
        self._ansible("ansible-playbook", "tests/containers/create.yml")
        public_key = Path(f"{self._key}.pub").read_text().strip()
        # A connection that Ansible keeps open would lead to the host of that name before.
        self._control_path = tempfile.mkdtemp(prefix="bench-")
        lines = []
        for node in NODES:
            self._inside(node, "sh", "-c", f"umask 077; echo '{public_key}' >/root/.ssh/authorized_keys")
            address = run(["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", f"{PROJECT}-{node}"]).strip()
            lines.append(f"Host {node}\n  HostName {address}\n")
        lines += [
            "Host *\n  User root\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n",
            f"  IdentityFile {self._key}\n  IdentitiesOnly yes\n",
        ]
        self._ssh_config.write_text("".join(lines))
        # What the hosts before have left in the kernel's caches, it clears away at the cost of whoever runs next.
        os.sync()
        with contextlib.suppress(OSError):
            Path("/proc/sys/vm/drop_caches").write_text("3")

    def remove_hosts(self) -> None:
        self._ansible("ansible-playbook", "tests/containers/destroy.yml")
        if self._control_path:
            shutil.rmtree(self._control_path, ignore_errors=True)

    def deploy(self, changed: int | None = None) -> float:
        """Seconds of one run; changed: what it has to count for every host."""
        output: list[str] = []
        taken = seconds(lambda: output.append(self._ansible("ansible-playbook", "timescaledb.multinode.deploy", by_ssh=True)))
        if changed is not None and output[0].count(f"changed={changed} ") != len(NODES):
            raise RuntimeError(f"expected changed={changed} everywhere:\n{output[0][-2000:]}")
        self._check()
        return taken

    def ping(self) -> float:
        return seconds(lambda: self._ansible("ansible", "all", "-m", "ansible.builtin.ping", by_ssh=True))

    def script(self) -> float:
        script = str(Path(__file__).with_name("deploy.sh"))
        taken = seconds(lambda: run(["bash", script, str(self._files), self._version, *NODES]))
        self._check()
        return taken

    def collect_files(self) -> None:
        """What the script is to write is what deploy.yml has written."""
        for node in NODES:
            (self._files / f"postgresql.conf.{node}").write_text(self._inside(node, "cat", f"{CONFIG}/conf.d/timescaledb-multinode.conf"))
        (self._files / "passfile").write_text(self._inside(ACCESS_NODE, "cat", "/etc/timescaledb-multinode.passfile"))
        (self._files / "sources").write_text(self._inside(ACCESS_NODE, "cat", "/etc/apt/sources.list.d/timescaledb-multinode.sources"))
        for name in ("probe.sh", "check.sh"):
            shutil.copy(toolbox.CHECKOUT / "roles" / "timescaledb_host" / "files" / name, self._files)
        self._version = self._inside(ACCESS_NODE, "dpkg-query", "-W", "-f=${Version}", "timescaledb-2-postgresql-15")

    def _check(self) -> None:
        """Both ways have to end with the same cluster."""
        query = "SELECT count(*) FROM timescaledb_information.data_nodes UNION ALL SELECT cardinality(data_nodes) FROM timescaledb_information.hypertables"
        found = self._inside(ACCESS_NODE, "sudo", "-u", "postgres", "psql", "-XAtc", query, "timescaledb").split()
        if found != [str(len(DATA_NODES))] * 2:
            raise RuntimeError(f"the cluster is not complete: {found}")

    def _inside(self, node: str, *command: str) -> str:
        return run(["docker", "exec", f"{PROJECT}-{node}", *command])

    def _ansible(self, program: str, *arguments: str, by_ssh: bool = False) -> str:
        inventories = ["tests/containers/inventory.yml", "build/engine.inventory.yml", str(self._hosts), *([str(self._by_ssh)] if by_ssh else [])]
        command = [program, *(part for inventory in inventories for part in ("-i", inventory)), *arguments]
        return run(command, cwd=toolbox.CHECKOUT, env=toolbox.environment() | {"ANSIBLE_SSH_CONTROL_PATH_DIR": self._control_path or "/tmp"})
