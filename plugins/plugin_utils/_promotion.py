# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Reasons not to promote a standby, found before its primary is fenced. No I/O."""

from __future__ import annotations

from typing import Any

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._preflight import finding

_DEAD = "timescaledb_standby_primary_is_dead=true"


def promotion_findings(standby: dict[str, Any]) -> list[dict[str, str]]:
    """Findings about one standby; none where it is promoted already and its primary is fenced or dead.

    Args:
        standby: name, primary (its name), dead (what it lacks is given up), probe and primary_probe (of _probe.parse_probe).
    """
    probe, primary, mine = standby["probe"], standby["primary_probe"], f"standby of {standby['primary']}"
    found = []

    def find(cause: str, remedy: str) -> None:
        found.append(finding(standby["name"], mine, cause, remedy))

    if not probe.get("family"):
        find("it cannot be reached", "start it, or correct ansible_host, the login or become")
    elif probe["port"] is None:
        find("its server does not run", "start it")
    if found:
        return found
    # Without a family nobody has answered there.
    reached, runs = bool(primary.get("family")), primary.get("port") is not None
    theirs = primary.get("system_identifier")
    if theirs and theirs != probe["system_identifier"]:
        find(f"its data are not those of {standby['primary']} ({probe['system_identifier']} and {theirs})", "correct timescaledb_standby_of")
    elif not probe["recovery"]:
        if runs and not primary["recovery"] and not standby["dead"]:
            cause = f"it was promoted, and {standby['primary']} takes writes as well"
            find(cause, f"to stop that one for good, with what only it has, run again with {_DEAD}")
    elif standby["dead"]:
        pass
    elif not reached:
        cause = f"{standby['primary']} cannot be reached, so that it can neither be stopped nor asked for WAL that the standby lacks"
        remedy = f"make it reachable; or, once you are certain that it is off and stays off, accept the loss of what the standby lacks by {_DEAD}"
        find(cause, remedy)
    elif runs and not (probe["streaming"] or "").startswith("streaming "):
        find(f"it does not stream from {standby['primary']}, which runs and has rows that it lacks", f"let it catch up, or give them up by {_DEAD}")
    elif not runs and primary["state"] != "shut down":
        cause = f"the server of {standby['primary']} is down and was not shut down cleanly ({primary['state']}), so that the standby may lack WAL"
        find(cause, f"start it, so that the standby catches up; or give up what it lacks by {_DEAD}")
    return found
