# GPL-3.0-or-later (see LICENSE)
"""The nodes of a running cluster change to certificates of an authority that is not the collection's: requests out, certificates in.

    run.py INVENTORY        the scenario's own inventory
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
INVENTORIES = (CHECKOUT / "tests" / "containers" / "inventory.yml", CHECKOUT / "build" / "engine.inventory.yml")


def main(inventory: Path) -> int:
    folder = CHECKOUT / "build" / "external"
    shutil.rmtree(folder, ignore_errors=True)
    exchange = folder / "exchange"
    exchange.mkdir(parents=True)
    variables = {"timescaledb_host_auth_method": "certificate", "timescaledb_tls_authority": "external", "timescaledb_tls_authority_dir": str(exchange)}
    deploy(inventory, variables, "there is no")
    make_authority(folder, exchange)
    hosts = deploy(inventory, variables, "have your authority sign")
    requests = sorted(exchange.glob("*/*.csr"))
    # One for the server, one for the role, and nobody else's key.
    if len(requests) != 2 * hosts or list(exchange.rglob("*.key")):
        raise SystemExit(f"requests are missing, or there are keys: {requests}")
    sign(folder, exchange, requests)
    deploy(inventory, variables)
    if deploy(inventory, variables, changed=0) != hosts:
        raise SystemExit("hosts are missing")
    print(f"certificates of another authority on {hosts} hosts")
    return 0


def make_authority(folder: Path, exchange: Path) -> None:
    """Far away from Ansible, which is given its certificate."""
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "400", "-subj", "/CN=somebody else"]
    run([*openssl, "-keyout", str(folder / "authority.key"), "-out", str(exchange / "ca.crt")])


def sign(folder: Path, exchange: Path, requests: list[Path]) -> None:
    """What the authority does."""
    for request in requests:
        authority = ["-CA", str(exchange / "ca.crt"), "-CAkey", str(folder / "authority.key"), "-CAcreateserial", "-CAserial", str(folder / "serial")]
        certificate = ["-days", "365", "-copy_extensions", "copy", "-out", str(request.with_suffix(".crt"))]
        run(["openssl", "x509", "-req", "-in", str(request), *authority, *certificate])


def deploy(inventory: Path, variables: dict[str, str], refusal: str = "", changed: int | None = None) -> int:
    """The number of hosts; the run succeeds, or is refused in these words."""
    command = ["ansible-playbook", *(f"--inventory={path}" for path in (*INVENTORIES, inventory)), f"--extra-vars={json.dumps(variables)}", "--diff"]
    done = subprocess.run(
        [*command, "timescaledb.multinode.deploy"], cwd=CHECKOUT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    counts = [int(count) for count in re.findall(r"\bchanged=(\d+)", done.stdout.rpartition("PLAY RECAP")[2])]
    as_wanted = refusal in done.stdout if refusal else changed is None or sum(counts) == changed
    if (done.returncode != 0) is not bool(refusal) or not as_wanted:
        print(done.stdout)
        raise SystemExit(f"deploy did not end as it should: {refusal or 'success'}")
    return len(counts)


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
