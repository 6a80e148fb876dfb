# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What probe.sh of the role timescaledb_host said, as data. No I/O."""

from __future__ import annotations

from typing import Any


def parse_probe(text: str) -> dict[str, Any]:
    """The lines of probe.sh as a dictionary.

    Returns:
        packages (name -> version, held), postgres (version text), available (TimescaleDB versions), addresses (name -> IP addresses),
        config, filled, passfile_directory (bool), initialized (major version or None), data (path), others (port -> file of another
        PostgreSQL cluster), listening (ports), port (of the running server or None), recovery, preloads (libraries, None where no server
        runs), encoding, collation, ctype, extension (of the cluster's database, None where there is none).
    """
    probe: dict[str, Any] = dict(packages={}, available=[], addresses={}, others={}, listening=[], port=None)
    probe.update(dict.fromkeys(("config", "filled", "passfile_directory", "recovery"), False))
    probe.update(dict.fromkeys(("postgres", "initialized", "data", "encoding", "collation", "ctype", "extension", "preloads")))
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if not separator:
            continue
        if name == "package":
            package, status, want, version = (value.split() + [""] * 4)[:4]
            if status == "installed":
                probe["packages"][package] = dict(version=version, held=want == "hold")
        elif name == "address":
            address, _space, known_as = value.partition(" ")
            probe["addresses"].setdefault(known_as, []).append(address)
        elif name == "available":
            probe["available"].append(value)
        elif name == "other":
            port, _space, path = value.partition(" ")
            probe["others"][int(port)] = path
        elif name == "listening":
            probe["listening"].append(int(value, 16))
        elif name in ("config", "filled", "passfile_directory"):
            probe[name] = True
        elif name == "recovery":
            probe[name] = value == "true"
        elif name == "port":
            probe[name] = int(value)
        else:
            probe[name] = value
    return probe
