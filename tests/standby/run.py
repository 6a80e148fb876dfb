# GPL-3.0-or-later (see LICENSE)
"""Standbys of the scenario standby follow their primaries and take their places: one whose primary is dead, and one whose primary is alive.

No committed row is lost, what was fenced stays so, and a second run changes nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / folder) for folder in ("stages", "containers"))

from mortal_hosts import Hosts, told, wanted

HERE = Path(__file__).resolve().parent
# The inventory as it has to be after each of the promotions.
ONE, BOTH = (HERE / name / "inventory.yml" for name in ("one", "both"))
DEPLOY, PROMOTE = (f"timescaledb.multinode.{name}" for name in ("deploy", "promote_standby"))
PAIRS = {"access": "access-standby", "data1": "data1-standby"}
INSERT = """
INSERT INTO conditions
SELECT '2026-01-01'::timestamptz + {day} * interval '1 day' + n * interval '1 minute', n % 60, {day} FROM generate_series(1, 600) n
"""
ROWS_OF_A_DAY = 600
CONTENT = "SELECT count(*), sum(value), count(DISTINCT (time, device)) FROM conditions"
SENDERS = """
SELECT s.application_name, s.state, r.slot_name, s.usename
  FROM pg_stat_replication s JOIN pg_replication_slots r ON r.active_pid = s.pid WHERE r.slot_type = 'physical'
"""
# All that hot standby asks of its primary's settings.
LIMITS = """
SELECT name, setting::int FROM pg_settings
 WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction') ORDER BY 1
