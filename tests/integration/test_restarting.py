# GPL-3.0-or-later (see LICENSE)
"""What check mode says of a restart is what the server says once the settings are in its file."""

from __future__ import annotations

import json

import pytest
from _servers import TESTS

FILES = TESTS.parent / "roles" / "timescaledb_host" / "files"
WANTED = {
    "nothing": {},
    "what it runs with": {"max_connections": "60", "shared_buffers": "16MB", "Port": None, "listen_addresses": "127.0.0.1"},
    "the same in other words": {"shared_buffers": "16384kB", "hot_standby": "TRUE", "wal_level": "Replica"},
    "what a reload does": {"work_mem": "7MB", "log_statement": "none", "a.b": "c"},
    "one setting": {"MAX_connections": "61"},
    "several": {"shared_buffers": "17MB", "wal_level": "logical", "hot_standby": "off", "max_worker_processes": "41", "work_mem": "7MB"},
    "a text": {"shared_preload_libraries": "timescaledb, auto_explain", "listen_addresses": "*"},
}


@pytest.fixture(scope="module")
def server(servers):
    return servers.extra("settings")


@pytest.mark.parametrize("case", WANTED)
def test_check_mode_foresees_restarts(server, case):
    wanted = {name: str(server.port) if value is None else value for name, value in WANTED[case].items()}
    with server.connection("postgres") as connection, connection.cursor() as cursor:
        cursor.execute((FILES / "restarting.sql").read_text(), {"wanted": json.dumps(wanted)})
        foreseen = cursor.fetchone()[0]
    file = server.data / "postgresql.auto.conf"
    before = file.read_text()
    file.write_text(before + "".join(f"{name} = '{value}'\n" for name, value in wanted.items()))
    try:
        found = server.query("postgres", (FILES / "pending.sql").read_text())[0][0]
    finally:
        file.write_text(before)

    def names(text: str | None) -> list[str]:
        return sorted((text or "").lower().split(", "))

    assert names(foreseen) == names(found)
    assert (foreseen is None) is (case not in ("one setting", "several", "a text"))
