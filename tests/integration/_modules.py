# GPL-3.0-or-later (see LICENSE)
"""Runs a module as Ansible's wrapper does, in a process of its own, without the wrapper's unpacking and start."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import runpy
import signal
import sys
import traceback
from typing import Any

from ansible.module_utils import basic

COLLECTION = "ansible_collections.timescaledb.multinode"
# What every module imports is loaded once, before the forks.
importlib.import_module("ansible_collections.community.postgresql.plugins.module_utils.postgres")


def run_module(name: str, arguments: dict[str, Any], check: bool = False, diff: bool = True, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """The result of one run, as the module printed it. Raises AssertionError where it printed none."""
    arguments = dict(arguments, _ansible_check_mode=check, _ansible_diff=diff, _ansible_module_name=name)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run_in_child(name, arguments, writer, environment or {})
    os.close(writer)
    with open(reader) as output:
        try:
            text = output.read()
        except BaseException:
            os.kill(child, signal.SIGABRT)
            print(f"{name} hung:\n{output.read()}")
            raise
    os.waitpid(child, 0)
    try:
        result = json.loads(text)
        result["warnings"] = [warning if isinstance(warning, str) else warning["event"]["msg"] for warning in result.get("warnings", [])]
        return result
    except ValueError:
        raise AssertionError(f"{name} printed no result:\n{text}") from None


def start_module(name: str, arguments: dict[str, Any]) -> int:
    """Begin a run that nobody listens to, and return its process."""
    arguments = dict(arguments, _ansible_module_name=name)
    child = os.fork()
    if child == 0:
        _run_in_child(name, arguments, os.open(os.devnull, os.O_WRONLY), {})
    return child


def _run_in_child(name: str, arguments: dict[str, Any], writer: int, environment: dict[str, str]) -> None:
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    faulthandler.enable(2)
    sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, closefd=False)
    os.environ.update(environment)
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    basic._ANSIBLE_PROFILE = "legacy"  # ansible-core 2.19 and newer
    try:
        runpy.run_module(f"{COLLECTION}.plugins.modules.{name}", run_name="__main__", alter_sys=True)
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)  # the parent's connections and fixtures are not ours to clean up
