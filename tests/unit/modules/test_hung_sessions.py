# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import socket

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils import _hung_sessions
from ansible_collections.timescaledb.multinode.plugins.module_utils._hung_sessions import _place


@pytest.mark.parametrize(
    "order, text, expected",
    [
        ("little", "0100007F:1538", ("127.0.0.1", 5432)),
        ("big", "7F000001:1538", ("127.0.0.1", 5432)),
        ("little", "0000000000000000FFFF00000100007F:1538", ("127.0.0.1", 5432)),
        ("little", "B80D01200000000067452301EFCDAB89:0050", ("2001:db8::123:4567:89ab:cdef", 80)),
    ],
)
def test_addresses_as_the_kernel_writes_them(monkeypatch, order, text, expected):
    monkeypatch.setattr(_hung_sessions, "_BYTE_ORDER", order)
    assert _place(text) == expected


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_connections_of_a_process(family, address):
    try:
        listener = socket.create_server((address, 0), family=family)
    except OSError as error:
        pytest.skip(f"no {address} here: {error}")
    with listener, socket.create_connection(listener.getsockname()[:2]) as connection:
        found = _hung_sessions._connections_of(_hung_sessions.os.getpid())
        assert found[connection.getsockname()[1]] == (address, listener.getsockname()[1])


def test_a_process_that_is_not_here():
    assert _hung_sessions._switches(2**30) is None
    with pytest.raises(OSError):
        _hung_sessions._connections_of(2**30)
