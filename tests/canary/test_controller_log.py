# GPL-3.0-or-later (see LICENSE)
"""Who gets what is written to the system's log."""

from __future__ import annotations

import socket
from pathlib import Path

import controller_log
import pytest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs of this test send their messages."""
    place = tmp_path / "log"
    monkeypatch.setattr(controller_log, "SOCKET", place)
    return place


def test_takes_the_place_of_a_listener_that_was_killed(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as killed:
        killed.bind(str(place))
    log = controller_log.ControllerLog()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
        program.connect(str(place))
        program.send(b"a message")
    assert log.works
    assert log.stop() == [("message to syslog", b"a message")]
    assert not place.exists()


def test_leaves_a_listener_alone_that_is_at_work(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(place))
        log = controller_log.ControllerLog()
        log.stop()
        assert log.works
        assert place.exists()
