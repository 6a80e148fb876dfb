# GPL-3.0-or-later (see LICENSE)
"""The playbooks replace_data_node, return_data_node and heal, run by ansible-playbook against servers of this machine that die and come back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time

import psycopg2
import pytest
from _cluster import Cluster
from _fleet import Fleet
from _prepared import leave, prepare
from _servers import TESTS
from ansible_collections.community.postgresql.plugins.module_utils import postgres

sys.path.insert(0, str(TESTS / "stages"))

import toolbox

pytestmark = pytest.mark.real_engine("it does not copy chunks between data nodes")
NODES = ("m1", "m2", "m3")


class Mortals(Fleet):
    """A fleet with two copies of everything, of which data nodes may die; runs playbooks on it."""

    def __init__(self, cluster: Cluster, servers, folder) -> None:
        super().__init__(cluster, servers)
        self._folder = folder
        # The role logs in by the socket: its folder is libpq's default here.
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nPGHOST={cluster.an.root} exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        host = dict(ansible_connection="local", ansible_python_interpreter=str(python), ansible_become=False, timescaledb_host_port=cluster.an.port)
        hosts = {"timescale_access_node": {"hosts": {"an": host}}, "timescale_data_nodes": {"hosts": dict.fromkeys(NODES)}}
        inventory = {"all": {"vars": {"timescaledb_database_name": cluster.database}, "children": hosts}}
        (folder / "inventory.json").write_text(json.dumps(inventory))

        # As _prepared asks a cluster.
        self.an, self.database, self.query, self.dn = cluster.an, cluster.database, cluster.query, self.servers.__getitem__

    def play(self, name: str, *arguments: str, fails: bool = False, **variables: object) -> tuple[int, str]:
        """Tasks that changed something, and what was printed."""
        collections = f"{toolbox.COLLECTIONS}:{postgres.__file__.partition('/ansible_collections/')[0]}"
        environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=collections, ANSIBLE_HOME=str(self._folder), ANSIBLE_NOCOLOR="1", COLUMNS="200")
        extra = [part for key, value in variables.items() for part in ("-e", json.dumps({f"timescaledb_repair_{key}": value}))]
        command = [str(toolbox.virtual_environment() / "bin/ansible-playbook"), "-i", str(self._folder / "inventory.json"), f"timescaledb.multinode.{name}"]
        done = subprocess.run(
            [*command, *extra, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False
        )
        assert (done.returncode != 0) is fails, done.stdout
        return sum(map(int, re.findall(r"\bchanged=(\d+)", done.stdout))), done.stdout

    def twice(self, name: str, **variables: object) -> str:
        """A run that changes something, and another one that does not."""
        changed, output = self.play(name, **variables)
        assert changed > 0, output
        again, second = self.play(name, **variables)
        assert again == 0, second
        return output

    def write(self, day: str) -> None:
        self.cluster.query(f"INSERT INTO t SELECT '{day} 12:00+00'::timestamptz + n * interval '1 second', n, 1 FROM generate_series(1, 100) n")

    def available(self, name: str) -> bool:
        return self.cluster.nodes()[name][3]

    def copies(self, *names: str) -> None:
        """Each chunk of the table has two copies or more on these data nodes, with the same rows, read from the nodes themselves."""
        found: dict[str, list] = {}
        for name in names:
            for chunk in self.known_on(name):
                query = f"SELECT count(*), sum(value), min(time), max(time) FROM _timescaledb_internal.{chunk}"
                found.setdefault(chunk, []).append(self[name].query(self.cluster.database, query)[0])
        assert found and set(found) == {chunk for name in NODES if name in self.cluster.nodes() for chunk in self.known_on(name)}
        assert all(len(rows) >= 2 and len(set(rows)) == 1 for rows in found.values()), found


@pytest.fixture
def mortals(cluster: Cluster, servers, tmp_path):
    fleet = Mortals(cluster, servers, tmp_path)
    fleet.register(*NODES)
    yield fleet
    for name in NODES:
        if not fleet[name].is_running:
            fleet[name].start()


def test_one_dies_is_replaced_by_the_others_and_comes_back(mortals):
    mortals.distribute(days=3, factor=2, partitions=3)
    rows = mortals.cluster.query("SELECT count(*), sum(value) FROM t")
    committed = leave(mortals, "m2", "COMMIT", recorded=True)
    mortals["m2"].stop("immediate")
    _changed, predicted = mortals.play("replace_data_node", "--check", "--diff", nodes=["m2"])
    assert "available is True, wanted False" in predicted and mortals.available("m2")
    mortals.twice("replace_data_node", nodes=["m2"])
    assert not mortals.available("m2") and mortals.cluster.query("SELECT count(*), sum(value) FROM t") == rows
    mortals.copies("m1", "m3")
    for day in ("2026-01-01", "2026-02-01"):
        mortals.write(day)
    mortals["m2"].start()
    output = mortals.twice("return_data_node", nodes="m2")
    assert "Compare copies" in output and mortals.available("m2")
    mortals.copies(*NODES)
    assert mortals.known_on("m2") == mortals.chunks_on("m2")
    assert mortals["m2"].value(mortals.cluster.database, "SELECT to_regclass(%s) IS NOT NULL", f'public."{committed}"')
    assert mortals.cluster.query("SELECT count(*), sum(value) FROM t") == [(rows[0][0] + 200, rows[0][1] + 200)]


def test_one_dies_for_good(mortals):
    mortals.distribute(days=2, factor=2, partitions=3)
    mortals.distribute("single", days=2, partitions=3)
    (kept,) = mortals.cluster.query("SELECT count(*) FROM t")[0]
    lost = mortals.known_on("m3") - mortals.known_on("m1") - mortals.known_on("m2")
    assert lost
    mortals["m3"].stop("immediate")
    output = mortals.play("replace_data_node", nodes=["m3"], remove=True, fails=True)[1]
    assert "public.single would lose" in output and "lose_chunks" in output and "Traceback" not in output
    # What could be done is done.
    assert not mortals.available("m3")
    output = mortals.twice("replace_data_node", nodes=["m3"], remove=True, lose_chunks=True)
    assert "take it out of the group timescale_data_nodes" in output
    assert set(mortals.cluster.nodes()) == {"m1", "m2"} and mortals.cluster.query("SELECT count(*) FROM t") == [(kept,)]
    mortals.write("2026-01-01")
    assert mortals.cluster.query("SELECT count(*) FROM t") == [(kept + 100,)]


def test_copies_that_differ_are_not_said_to_be_repaired(mortals):
    mortals.distribute(days=1, factor=2, partitions=3)
    mortals.cluster.query("SELECT alter_data_node('m2', available => false)")
    (chunk,) = sorted(mortals.known_on("m2"))[:1]
    with mortals["m2"].connection(mortals.cluster.database, options="-c timescaledb.enable_client_ddl_on_data_nodes=on") as connection:
        table = f"_timescaledb_internal.{chunk}"
        connection.cursor().execute(f"DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})")
    output = mortals.play("return_data_node", nodes=["m2"], fails=True)[1]
    assert "its copies differ" in output and chunk in output


def test_a_copy_that_was_never_compared_with_the_dead_one_does_not_cost_it_its_rows(mortals):
    """Twice bad luck: what makes copies is killed, and then the data node dies that it made them from. The copy is written to meanwhile."""
    mortals.distribute(days=1, partitions=3)
    database, query = mortals.cluster.database, mortals.cluster.query
    query("SELECT set_replication_factor('t', 2)")
    (chunk,) = mortals.known_on("m1")
    table = f"_timescaledb_internal.{chunk}"
    mortals.die_after("complete", f"CALL timescaledb_experimental.copy_chunk('{table}', 'm1', 'm2', 'tsmn_died')")
    mortals["m2"].query(database, f"DELETE FROM {table} WHERE device = (SELECT min(device) FROM {table})")
    rows = mortals["m1"].query(database, f"SELECT count(*), sum(value) FROM {table}")
    mortals["m1"].stop("immediate")
    mortals.play("replace_data_node", nodes=["m1"])
    mortals.write("2026-01-01")
    assert chunk in mortals.known_on("m2") - mortals.known_on("m1")
    output = mortals.play("replace_data_node", nodes=["m1"])[1]
    assert "may have rows that no other data node has" in output and chunk in output
    mortals["m1"].start()
    output = mortals.play("return_data_node", nodes=["m1"], fails=True)[1]
    assert "never compared" in output and chunk in output and "Traceback" not in output
    assert mortals["m1"].query(database, f"SELECT count(*), sum(value) FROM {table}") == rows and not mortals.available("m1")
    # As docs/repair.md says it.
    query("CREATE TABLE rows_of_m1 (LIKE t)")
    for row in mortals["m1"].query(database, f"SELECT time, device, value FROM {table}"):
        query("INSERT INTO rows_of_m1 VALUES (%s, %s, %s)", *row)
    query("INSERT INTO t SELECT * FROM rows_of_m1 EXCEPT ALL (SELECT * FROM t WHERE time BETWEEN '2026-01-01' AND '2026-01-03')")
    query("DELETE FROM _timescaledb_catalog.chunk_copy_operation WHERE operation_id = 'tsmn_died'")
    mortals.play("return_data_node", nodes=["m1"])
    assert mortals.available("m1") and query("SELECT count(*) FROM t") == [(700,)]
    mortals.copies(*NODES)


def test_what_hangs_at_the_dead_one_and_keeps_others_from_making_chunks_is_cancelled(mortals):
    mortals.distribute(days=1, factor=2, partitions=3)
    errors: list[str] = []

    def make_chunks() -> None:
        try:
            mortals.write("2026-03-01")
        except psycopg2.Error as error:
            errors.append(str(error))

    with mortals["m2"].hanging():
        hung = threading.Thread(target=make_chunks)
        hung.start()
        makes = "SELECT 1 FROM pg_locks WHERE mode = 'ShareUpdateExclusiveLock' AND relation = 't'::regclass"
        while not mortals.cluster.query(makes):
            time.sleep(0.1)
        mortals.play("replace_data_node", nodes=["m2"])
        hung.join()
        assert len(errors) == 1 and "canceling statement" in errors[0]
        mortals.write("2026-03-01")
        mortals.copies("m1", "m3")


def test_refusals(mortals):
    for name in ("replace_data_node", "return_data_node"):
        assert "timescaledb_repair_nodes: it is empty" in mortals.play(name, fails=True)[1]
    assert "it answers, so that it is not dead" in mortals.play("replace_data_node", nodes=["m1"], fails=True)[1]
    assert "nobody: it is not registered" in mortals.play("return_data_node", nodes=["nobody"], fails=True)[1]
    mortals["m2"].stop("immediate")
    mortals.cluster.query("SELECT alter_data_node('m2', available => false)")
    assert "no connection as role postgres" in mortals.play("return_data_node", nodes=["m2"], fails=True)[1]
    assert mortals.play("replace_data_node", "--limit", "m1", nodes=["m1"])[0] == 0
    assert mortals.available("m1") and not mortals.available("m2")


def test_heal(mortals):
    committed = leave(mortals, "m1", "COMMIT", recorded=True)
    prepare(mortals, "m3", "of somebody else")
    mortals["m2"].stop("immediate")
    try:
        output = mortals.play("heal", min_age=0)[1]
        assert mortals["m1"].value(mortals.cluster.database, "SELECT to_regclass(%s) IS NOT NULL", f'public."{committed}"')
        assert "none that an access node gives" in output and "no connection as role postgres" in output
        assert mortals.play("heal", min_age=0)[0] == 0
    finally:
        mortals["m3"].query(mortals.cluster.database, "ROLLBACK PREPARED 'of somebody else'")
