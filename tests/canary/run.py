# GPL-3.0-or-later (see LICENSE)
"""Runs every playbook with known secrets and looks for them wherever a run can leave something: in its output with -vvv and --diff and in Ansible's
log, in command lines and environments of processes, in the logs of servers and systems, in what servers are asked, and in files, on the controller
and on the hosts. At the end secrets are leaked on purpose, to see that each of these places is really looked at.

    run.py [--short]

--short: part of make test. Only some playbooks are run in check mode first. make canary does so with all of them.

The hosts are such that a connection is not root's, and that Ansible has neither acl nor pipelining by itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "stages"))

import machines
import toolbox
from canaries import KEY, PASSWORD, PLANTED, VERIFIER, Canaries, Finding
from controller_log import ControllerLog
from processes import Processes
from recipes import RECIPES, Recipe, without_recipe

HERE = Path(__file__).resolve().parent
CONTAINERS = toolbox.CHECKOUT / "tests" / "containers"
INVENTORIES = (CONTAINERS / "inventory.yml", toolbox.BUILD / "engine.inventory.yml", HERE / "inventory.yml")
LOG = toolbox.BUILD / "canary.log"
RESULT = toolbox.BUILD / "canary.json"
# All that the controller may keep something in: the home of the user who runs it, the project's folder, temporary files, the cache of facts.
WORK = toolbox.BUILD / "canary"
HOME, CACHE, PROJECT = WORK / "home", WORK / "cache", WORK / "project"
SECRETS, PASSWORDS = PROJECT / "secrets.json", PROJECT / "passwords.json"
GENERATED, REPLICATION = PROJECT / "generated.password", PROJECT / "replication.password"
AUTHORITY = PROJECT / "authority"
# Where programs leave files, if they are told nothing else. A run has its own, so that they are not searched among those of others.
ELSEWHERE = {"/tmp": WORK / "tmp", "/var/tmp": WORK / "var-tmp", "/dev/shm": WORK / "shm"}
ALONE = ["unshare", "--mount", "--", "/bin/sh", "-c", 'while [ "$1" != -- ]; do mount --bind "$2" "$1" && shift 2 || exit; done; shift; exec "$@"', "alone"]

# Where a secret belongs: its kind, the channel, the place with mode and owner.
BELONGS = (
    (PASSWORD, "files of hosts", r"\w+:/etc/timescaledb-multinode\.passfile 600 postgres"),
    (PASSWORD, "files of hosts", r"standby1:/etc/timescaledb-multinode\.standby\.passfile 600 postgres"),
    (KEY, "files of hosts", r"\w+:/etc/timescaledb-multinode\.ssl/\w+\.key 600 postgres"),
    (VERIFIER, "files of hosts", r"\w+:/var/lib/postgresql/15/main/(global|pg_wal)/\w+ 600 postgres"),
    (PASSWORD, "files of the controller", r"project/(secrets\.json|passwords\.json|(generated|replication)\.password) 600"),
    (KEY, "files of the controller", r"project/authority/ca\.key 600"),
)
# Where it may be and need not: a statement that sets a password has the verifier, for superusers and members of pg_read_all_stats to see.
TOLERATED = ((VERIFIER, "queries of servers", r"\w+: (ALTER|CREATE) \.\.\."),)
# Where the secret that leak.yml leaks must be found.
LEAKED = (
    ("output", ""),
    ("Ansible's log", ""),
    ("processes", "cmdline of sh"),
    ("processes", "environ of"),
    ("queries of servers", "access: SELECT"),
    ("journals of hosts", "access:"),
    ("log of the controller", ""),
    ("files of hosts", "access:/var/tmp/leaked"),
    ("files of hosts", "access:/var/log/postgresql/"),
    ("files of the controller", "home/leaked"),
    ("files of the controller", "cache/"),
    ("files of the controller", "tmp/leaked"),
)


# Name and output of each run.
Outputs = list[tuple[str, bytes]]


class Failure(Exception):
    """The test cannot go on."""


def main(short: bool) -> int:
    begin = time.monotonic()
    for path in (LOG, RESULT):
        path.unlink(missing_ok=True)
    shutil.rmtree(WORK, ignore_errors=True)
    for path in (HOME, CACHE, PROJECT, *ELSEWHERE.values()):
        path.mkdir(parents=True)
    outcome: dict[str, dict[str, str]] = {"passed": {}, "failed": dict.fromkeys(without_recipe(), "has no line in tests/canary/recipes.py"), "skipped": {}}
    try:
        if not (containers("destroy") and containers("create")):
            raise Failure("the hosts could not be made")
        _run(outcome, short)
    except Failure as failure:
        outcome["failed"]["the run"] = str(failure)
    finally:
        containers("destroy")
    RESULT.write_text(json.dumps(outcome, indent=2) + "\n")
    for verdict, entries in outcome.items():
        for name, remark in entries.items():
            print(f"{verdict}: {name}{': ' * bool(remark)}{remark}")
    print(f"{time.monotonic() - begin:.0f} s")
    return 1 if outcome["failed"] else 0


def _run(outcome: dict[str, dict[str, str]], short: bool) -> None:
    canaries = Canaries()
    variables = make_secrets(canaries)
    began = time.time()
    outputs: Outputs = []
    log, processes, watches = ControllerLog(), Processes(), machines.Watches()
    processes.start()
    try:
        for recipe in RECIPES:
            if recipe.needs_real and stands_in():
                outcome["skipped"][recipe.name] = f"not on the stand-in: {recipe.needs_real}"
                continue
            for check in (True, False) if recipe.foreseen or not short else (False,):
                play(recipe, check, outputs)
            learn(canaries)
            outcome["passed"][recipe.name] = ""
            print(f"{time.time() - began:6.1f} s   ran {recipe.name}", flush=True)
        leak(canaries.make("what was leaked on purpose", PLANTED), outputs)
        unprivileged()
    except Failure as failure:
        # What has been left until then is looked at all the same.
        outcome["failed"]["the run"] = str(failure)
    finally:
        seen = {"processes": processes.stop(), "queries of servers": watches.stop(), "log of the controller": log.stop()}
    seen |= {"output": outputs, "Ansible's log": [("ansible.log", (WORK / "ansible.log").read_bytes())]}
    seen["journals of hosts"] = [entry for host in machines.HOSTS for entry in machines.journal(host)]
    seen["files of hosts"] = [entry for host in machines.HOSTS for entry in machines.files(host, canaries)]
    print(f"{time.time() - began:6.1f} s   looked {processes.rounds} times at the processes, which took {processes.seconds:.0f} s", flush=True)
    findings = {finding for channel, entries in seen.items() for finding in canaries.search(channel, entries)}
    findings |= canaries.search_files("files of the controller", files_of_the_controller())
    judge(outcome, findings, variables, log.works)


def make_secrets(canaries: Canaries) -> list[str]:
    """The secrets that a user has to give; names of them."""
    passwords = {
        "timescaledb_database_passwords": {"reader": canaries.make("the password of a further role")},
        "timescaledb_cluster_roles": [{"name": "app", "login": True, "password": canaries.make("the password of an application's role")}],
    }
    given = {
        "timescaledb_tls_authority_passphrase": canaries.make("the passphrase of the authority's key"),
        "ansible_become_password": canaries.make("the password for sudo"),
        # There may be others in an inventory, which are none of the collection's business.
        "somebody_elses_password": canaries.make("a password of somebody else in the inventory"),
    }
    places = {
        "timescaledb_database_password_file": str(GENERATED),
        "timescaledb_standby_password_file": str(REPLICATION),
        "timescaledb_tls_authority_dir": str(AUTHORITY),
    }
    keep(SECRETS, json.dumps(given | places))
    keep(PASSWORDS, json.dumps(passwords))
    keep(GENERATED, canaries.make("the first password of the nodes' role"))
    keep(REPLICATION, canaries.make("the password of the role for replication"))
    return sorted([*given, *passwords])


def keep(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def learn(canaries: Canaries) -> None:
    """What has been made by the run that has just ended."""
    canaries.learn("a generated password of the nodes' role", PASSWORD, GENERATED.read_text().strip())
    if (AUTHORITY / "ca.key").exists():
        canaries.learn_keys("the authority's private key", (AUTHORITY / "ca.key").read_text())
    machines.learn(canaries)


def stands_in() -> bool:
    import engine

    return engine.choose().engine == "stand-in"


def command(*arguments: str) -> list[str]:
    return ["ansible-playbook", *(f"--inventory={path}" for path in INVENTORIES), *arguments]


def containers(act: str) -> bool:
    return toolbox.run(command(str(CONTAINERS / f"{act}.yml")), LOG)


def environment() -> dict[str, str]:
    """A user's, who keeps what can be kept."""
    own = {
        "HOME": HOME,
        "ANSIBLE_HOME": HOME / ".ansible",
        "ANSIBLE_CONFIG": HERE / "ansible.cfg",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": CACHE,
        "ANSIBLE_LOG_PATH": WORK / "ansible.log",
        "ANSIBLE_RETRY_FILES_SAVE_PATH": PROJECT,
    }
    return toolbox.environment() | {name: str(value) for name, value in own.items()}


