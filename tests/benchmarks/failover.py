# GPL-3.0-or-later (see LICENSE)
"""Three data nodes, two copies of everything: one is killed, or cut off the network, while sessions write. How long from the start of
replace_data_node.yml until the access node takes a write again that concerns all partitions, in chunks that there are and in a new one.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import engine as engines
from measure import Amount
from mortal_hosts import CONTAINERS, Hosts

PROJECT = "timescaledb-multinode-failover"
MOST_SECONDS = 15
DATA_NODES = ("data1", "data2", "data3")
REPLACE, RETURN = "timescaledb.multinode.replace_data_node", "timescaledb.multinode.return_data_node"
HYPERTABLE = {
    "relation": "conditions",
    "definition": "time timestamptz NOT NULL, device int NOT NULL, value double precision",
    "time_column_name": "time",
    "partitioning_column": "device",
    "number_partitions": 6,
    "replication_factor": 2,
    "chunk_time_interval": "1 day",
}
WRITE = "INSERT INTO conditions SELECT '2026-01-01'::timestamptz + {day} * interval '1 day', n, {day} FROM generate_series(1, 100) n"


def measure(folder: Path) -> Iterator[Amount]:
    """The longest of the rounds counts."""
    if engines.choose().engine == "stand-in":
        print("failover: skipped, the stand-in does not copy chunks between data nodes", flush=True)
        return
    bench = _Bench(folder)
    try:
        bench.begin()
        for name, fail, mend in (("killed", bench.hosts.kill, bench.hosts.boot), ("cut off", bench.hosts.cut, bench.hosts.connect)):
            taken = [bench.round(victim, fail, mend) for victim in DATA_NODES[1:]]
            yield Amount(f"data node {name}: until writes are accepted", "s", max(taken), MOST_SECONDS)
    finally:
        bench.hosts.play(CONTAINERS / "destroy.yml")


class _Bench:
    def __init__(self, folder: Path) -> None:
        inventory = folder / "failover.json"
        inventory.write_text(json.dumps(_inventory(folder)))
        self.hosts = Hosts(PROJECT, inventory, folder / "failover.log")
        self._day = 0

    def begin(self) -> None:
        for playbook in (CONTAINERS / "destroy.yml", CONTAINERS / "create.yml", "timescaledb.multinode.deploy"):
            self.hosts.play(playbook)
        self._write_new_chunk()

    def round(self, victim: str, fail: Callable[[str], None], mend: Callable[[str], None]) -> float:
        stop = threading.Event()
        writers = [threading.Thread(target=self._keep_writing, args=(stop,)) for _writer in range(2)]
        for writer in writers:
            writer.start()
        time.sleep(1)
        fail(victim)
        time.sleep(1)
        begin = time.monotonic()
        playbook = self.hosts.start(REPLACE, timescaledb_repair_nodes=[victim], timescaledb_repair_end_sessions=True)
        while not (self.hosts.accepts(WRITE.format(day=0)) and self._write_new_chunk()):
            if time.monotonic() - begin > 10 * MOST_SECONDS:
                break
            time.sleep(0.1)
        taken = time.monotonic() - begin
        stop.set()
        output = playbook.communicate()[0]
        for writer in writers:
            writer.join()
        if playbook.returncode != 0:
            raise RuntimeError(f"replace_data_node failed:\n{output[-6000:]}")
        mend(victim)
        self.hosts.play(RETURN, timescaledb_repair_nodes=[victim])
        return taken

    def _write_new_chunk(self) -> bool:
        self._day += 1
        return self.hosts.accepts(WRITE.format(day=self._day))

    def _keep_writing(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.hosts.accepts(WRITE.format(day=0))


def _inventory(folder: Path) -> dict[str, object]:
    return {
        "all": {
            "vars": {
                "test_hosts_project": PROJECT,
                "timescaledb_database_password_file": str(folder / "failover.password"),
                "timescaledb_cluster_hypertables": [HYPERTABLE],
                "timescaledb_host_settings": {"shared_buffers": "64MB"},
            }
        },
        "timescale_access_node": {"hosts": {"access": None}},
        "timescale_data_nodes": {"hosts": dict.fromkeys(DATA_NODES)},
    }
