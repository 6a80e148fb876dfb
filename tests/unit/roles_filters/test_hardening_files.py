# GPL-3.0-or-later (see LICENSE)
"""What hosts say of their files, and the table."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

import pytest
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._hardening import as_table, with_modes

SCRIPT = Path(__file__).resolve().parents[3] / "roles/timescaledb_host/files/modes.sh"
NODE = "dn1"


def run(*paths: Path) -> str:
    return subprocess.run(["/bin/sh", SCRIPT, *paths], check=True, capture_output=True, text=True).stdout


def report(*paths: Path, kind: str = "client key", node_name: str | None = NODE) -> dict:
    files = [dict(path=str(path), kind=kind) for path in paths]
    return dict(findings=[], not_looked_at=[dict(node_name=node_name, what="modes of files", reason="elsewhere", files=files)])


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "with a\ttab and 'quotes.key"
    path.touch()
    path.chmod(0o604)
    return path


@pytest.mark.parametrize("folder, severity", [(0o755, "high"), (0o1777, "high"), (0o750, "low"), (0o1776, "low")])
@pytest.mark.parametrize("node_name", [NODE, None])
def test_a_file_is_judged_by_its_mode_and_by_the_way_to_it(key, folder, severity, node_name):
    for above in key.parents:
        # pytest's own folders are closed to others, down from the first.
        if any(path.name.startswith("pytest-of-") for path in (above, *above.parents)):
            above.chmod(0o755)
    key.parent.chmod(folder)
    found = with_modes(report(key, node_name=node_name), [dict(node_name=node_name or "", output=run(key))])
    (finding,) = found["findings"]
    assert (finding["node_name"], finding["severity"], finding["object"]) == (node_name, severity, str(key))
    assert f"{getpass.getuser()}:" in finding["finding"] and "0604" in finding["finding"]
    assert found["not_looked_at"] == []


def test_what_is_as_it_should_be_is_no_finding(key):
    key.chmod(0o600)
    assert with_modes(report(key), [dict(node_name=NODE, output=run(key))]) == dict(findings=[], not_looked_at=[])


def test_what_was_not_there_stays_unseen(key, tmp_path):
    key.chmod(0o600)
    gone = tmp_path / "gone"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(gone)
    found = with_modes(report(key, gone, dangling), [dict(node_name=NODE, output=run(key, gone, dangling))])
    assert [file["path"] for file in found["not_looked_at"][0]["files"]] == [str(gone), str(dangling)]


@pytest.mark.parametrize("hosts", [[], [dict(node_name="dn2", output="")], [dict(node_name=NODE, output="")], [dict(node_name=NODE, output="sh: not found\n")]])
def test_a_host_that_said_nothing_is_still_listed(key, hosts):
    assert with_modes(report(key), hosts) == report(key)


def test_other_gaps_stay():
    gap = dict(node_name=NODE, what="everything", reason="no route", files=[])
    assert with_modes(dict(findings=[], not_looked_at=[gap]), [dict(node_name=NODE, output="")])["not_looked_at"] == [gap]


def test_table():
    entry = dict(node_name=None, severity="high", check="c", object="/a/long/path/" + "x" * 40, finding="it is so " * 10, why="w", remedy="change it")
    lines = as_table(dict(findings=[entry, dict(entry, node_name=NODE)], not_looked_at=report(Path("/p"))["not_looked_at"]))
    assert lines[0].split() == ["node", "severity", "object", "finding", "remedy"]
    assert lines[1].startswith("access node       high      /a/long/path/xxx") and lines[1].endswith("change it")
    assert lines[-1] == "Not looked at: modes of files of dn1: elsewhere (/p)"
    assert all(len(line) <= 170 for line in lines)
    assert as_table(dict(findings=[], not_looked_at=[])) == ["Nothing was found."]
