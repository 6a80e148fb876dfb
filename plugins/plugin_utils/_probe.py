# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What probe.sh of the role timescaledb_host said, as data. No I/O."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

_FLAGS = ("systemd", "unfinished", "python", "driver", "config", "included", "filled", "recovery", "secured", "cryptography", "role_exists")
_FLAGS_OF_STANDBYS = ("standby", "cloning", "fenced")
_TEXTS = ("family", "outdated", "postgres", "initialized", "data", "encoding", "collation", "ctype", "extension", "preloads", "salt", "verifier_digest")
_TEXTS_OF_STANDBYS = ("system_identifier", "streaming", "state", "bindir", "configuration")
_FILES = ("passfile", "passfile_digest", "settings", "hba", "authority")
_ASKED = ("asked_database", "asked_role", "asked_passfile")
_NUMBERS = ("cpus", "port")


def parse_probe(text: str) -> dict[str, Any]:
    """The lines of probe.sh as a dictionary.

    Returns:
        asked_database, asked_role and asked_passfile: what the probe was about.
        Of the machine: family (Debian, RedHat or None), system (id, codename and name of the operating system), systemd (bool),
        memory (bytes), cpus, packages (name -> version, held), postgres (version text), available (TimescaleDB versions),
        unfinished (dpkg was interrupted), python (there is one), outdated (its version, where it is too old for modules), driver (a
        Python there has psycopg), addresses (name -> IP addresses), own (its IP addresses), others (port -> file of
        another PostgreSQL cluster), listening (ports).
        Of the PostgreSQL cluster: config, included (conf.d is), filled (bool), initialized (major version or None), data, bindir and configuration (paths),
        passfile, settings and hba (owner, mode and, for settings, SHA-256 of these files), rules (lines of the collection's block in
        pg_hba.conf), secured (its settings are those of login by certificate), standby (its data are a standby's), cloning (its data are about
        to be copied from a primary), fenced (it is kept from being started).
        Of certificates, where it was asked for them: authority (owner, mode and SHA-256 of its certificate), crls (paths of revocation
        lists), cryptography (there is what makes keys), certificates (file -> end in seconds since 1970, fits its key, trusted by the
        authority, attributes (owners and modes of key and certificate), names).
        Of its data, where no server runs: system_identifier, state (as pg_controldata says).
        Of its server, where one runs: port (else None), recovery, system_identifier, streaming (state of the WAL receiver and its slot, with a
        space between them), slots (physical ones of standbys -> whether one is in use), preloads (libraries), pending (restart, reload and errors, as
        pending.sql says), passfile_digest (of the passfile, None where it is not there), role_exists, salt (iterations and salt of the
        role's SCRAM verifier) and verifier_digest (both None where it has none), encoding, collation, ctype, extension (of the cluster's
        database, None where there is none).
    """
    probe: dict[str, Any] = dict(packages={}, available=[], addresses={}, others={}, listening=[], own=[], rules=[], crls=[], certificates={}, slots={})
    probe.update(system=dict(id="", codename="", name=""), memory=None, pending=None)
    probe.update(dict.fromkeys((*_FLAGS, *_FLAGS_OF_STANDBYS), False))
    probe.update(dict.fromkeys((*_ASKED, *_TEXTS, *_TEXTS_OF_STANDBYS, *_FILES, *_NUMBERS)))
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            _take(probe, name, value)
    return probe


def _take(probe: dict[str, Any], name: str, value: str) -> None:
    if name in (*_ASKED, *_TEXTS, *_TEXTS_OF_STANDBYS, *_FILES):
        probe[name] = value
    elif name in (*_FLAGS, *_FLAGS_OF_STANDBYS):
        probe[name] = value in ("yes", "true")
    elif name in _NUMBERS:
        probe[name] = int(value)
    elif name == "system":
        identifier, codename, full_name = (value.split(" ", maxsplit=2) + [""] * 2)[:3]
        probe[name] = dict(id=identifier, codename=codename, name=full_name)
    elif name == "memory":
        # The kernel keeps a little more or less from boot to boot; settings that need a restart must not follow that.
        probe[name] = round(int(value) / 65536) * 65536 * 1024
    elif name == "package":
        package, status, want, version = (value.split() + [""] * 4)[:4]
        if status == "installed":
            probe["packages"][package] = dict(version=version, held=want == "hold")
    elif name == "address":
        address, _space, known_as = value.partition(" ")
        probe["addresses"].setdefault(known_as, []).append(address)
    elif name in ("available", "own"):
        probe[name].append(value)
    elif name == "other":
        port, _space, path = value.partition(" ")
        probe["others"][int(port)] = path
    elif name == "listening":
        probe["listening"].append(int(value, 16))
    elif name == "slot":
        slot, _space, active = value.partition(" ")
        probe["slots"][slot] = active == "true"
    elif name == "rule":
        probe["rules"].append(value)
    elif name == "crl":
        probe["crls"].append(value)
    elif name == "certificate":
        probe["certificates"].update(_certificate(value))
    elif name == "pending":
        probe[name] = json.loads(value)


def _certificate(text: str) -> dict[str, dict[str, Any]]:
    file, end, fits, trusted, *rest = text.split(" ")
    attributes, names = " ".join(rest[:4]), rest[4] if len(rest) > 4 else ""
    there = [_alternative(name) for name in names.split(",") if name]
    return {file: dict(end=int(end), fits=fits == "yes", trusted=trusted == "yes", attributes=attributes, names=there)}


def _alternative(name: str) -> str:
    """As subjectAltName has it: openssl writes addresses in a way of its own."""
    kind, _colon, value = name.partition(":")
    return f"IP:{ip_address(value)}" if kind == "IPAddress" else f"{kind}:{value}"
