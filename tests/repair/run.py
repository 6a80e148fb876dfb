# GPL-3.0-or-later (see LICENSE)
"""Data nodes of the scenario repair are killed, replaced, brought back and cut off; after each act no row is lost and a second run changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / folder) for folder in ("stages", "containers"))

from mortal_hosts import Hosts, told, wanted

HERE = Path(__file__).resolve().parent
REPLACED, MOVED = (HERE / name / "inventory.yml" for name in ("replaced", "moved"))
REPLACE, RETURN, HEAL = (f"timescaledb.multinode.{name}" for name in ("replace_data_node", "return_data_node", "heal"))
INSERT = """
INSERT INTO conditions
SELECT '2026-01-01'::timestamptz + {day} * interval '1 day' + n * interval '1 minute', n % 60, {day} FROM generate_series(1, 600) n
"""
ROWS_OF_A_DAY = 600
CONTENT = "SELECT count(*), sum(value), count(DISTINCT (time, device)) FROM conditions"
COPIES = """
SELECT c.table_name, string_agg(d.node_name, ' ' ORDER BY d.node_name)
  FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.chunk_data_node d ON d.chunk_id = c.id GROUP BY 1 ORDER BY 1
"""
# What a crash leaves between the two phases: a commit that the access node has recorded, and that a data node has not heard of.
PREPARED = """
BEGIN;
INSERT INTO _timescaledb_catalog.remote_txn
SELECT 'data2', format('ts-1-%s-%s-10', txid_current() % 4294967296, (SELECT oid FROM pg_foreign_server WHERE srvname = 'data2'));
COMMIT;
SELECT remote_transaction_id FROM _timescaledb_catalog.remote_txn ORDER BY split_part(remote_transaction_id, '-', 3)::bigint DESC LIMIT 1
"""


class Story:
    def __init__(self) -> None:
        self.hosts = Hosts.of_scenario("repair")
        self.days = 0

    def acts(self) -> list[Callable[[], None]]:
        return [self.begin, self.kill_and_replace, self.bring_back, self.cut_off_and_put_another_in_its_place, self.move, self.heal]

    def begin(self) -> None:
        self.write(days=3)
        gid = self.hosts.psql("access", PREPARED).splitlines()[-1]
        self.hosts.psql("data2", f"BEGIN; CREATE TABLE healed (); PREPARE TRANSACTION '{gid}'")
        self.hosts.play(REPLACE, fails=True, timescaledb_repair_nodes=["data2"])  # it is alive
        self.check({"data1", "data2", "data3"})

    def kill_and_replace(self) -> None:
        self.hosts.kill("data2")
        predicted, output = self.hosts.play(REPLACE, check=True, timescaledb_repair_nodes=["data2"])
        wanted(predicted > 0 and "available is True, wanted False" in output, "check mode shows what would be done")
        self.hosts.twice(REPLACE, timescaledb_repair_nodes=["data2"])
        self.check({"data1", "data3"})
        self.write(days=2)

    def bring_back(self) -> None:
        self.hosts.boot("data2")
        self.hosts.twice(RETURN, timescaledb_repair_nodes="data2")
        wanted(self.hosts.psql("data2", "SELECT count(*) FROM pg_prepared_xacts") == "0", "nothing is prepared any more")
        wanted(self.hosts.psql("data2", "SELECT to_regclass('healed')") == "healed", "what was recorded is committed")
        self.write(days=2)
        wanted(self.hosts.psql("data2", f"SELECT count(*) FROM conditions WHERE value = {self.days - 1}") != "0", "it takes new rows")
        self.check({"data1", "data2", "data3"})

    def cut_off_and_put_another_in_its_place(self) -> None:
        self.hosts.cut("data3")
        self.hosts.twice(REPLACE, inventory=REPLACED, timescaledb_repair_nodes=["data3"], timescaledb_repair_remove=True)
        nodes = self.hosts.psql("access", "SELECT string_agg(node_name, ' ' ORDER BY node_name) FROM timescaledb_information.data_nodes")
        wanted(nodes == "data1 data2 data4", f"data4 has taken the place of data3: {nodes}")
        self.write(days=1)
        self.check({"data1", "data2", "data4"})

    def move(self) -> None:
        """As after the promotion of a standby: the data node has another address."""
        self.hosts.cut("data1")
        self.hosts.connect("data1", "elsewhere")
        self.hosts.twice(REPLACE, inventory=MOVED, timescaledb_repair_nodes=["data1"], timescaledb_repair_repoint=True)
        options = self.hosts.psql("access", "SELECT options FROM timescaledb_information.data_nodes WHERE node_name = 'data1'")
        wanted("host=elsewhere" in options, f"the access node knows the new address: {options}")
        self.write(days=1)
        self.check({"data1", "data2", "data4"})

    def heal(self) -> None:
        changed, _output = self.hosts.play(HEAL, inventory=MOVED)
        wanted(changed == 0, "there is nothing to heal")

    def write(self, days: int) -> None:
        for _day in range(days):
            self.hosts.psql("access", INSERT.format(day=self.days))
            self.days += 1

    def check(self, nodes: set[str]) -> None:
        """Every row is there once, and each chunk has its copies, with the same rows, on two or more of these nodes."""
        rows = ROWS_OF_A_DAY * self.days
        content = self.hosts.psql("access", CONTENT)
        wanted(content == f"{rows}|{sum(range(self.days)) * ROWS_OF_A_DAY}|{rows}", f"no row is lost and none is there twice: {content}")
        for line in self.hosts.psql("access", COPIES).splitlines():
            chunk, _bar, names = line.partition("|")
            holders = set(names.split()) & nodes
            counts = {self.hosts.psql(name, f'SELECT count(*), sum(value) FROM _timescaledb_internal."{chunk}"') for name in holders}
            wanted(len(holders) >= 2 and len(counts) == 1, f"copies of {chunk} on {names}: {counts}")


if __name__ == "__main__":
    sys.exit(told(lambda: Story().acts()))
