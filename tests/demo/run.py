# GPL-3.0-or-later (see LICENSE)
"""make demo: a whole cluster on this machine, deployed twice, with rows in it. --clean removes it again."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from pathlib import Path

sys.path.extend(str(Path(__file__).resolve().parents[1] / folder) for folder in ("stages", "engine", "containers"))

import daemon
import machines
import prepare
import toolbox
from machines import query

LOG = toolbox.BUILD / f"{machines.NAME}.log"
RESULT = toolbox.BUILD / f"{machines.NAME}.json"
ACCESS_NODE = "access"
DATA_NODES = ("data1", "data2")
ROWS = """
INSERT INTO example VALUES ('2020-12-14 13:45', 1, '1.2.3.4');
INSERT INTO example
SELECT timestamptz '2020-12-14 13:45' + n * interval '30 seconds', n % 1000, format('10.0.%s.%s', n % 8, n % 32)
FROM generate_series(1, 100000) AS n;
"""
# A chunk is a child table of the hypertable, on a data node as anywhere.
HELD = """
SELECT (SELECT count(*) FROM example), count(*), sum(pg_total_relation_size(inhrelid))
FROM pg_inherits WHERE inhparent = 'example'::regclass
"""


def main() -> int:
    begin = time.monotonic()
    engine = prepare.prepare()
    print(f"engine: {engine.description}", flush=True)
    toolbox.link_checkout()
    LOG.unlink(missing_ok=True)
    RESULT.unlink(missing_ok=True)
    toolbox.virtual_environment()
    hosts = machines.choose()
    print(f"hosts: one access node, two data nodes, as {hosts.title}", flush=True)
    # What an earlier demo left would hide what a first deployment does.
    if not (hosts.remove(LOG) and hosts.create(LOG)):
        return failed("the hosts could not be made")
    changed = []
    for turn in ("first", "second"):
        changed.append(deploy(hosts, turn))
        if changed[-1] is None:
            return failed(f"the {turn} run of deploy.yml failed")
    query(hosts, ACCESS_NODE, ROWS)
    held = {node: [int(value or 0) for value in query(hosts, node, HELD)[0]] for node in DATA_NODES}
    result = {
        "engine": engine.engine,
        "engine_version": engine.engine_version,
        "access_node": ACCESS_NODE,
        "data_nodes": list(DATA_NODES),
        "rows_total": int(query(hosts, ACCESS_NODE, "SELECT count(*) FROM example")[0][0]),
        "rows_by_node": {node: rows for node, (rows, _chunks, _bytes) in held.items()},
        "first_run_changed": changed[0],
        "second_run_changed": changed[1],
        "seconds": round(time.monotonic() - begin, 1),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    tell(result, held, hosts)
    return verdict(result)


def deploy(hosts: machines.Containers | machines.Local, turn: str) -> int | None:
    """How many tasks changed something, summed over the hosts; None where the run failed."""
    begin = time.monotonic()
    log = LOG.with_name(f"{machines.NAME}-deploy-{turn}.log")
    log.unlink(missing_ok=True)
    succeeded = machines.playbook("timescaledb.multinode.deploy", list(hosts.inventories), log)
    recap = log.read_text().rpartition("PLAY RECAP")[2]
    counts = [int(count) for count in re.findall(r"\bchanged=(\d+)", recap)]
    if not succeeded or not counts:
        print(log.read_text()[-6000:])
        return None
    print(f"{turn} run of deploy.yml: {sum(counts)} changed, {time.monotonic() - begin:.1f} s", flush=True)
    return sum(counts)


def tell(result: dict, held: dict[str, list[int]], hosts: machines.Containers | machines.Local) -> None:
    line = "{:<8} {:>7} {:>9} {:>11}"
    print("\nThe distributed hypertable example:", line.format("node", "chunks", "rows", "bytes"), sep="\n")
    for node, (rows, chunks, size) in held.items():
        print(line.format(node, chunks, rows, size))
    print(f"{result['rows_total']} rows counted through the access node. All figures: {RESULT.relative_to(toolbox.CHECKOUT)}")
    connect = hosts.psql(ACCESS_NODE)
    if "--interactive" in connect:
        connect.insert(connect.index("--interactive"), "--tty")
    print(f"\nConnect to it:   {shlex.join(connect)}\nRemove it all:   make demo-clean", flush=True)


def verdict(result: dict) -> int:
    if result["second_run_changed"] != 0:
        return failed("the second run changed something")
    if result["rows_total"] != 100001 or sum(result["rows_by_node"].values()) != result["rows_total"]:
        return failed("rows are missing")
    if not all(result["rows_by_node"].values()):
        return failed("a data node holds no rows")
    return 0


def failed(reason: str) -> int:
    print(f"FAILED: {reason} (see {LOG.relative_to(toolbox.CHECKOUT)})", file=sys.stderr)
    return 1


def clean() -> int:
    toolbox.virtual_environment()
    toolbox.BUILD.mkdir(exist_ok=True)
    kinds = [machines.Local(), *([machines.Containers()] if daemon.answers() else [])]
    removed = [kind.remove(LOG) for kind in kinds]
    for path in toolbox.BUILD.glob(f"{machines.NAME}[.-]*"):
        path.unlink()
    return 0 if all(removed) else 1


if __name__ == "__main__":
    sys.exit(clean() if sys.argv[1:] == ["--clean"] else main())
