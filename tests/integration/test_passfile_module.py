# GPL-3.0-or-later (see LICENSE)
"""The password file: what libpq makes of it, and who may read it when."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest
from _modules import run_module
from _servers import PASSWORD, SECURED
from ansible_collections.timescaledb.multinode.plugins.modules.timescale_passfile import make_directory

OWNER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def keep(path: Path, *hosts: str, check: bool = False, **options) -> dict:
    options = {"database": "metrics", "role": "postgres", "password": "secret", "owner": OWNER, "group": GROUP} | options
    nodes = [{"host": host} for host in hosts]
    return run_module("timescale_passfile", {"path": str(path), "nodes": nodes} | options, check=check)


def logins(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def test_a_new_file_and_a_second_run(folder):
    path = folder / "passfile"
    predicted = keep(path, "dn1", "dn2", check=True)
    assert predicted["changed"] and not path.exists()
    result = keep(path, "dn1", "dn2")
    assert result["changed"] and result["diff"] == predicted["diff"]
    assert logins(path) == ["dn1:5432:metrics:postgres:secret", "dn2:5432:metrics:postgres:secret"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not keep(path, "dn1", "dn2")["changed"]
    assert list(folder.iterdir()) == [path]


def test_lines_of_others_are_kept_behind_ours(folder):
    path = folder / "passfile"
    path.write_text("dn9:*:*:backup:theirs\n")
    path.chmod(0o600)
    keep(path, "dn1")
    assert keep(path, "dn2")["changed"]
    assert logins(path) == ["dn2:5432:metrics:postgres:secret", "dn9:*:*:backup:theirs"]
    assert not keep(path, "dn2")["changed"]


@pytest.mark.parametrize("mode", [0o644, 0o400])
def test_a_file_that_others_may_read_is_closed(folder, mode):
    path = folder / "passfile"
    keep(path, "dn1")
    path.chmod(mode)
    assert keep(path, "dn1", check=True)["changed"]
    assert keep(path, "dn1")["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not keep(path, "dn1")["changed"]


def test_no_moment_at_which_others_may_read_it(folder):
    path = folder / "passfile"
    seen, done = set(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            for entry in os.scandir(folder):
                try:
                    seen.add(stat.S_IMODE(entry.stat().st_mode))
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    for round_ in range(10):
        keep(path, "dn1", password=f"secret{round_}")
    done.set()
    watcher.join()
    assert seen == {0o600}


def test_passwords_are_in_no_result(folder):
    path = folder / "passfile"
    path.write_text("dn9:*:*:backup:th\\:eirs\n")
    for result in (keep(path, "dn1", password="canary", check=True), keep(path, "dn1", password="canary"), keep(path, "dn1", password="canary")):
        assert "canary" not in str(result) and "eirs" not in str(result["diff"])
    assert "dn9:*:*:backup:********" in result["diff"]["after"]


def test_missing_directories_are_made_for_the_owner_alone(folder):
    path = folder / "a" / "b" / "passfile"
    assert keep(path, "dn1", check=True)["changed"] and not path.parents[1].exists()
    keep(path, "dn1")
    assert logins(path) and [stat.S_IMODE(place.stat().st_mode) for place in (folder, *path.parents[:2])] == [0o755, 0o700, 0o700]


def test_a_link_is_followed(folder):
    place, path = folder / "place", folder / "passfile"
    place.touch(0o600)
    path.symlink_to(place)
    keep(path, "dn1")
    assert path.is_symlink() and logins(place) == ["dn1:5432:metrics:postgres:secret"]


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"password": "two\nlines"}, "line break"),
        ({"owner": "nobody-of-that-name"}, "nobody-of-that-name"),
        ({"path": "/dev/null/passfile"}, "/dev/null/passfile: Not a directory"),
        ({"path": "/"}, "Is a directory"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(folder, options, expected):
    result = keep(options.get("path", folder / "passfile"), "dn1", **{name: value for name, value in options.items() if name != "path"})
    assert result["failed"] and expected in result["msg"] and "Remedy" in result["msg"] and "Traceback" not in str(result)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("password", ['odd: "quote" it\'s \\ 100%:\\', "naïve ☃"])
def test_libpq_logs_in_by_it(cluster, folder, password):
    path = folder / "passfile"
    place = {"host": "127.0.0.1", "port": cluster.an.port}

    def log_in(passfile: Path) -> None:
        psycopg2.connect(**place, dbname=cluster.database, user=SECURED, passfile=str(passfile)).close()

    cluster.query(f"ALTER ROLE {SECURED} PASSWORD %s", password)
    try:
        keep(path, database=cluster.database, role=SECURED, password="another", nodes=[place])
        with pytest.raises(psycopg2.OperationalError):
            log_in(path)
        keep(path, database=cluster.database, role=SECURED, password=password, nodes=[place])
        log_in(path)
    finally:
        cluster.query(f"ALTER ROLE {SECURED} PASSWORD %s", PASSWORD)


def test_the_block_is_taken_away_and_with_it_a_file_that_has_nothing_else(folder):
    path = folder / "passfile"
    absent = dict(path=str(path), state="absent", owner=OWNER, group=GROUP)
    assert not run_module("timescale_passfile", absent)["changed"]
    keep(path, "dn1")
    predicted = run_module("timescale_passfile", absent, check=True)
    assert predicted["changed"] and path.exists()
    result = run_module("timescale_passfile", absent)
    assert result["changed"] and result["diff"] == predicted["diff"] and not path.exists()
    assert "secret" not in str(result)
    assert not run_module("timescale_passfile", absent)["changed"]


def test_lines_of_others_stay_when_the_block_goes(folder):
    path = folder / "passfile"
    path.write_text("dn9:*:*:backup:theirs\n")
    keep(path, "dn1", passwords={"app": "another secret"})
    assert "dn1:5432:metrics:app:another secret" in logins(path)
    assert run_module("timescale_passfile", dict(path=str(path), state="absent", owner=OWNER, group=GROUP))["changed"]
    assert path.read_text() == "dn9:*:*:backup:theirs\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_directories_that_several_runs_make_at_once(folder):
    """As on a machine that is two hosts of the inventory."""
    runs, rounds = 8, 50
    together = threading.Barrier(runs)

    def make(dummy: int) -> None:
        for round_ in range(rounds):
            together.wait(timeout=10)
            make_directory(str(folder / f"{round_}" / "a" / "b"), os.getuid(), os.getgid())

    with ThreadPoolExecutor(max_workers=runs) as pool:
        list(pool.map(make, range(runs)))
    made = list(folder.rglob("*"))
    assert len(made) == 3 * rounds and {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives directories to others")
def test_directories_belong_to_the_owner_of_the_file(folder):
    keep(folder / "a" / "b" / "passfile", "dn1", owner="postgres", group="postgres")
    owner = pwd.getpwnam("postgres")
    for path in (folder / "a", folder / "a" / "b"):
        assert (path.stat().st_uid, path.stat().st_gid) == (owner.pw_uid, owner.pw_gid)
