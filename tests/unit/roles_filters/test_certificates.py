# GPL-3.0-or-later (see LICENSE)
"""Which certificates a node must have, and when one is issued anew."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._certificates import certificates_due, wanted_certificates

DAY, NOW = 86400, 1_800_000_000
RIGHT = "postgres:postgres 0600 postgres:postgres 0644"


def there(**changes: Any) -> dict[str, Any]:
    return dict(end=NOW + 100 * DAY, fits=True, trusted=True, attributes=RIGHT, names=[]) | changes


def due(**changes: Any) -> list[str]:
    (wanted,) = [one for one in wanted_certificates("dn1", [], ["postgres"]) if one["usage"] == "clientAuth"]
    return [one["why"] for one in certificates_due([wanted], {wanted["file"]: there(**changes)}, NOW, 30)]


def test_one_for_the_server_and_one_for_each_role() -> None:
    server, *clients = wanted_certificates("dn1", ["dn1", "fd00::1", "10.0.0.2", "dn1"], ["postgres", 'odd "role"', "postgres"])
    assert (server["file"], server["common_name"], server["usage"]) == ("server", "dn1", "serverAuth")
    assert server["names"] == ["DNS:dn1", "IP:10.0.0.2", "IP:fd00::1"]
    assert [one["common_name"] for one in clients] == ["postgres", 'odd "role"']
    # tsl/src/remote/connection.c looks for the MD5 of the role's name.
    assert [one["file"] for one in clients] == [hashlib.md5(name.encode()).hexdigest() for name in ("postgres", 'odd "role"')]


def test_a_long_name_of_a_host_is_cut() -> None:
    assert len(wanted_certificates("d" * 80, [], [])[0]["common_name"]) == 64


def test_a_good_one_stays() -> None:
    assert due() == []


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"end": NOW + 30 * DAY - 1}, "it expires in 29 days"),
        ({"end": NOW - 1}, "it has expired"),
        ({"fits": False}, "it is not the certificate of the private key beside it"),
        ({"trusted": False}, "it is not of the cluster's certificate authority"),
        ({"attributes": RIGHT.replace("0600", "0640")}, "owner or mode of its files are wrong"),
    ],
)
def test_others_are_issued_anew(changes: dict[str, Any], why: str) -> None:
    assert due(**changes) == [why]


def test_a_missing_one_is_issued() -> None:
    assert [one["why"] for one in certificates_due(wanted_certificates("dn1", [], ["a"]), {}, NOW, 30)] == ["it is missing"] * 2


def test_a_server_that_is_reached_by_another_name_gets_another_one() -> None:
    (server,) = wanted_certificates("dn1", ["dn1", "10.0.0.2"], [])
    assert certificates_due([server], {"server": there(names=["IP:10.0.0.2", "DNS:dn1"])}, NOW, 30) == []
    assert certificates_due([server], {"server": there(names=["DNS:dn1"])}, NOW, 30)[0]["why"] == "it has other names"