def play(recipe: Recipe, check: bool, outputs: Outputs) -> None:
    variables = [f"@{SECRETS}", *([f"@{PASSWORDS}"] if recipe.by_password else []), json.dumps(recipe.variables)]
    options = [*(["--check"] if check else []), *(f"--extra-vars={given}" for given in variables)]
    _play(outputs, f"timescaledb.multinode.{recipe.playbook}", f"{recipe.name}{' in check mode' * check}", *options)


def leak(planted: str, outputs: Outputs) -> None:
    keep(PROJECT / "planted", planted)
    _play(outputs, str(HERE / "leak.yml"), "leaking", f"--extra-vars=planted_file={PROJECT / 'planted'}")


def _play(outputs: Outputs, playbook: str, name: str, *arguments: str) -> None:
    done = subprocess.run(
        alone(command("-vvv", "--diff", *arguments, playbook)), cwd=PROJECT, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    with LOG.open("ab") as log:
        log.write(b"$ " + name.encode() + b"\n" + done.stdout)
    outputs.append((name, done.stdout))
    if done.returncode != 0:
        raise Failure(f"{name} failed")


def alone(run: list[str]) -> list[str]:
    """With the folders of ELSEWHERE for itself, as far as this user may have that, and nothing that it needs is in them."""
    needed = (str(toolbox.CHECKOUT), str(toolbox.virtual_environment()))
    if os.geteuid() != 0 or any(path.startswith(f"{place}/") for path in needed for place in ELSEWHERE):
        return run
    return [*ALONE, *(part for place, own in ELSEWHERE.items() for part in (place, str(own))), "--", *run]


def unprivileged() -> None:
    """The hosts are what they are said to be: without acl, and reached as somebody who is not root."""
    for host in machines.HOSTS:
        if machines.shell(host, "command -v setfacl"):
            raise Failure(f"{host} has acl")
    if b"ESTABLISH SSH CONNECTION FOR USER: deployer" not in LOG.read_bytes():
        raise Failure("the connection was not the unprivileged user's")


def files_of_the_controller() -> dict[Path, str]:
    """All that the run has left, with their places."""
    paths = [path for path in WORK.rglob("*") if path.is_file() and path.name != "ansible.log"]
    return {path: f"{path.relative_to(WORK)} {path.stat().st_mode & 0o777:o}" for path in paths}


def judge(outcome: dict[str, dict[str, str]], findings: set[Finding], given: list[str], controller_logs: bool) -> None:
    planted = {finding for finding in findings if finding.kind == PLANTED}
    cannot = {
        ("log of the controller", ""): "" if controller_logs else "this machine has no such log, and none can be set up",
        ("processes", "environ of"): "" if os.geteuid() == 0 else "only root may read the environments of hosts' processes",
        ("files of the controller", "tmp/leaked"): "" if alone([]) else "a run cannot have temporary folders for itself here",
    }
    for channel, place in LEAKED:
        name = f"a leak is noticed in {channel}{' of ' * bool(place)}{place}"
        if cannot.get((channel, place)):
            outcome["skipped"][name] = cannot[channel, place]
        elif any(finding.channel == channel and place in finding.place for finding in planted):
            outcome["passed"][name] = ""
        else:
            outcome["failed"][name] = "it is not"
    leaks = sorted(str(finding) for finding in findings - planted if not belongs(finding))
    for number, text in enumerate(leaks, 1):
        outcome["failed"][f"leak {number}"] = text
    # What is nowhere at all has not been part of the run.
    for kind, channel, place in BELONGS:
        name = f"{kind} where it belongs, {channel} {place}"
        if any(finding.kind == kind and finding.channel == channel and re.fullmatch(place, finding.place) for finding in findings):
            outcome["passed"][name] = ""
        elif kind == KEY and stands_in():
            outcome["skipped"][name] = "not on the stand-in"
        else:
            outcome["failed"][name] = "it is not there"
    if not leaks:
        outcome["passed"]["no secret where it does not belong"] = f"given: {', '.join(given)}"


def belongs(finding: Finding) -> bool:
    places = (*BELONGS, *TOLERATED)
    return any(finding.kind == kind and finding.channel == channel and re.fullmatch(place, finding.place) for kind, channel, place in places)


if __name__ == "__main__":
    sys.exit(main("--short" in sys.argv[1:]))