"""


class Story:
    def __init__(self) -> None:
        self.hosts = Hosts.of_scenario("standby")
        self.days = 0

    def acts(self) -> list[Callable[[], None]]:
        return [
            self.look, self.finish_a_copy, self.refuse, self.promote_for_a_dead_data_node, self.tell_the_inventory,
            self.promote_for_a_living_access_node, self.make_the_old_one_a_standby,
        ]  # fmt: skip

    def look(self) -> None:
        self.write("access", days=3)
        for primary, standby in PAIRS.items():
            self.streams(primary, standby)
            limits = [dict(line.split("|") for line in self.hosts.psql(host, LIMITS).splitlines()) for host in (primary, standby)]
            wanted(all(int(limits[1][name]) >= int(value) for name, value in limits[0].items()), f"no limit is lower on {standby}: {limits}")
            shown = self.hosts.psql(standby, "SHOW primary_conninfo")
            wanted("password=" not in shown and "passfile=" in shown, f"no password is shown: {shown}")
            mode = self.hosts.shell(standby, "stat --format='%U %a' /etc/timescaledb-multinode.standby.passfile")
            wanted(mode == "postgres 600", f"its file is closed to others: {mode}")

    def finish_a_copy(self) -> None:
        """A run died in the middle of a base backup: what it left is known by its mark, and replaced."""
        self.hosts.shell("data1-standby", "pg_ctlcluster 15 main stop; rm -rf /var/lib/postgresql/15/main/base /var/lib/postgresql/15/main/standby.signal")
        _changed, output = self.hosts.play(DEPLOY, fails=True)
        wanted("has data that are no standby's" in output, "without the mark nothing is overwritten")
        self.hosts.shell("data1-standby", "echo /var/lib/postgresql/15/main >/etc/timescaledb-multinode.cloning-var-lib-postgresql-15-main")
        self.hosts.twice(DEPLOY)
        self.streams("data1", "data1-standby")

    def refuse(self) -> None:
        _changed, output = self.hosts.play(PROMOTE, fails=True, timescaledb_standby_promote=["data2"])
        wanted("data2 is no standby" in output, "only standbys are promoted")
        self.hosts.shell("data1-standby", "pg_ctlcluster 15 main stop")
        _changed, output = self.hosts.play(PROMOTE, fails=True, timescaledb_standby_promote=["data1-standby"])
        wanted("its server does not run" in output, "only running ones are promoted")
        self.hosts.shell("data1-standby", "pg_ctlcluster 15 main start")
        self.streams("data1", "data1-standby")
        self.check("access")

    def promote_for_a_dead_data_node(self) -> None:
        self.caught_up("data1", "data1-standby")
        self.hosts.kill("data1")
        _changed, output = self.hosts.play(PROMOTE, fails=True, timescaledb_standby_promote=["data1-standby"])
        wanted("timescaledb_standby_primary_is_dead" in output, "a primary that does not answer is dead only if somebody says so")
        wanted(self.hosts.psql("data1-standby", "SELECT pg_is_in_recovery()") == "t", "nothing was promoted")
        self.hosts.twice(PROMOTE, timescaledb_standby_promote="data1-standby", timescaledb_standby_primary_is_dead=True)
        options = self.hosts.psql("access", "SELECT options FROM timescaledb_information.data_nodes WHERE node_name = 'data1'")
        wanted("host=data1-standby" in options, f"the access node knows the new place: {options}")
        self.check("access")
        self.write("access", days=2)
        self.hosts.boot("data1")
        self.hosts.twice(PROMOTE, timescaledb_standby_promote="data1-standby", timescaledb_standby_primary_is_dead=True)
        wanted(self.hosts.shell("data1", "pg_lsclusters --no-header").split()[3] == "down", "one that comes back is fenced by another run")
        self.check("access")

    def tell_the_inventory(self) -> None:
        self.hosts.twice(DEPLOY, inventory=ONE)
        self.streams("access", "access-standby")
        self.check("access")

    def promote_for_a_living_access_node(self) -> None:
        predicted, _output = self.hosts.play(PROMOTE, inventory=ONE, check=True, timescaledb_standby_promote=["access-standby"])
        wanted(predicted > 0 and self.hosts.psql("access", "SELECT 1") == "1", "check mode says that something would be done, and does nothing")
        self.write("access", days=1)
        self.hosts.twice(PROMOTE, inventory=ONE, timescaledb_standby_promote=["access-standby"])
        self.hosts.shell("access", "systemctl restart postgresql; systemctl start postgresql@15-main; pg_ctlcluster 15 main start; true")
        self.hosts.kill("access")
        subprocess.run(["docker", "start", "timescaledb-multinode-standby-access"], check=True, stdout=subprocess.DEVNULL)
        self.hosts.shell("access", "systemctl is-system-running --wait || true")
        wanted(not self.hosts.accepts("SELECT 1"), "the old access node is down, and nothing starts it")
        self.check("access-standby")
        self.write("access-standby", days=1)

    def make_the_old_one_a_standby(self) -> None:
        _changed, output = self.hosts.play(DEPLOY, inventory=BOTH, fails=True)
        wanted("timescaledb_standby_overwrite" in output, "the data of a former primary are given up only if somebody says so")
        self.hosts.play(DEPLOY, inventory=BOTH, timescaledb_standby_overwrite=True)
        changed, output = self.hosts.play(DEPLOY, inventory=BOTH)
        wanted(changed == 0, f"a second run changes nothing:\n{output[-4000:]}")
        self.streams("access-standby", "access")
        self.check("access-standby")

    def streams(self, primary: str, standby: str) -> None:
        expected = f"{standby}|streaming|timescaledb_standby_{standby.replace('-', '_')}|timescaledb_replication"
        self.until(lambda: self.hosts.psql(primary, SENDERS) == expected, f"{standby} streams from {primary}")
        wanted(self.hosts.psql(standby, "SELECT pg_is_in_recovery()") == "t", f"{standby} takes no writes")
        self.caught_up(primary, standby)

    def caught_up(self, primary: str, standby: str) -> None:
        end = self.hosts.psql(primary, "SELECT pg_current_wal_lsn()")
        self.until(lambda: self.hosts.psql(standby, f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == "t", f"{standby} has all of {primary}")

    @staticmethod
    def until(fulfilled: Callable[[], bool], what: str, seconds: int = 60) -> None:
        end = time.monotonic() + seconds
        while not fulfilled():
            wanted(time.monotonic() < end, f"within {seconds} s: {what}")
            time.sleep(0.3)

    def write(self, access_node: str, days: int) -> None:
        for _day in range(days):
            self.hosts.psql(access_node, INSERT.format(day=self.days))
            self.days += 1
        self.check(access_node)

    def check(self, access_node: str) -> None:
        """Every row is there, once."""
        rows = ROWS_OF_A_DAY * self.days
        content = self.hosts.psql(access_node, CONTENT)
        wanted(content == f"{rows}|{sum(range(self.days)) * ROWS_OF_A_DAY}|{rows}", f"no row is lost and none is there twice: {content}")


if __name__ == "__main__":
    sys.exit(told(lambda: Story().acts()))
