# GPL-3.0-or-later (see LICENSE)
"""Decides which TimescaleDB the tests and the demo run on, and prints the decision as one line of JSON.

The order is: real TimescaleDB found on this host, the vendor's package repository, the stand-in.
The environment variable TIMESCALEDB_ENGINE (real-host, vendor or stand-in) forces one of them.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

import host_files

VENDOR_VERSION = "2.13.1"
VENDOR_INDEX = "https://packagecloud.io/timescale/timescaledb/debian/dists/bookworm/InRelease"
STANDIN = Path(__file__).resolve().parent.parent / "standin"


class NoEngine(Exception):
    pass


@dataclass(frozen=True)
class Engine:
    engine: str
    engine_version: str
    description: str


def choose() -> Engine:
    forced = os.environ.get("TIMESCALEDB_ENGINE", "")
    if forced and forced not in CHOICES:
        raise NoEngine(f"TIMESCALEDB_ENGINE is {forced!r}; it must be one of {', '.join(CHOICES)}")
    for name in [forced] if forced else CHOICES:
        engine = CHOICES[name]()
        if engine:
            return engine
    raise NoEngine(f"the engine {forced or 'wanted'} is not to be had on this host")


def _real_host() -> Engine | None:
    found = host_files.find()
    if found is None:
        return None
    text = f"real TimescaleDB {found.version} for PostgreSQL {host_files.POSTGRESQL_MAJOR}, taken from this host"
    return Engine("real-host", found.version, text)


def _vendor() -> Engine | None:
    try:
        with urllib.request.urlopen(VENDOR_INDEX, timeout=5):
            pass
    except (urllib.error.URLError, OSError):
        return None
    return Engine("vendor", VENDOR_VERSION, f"real TimescaleDB {VENDOR_VERSION} from the vendor's repository")


def _standin() -> Engine | None:
    control = STANDIN / "timescaledb.control"
    if not control.is_file():
        return None
    version = host_files.control_setting(control, "default_version") or ""
    text = f"STAND-IN for TimescaleDB {version}: a test double over postgres_fdw, not the real TimescaleDB"
    return Engine("stand-in", version, text)


CHOICES = {"real-host": _real_host, "vendor": _vendor, "stand-in": _standin}


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(choose())))
    except NoEngine as error:
        sys.exit(str(error))
