# GPL-3.0-or-later (see LICENSE)
"""A scenario's cluster is adopted: its inventory is read from its access node, and deploy changes nothing.

    run.py INVENTORY        the scenario's own inventory, for what an access node cannot tell: the hosts' names, and the password
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from forward import forwarded

CHECKOUT = Path(__file__).resolve().parents[2]
CONTAINERS = CHECKOUT / "tests" / "containers" / "inventory.yml"
PACKAGES = CHECKOUT / "build" / "engine.inventory.yml"
GROUPS = ("timescale_access_node", "timescale_data_nodes")
TOLD_BY_NOBODY = (
    "test_hosts_project",
    "test_hosts_user",
    "ansible_user",
    "timescaledb_database_password",
    "timescaledb_database_password_file",
    "timescaledb_tls_authority_dir",
)


def main(path: Path) -> int:
    given = yaml.safe_load(path.read_text())
    (access_node, its_variables), *_others = given[GROUPS[0]]["hosts"].items()
    names = {(variables or {}).get("timescaledb_cluster_node_name", host): host for host, variables in given[GROUPS[1]]["hosts"].items()}
    folder = CHECKOUT / "build" / "adopt" / path.parent.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    variables = given["all"]["vars"]
    kept = {name: variables[name].replace("{{ inventory_dir }}", str(path.parent)) for name in TOLD_BY_NOBODY if name in variables}
    passwords = {role["name"]: role["password"] for role in variables.get("timescaledb_cluster_roles", ()) if "password" in role}
    if passwords and variables.get("timescaledb_host_auth_method") != "certificate":
        kept["timescaledb_database_passwords"] = passwords
    (folder / "more.yml").write_text(yaml.safe_dump({"all": {"vars": kept}}))
    container = f"{variables['test_hosts_project']}-{access_node}"
    with forwarded(container, (its_variables or {}).get("timescaledb_host_port", 5432)) as sockets:
        source = {
            "plugin": "timescaledb.multinode.timescale_cluster",
            "login_unix_socket": str(sockets),
            "login_port": (its_variables or {}).get("timescaledb_host_port", 5432),
            "login_db": variables.get("timescaledb_database_name", "timescaledb"),
            "access_node": access_node,
            "host_names": {name: host for name, host in names.items() if name != host},
        }
        (folder / "timescale_cluster.yml").write_text(yaml.safe_dump(source))
        return _deploy(folder, len(names) + 1)


def _deploy(folder: Path, hosts: int) -> int:
    inventories = [CONTAINERS, PACKAGES, folder / "timescale_cluster.yml", folder / "more.yml"]
    command = ["ansible-playbook", *(part for inventory in inventories for part in ("-i", str(inventory))), "--diff", "timescaledb.multinode.deploy"]
    environment = os.environ | {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    changed = re.findall(r"changed=(\d+)", done.stdout)
    if done.returncode == 0 and changed == ["0"] * hosts:
        print(f"adopted: {hosts} hosts, nothing changed")
        return 0
    print(done.stdout)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
