# GPL-3.0-or-later (see LICENSE)
"""Who gets what is written to the system's log."""

from __future__ import annotations

import socket
from pathlib import Path

import controller_log


def test_takes_the_place_of_a_listener_that_was_killed(tmp_path: Path, monkeypatch) -> None:
    place = tmp_path / "log"
    monkeypatch.setattr(controller_log, "SOCKET", place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as killed:
        killed.bind(str(place))
    log = controller_log.ControllerLog()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
        program.connect(str(place))
        program.send(b"a message")
    assert log.works
    assert log.stop() == [("message to syslog", b"a message")]
    assert not place.exists()


def test_leaves_a_listener_alone_that_is_at_work(tmp_path: Path, monkeypatch) -> None:
    place = tmp_path / "log"
    monkeypatch.setattr(controller_log, "SOCKET", place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(place))
        log = controller_log.ControllerLog()
        log.stop()
        assert log.works
        assert place.exists()
