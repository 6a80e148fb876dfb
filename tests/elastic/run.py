# GPL-3.0-or-later (see LICENSE)
"""The cluster of the scenario elastic gets a data node and loses another one; after each act no row is lost and a second run changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / folder) for folder in ("stages", "containers"))

from mortal_hosts import Hosts, told, wanted

GROWN = Path(__file__).resolve().parent / "grown" / "inventory.yml"
ADD, REMOVE, REBALANCE, DEPLOY = (f"timescaledb.multinode.{name}" for name in ("add_data_node", "remove_data_node", "rebalance", "deploy"))
INSERT = """
INSERT INTO conditions
SELECT '2026-01-01'::timestamptz + {day} * interval '1 day' + n * interval '1 second', n % 64, {day} FROM generate_series(1, {rows}) n
"""
ROWS_OF_A_DAY = 60000
CONTENT = "SELECT count(*), sum(value), count(DISTINCT (time, device)) FROM conditions"
NODES = "SELECT string_agg(node_name, ' ' ORDER BY node_name) FROM timescaledb_information.data_nodes"
ATTACHED = "SELECT array_to_string(data_nodes, ' ') FROM timescaledb_information.hypertables WHERE hypertable_name = 'conditions'"
CHUNKS = "SELECT d.node_name, count(*) FROM _timescaledb_catalog.chunk_data_node d GROUP BY 1 ORDER BY 1"
MEMBER = "SELECT (SELECT count(*) FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'), (SELECT count(*) FROM _timescaledb_catalog.hypertable)"
PASSFILE = "/etc/timescaledb-multinode.passfile"


class Story:
    def __init__(self) -> None:
        self.hosts = Hosts.of_scenario("elastic")
        self.days = 0

    def acts(self) -> list[Callable[[], None]]:
        return [self.add, self.rebalance, self.refuse, self.remove]

    def add(self) -> None:
        self.write(days=6)
        self.hosts.twice(ADD, inventory=GROWN)
        wanted(self.hosts.psql("access", NODES) == "data1 data2 data3", "data3 is registered")
        wanted(sorted(self.hosts.psql("access", ATTACHED).split()) == ["data1", "data2", "data3"], "the hypertable is attached to data3")
        wanted("data3" not in self.chunks(), "no chunk was moved without being asked for")
        self.write(days=2)
        wanted(self.chunks().get("data3", 0) > 0, "new chunks go to data3")
        self.check()

    def rebalance(self) -> None:
        predicted, output = self.hosts.play(REBALANCE, GROWN, check=True)
        wanted(predicted == 1 and "Plan: " in output, "check mode shows the plan")
        self.hosts.twice(REBALANCE, inventory=GROWN)
        counts = self.chunks()
        wanted(max(counts.values()) - min(counts.values()) <= 1, f"the data nodes have as many chunks: {counts}")
        self.check()

    def refuse(self) -> None:
        """What cannot be done is refused before anything is."""
        before = self.chunks()
        _changed, output = self.hosts.play(REMOVE, GROWN, fails=True)
        wanted("no data node leaves" in output, "no data node is named")
        _changed, output = self.hosts.play(REMOVE, GROWN, fails=True, timescaledb_rebalance_leaving=["data1", "data2", "data3"])
        wanted("that no data node can take" in output, "somebody has to take the chunks")
        _changed, output = self.hosts.play(DEPLOY, GROWN, fails=True, timescaledb_cluster_leaves=True)
        wanted("run remove_data_node" in output, "deploy does not register what leaves")
        wanted(self.chunks() == before, "nothing was moved")

    def remove(self) -> None:
        predicted, _output = self.hosts.play(REMOVE, GROWN, check=True, timescaledb_rebalance_leaving=["data1"])
        wanted(predicted > 0 and self.chunks().get("data1", 0) > 0, "check mode moves nothing")
        self.hosts.twice(REMOVE, inventory=GROWN, timescaledb_rebalance_leaving=["data1"])
        wanted(self.hosts.psql("access", NODES) == "data2 data3", "data1 is not registered any more")
        wanted(self.hosts.psql("data1", MEMBER) == "0|0", "nothing of the cluster is left on data1")
        for host in ("access", "data2", "data3"):
            wanted("data1" not in self.hosts.shell(host, f"cat {PASSFILE}"), f"{host} has no password for data1")
        wanted("timescaledb.multinode" not in self.hosts.shell("data1", "cat /etc/postgresql/15/main/pg_hba.conf"), "data1 lets nobody of the cluster in")
        wanted(self.hosts.shell("data1", f"ls {PASSFILE} 2>/dev/null || true") == "", "data1 has no password of the cluster")
        address = self.hosts.shell("data1", "hostname -i")
        wanted(address not in self.hosts.shell("data2", "cat /etc/postgresql/15/main/pg_hba.conf"), "data2 does not let data1 in")
        self.write(days=1)
        self.check()

    def write(self, days: int) -> None:
        for _day in range(days):
            self.hosts.psql("access", INSERT.format(day=self.days, rows=ROWS_OF_A_DAY))
            self.days += 1

    def chunks(self) -> dict[str, int]:
        return {name: int(count) for name, count in (line.split("|") for line in self.hosts.psql("access", CHUNKS).splitlines())}

    def check(self) -> None:
        rows = ROWS_OF_A_DAY * self.days
        content = self.hosts.psql("access", CONTENT)
        wanted(content == f"{rows}|{sum(range(self.days)) * ROWS_OF_A_DAY}|{rows}", f"no row is lost and none is there twice: {content}")


if __name__ == "__main__":
    sys.exit(told(lambda: Story().acts()))
