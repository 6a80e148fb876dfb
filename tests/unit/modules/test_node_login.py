# GPL-3.0-or-later (see LICENSE)
"""With what the access node logs in to a data node, as tsl/src/remote/connection.c puts it together."""

from __future__ import annotations

from dataclasses import replace
from hashlib import md5
from typing import Any

import pytest
from _build import access_node, endpoint

MAPPING = {"user": "x", "password": "of x"}


def login(password: str | None = None, mapping: dict[str, str] | None = None, **settings: str) -> dict[str, Any]:
    an = access_node(settings={"data_directory": "/data", **{name.replace("__", "."): value for name, value in settings.items()}})
    found = an.connection_parameters(replace(endpoint("dn1"), login=mapping or {}), password, connect_timeout=1)
    names = ("user", "password", "passfile", "sslpassword", "sslmode", "sslrootcert", "sslcert", "sslkey")
    return {name: found[name] for name in names if name in found}


def test_without_a_mapping():
    assert login() == dict(user="postgres", passfile="/data/passfile")
    assert login(timescaledb__passfile="/etc/p") == dict(user="postgres", passfile="/etc/p")


@pytest.mark.parametrize(
    "mapping, user",
    [(MAPPING, "x"), ({"user": "x"}, "x"), ({"password": "of postgres"}, "postgres"), ({"user": "x", "sslpassword": "of the key"}, "x")],
)
def test_mapping(mapping, user):
    """The passfile is for what has no password: libpq looks into it only then."""
    assert login(mapping=mapping) == {"user": user, "passfile": "/data/passfile", **mapping}


def test_password_of_the_task_is_that_of_the_role():
    assert login("of the task", MAPPING) == dict(user="postgres", password="of the task")


def test_certificates_without_tls_of_the_access_node():
    files = dict(sslmode="verify-ca", sslrootcert="ca.crt", sslcert="/certs/x.crt", sslkey="x.key")
    assert login(mapping=files) == dict(
        user="postgres", passfile="/data/passfile", sslmode="verify-ca", sslrootcert="/data/ca.crt", sslcert="/certs/x.crt", sslkey="/data/x.key"
    )


def test_tls_of_the_access_node_goes_before_that_of_the_mapping(tmp_path):
    """TimescaleDB adds its options after those of the mapping, and libpq takes the last ones. The certificate is that of the role over there."""
    mapping = dict(MAPPING, sslmode="disable", sslrootcert="theirs.crt", sslcert="x.crt", sslkey="x.key")
    tls = dict(ssl="on", ssl_ca_file="ca.crt", timescaledb__ssl_dir=str(tmp_path))
    expected = dict(MAPPING, passfile="/data/passfile", sslmode="require", sslrootcert="/data/ca.crt")
    assert login(mapping=mapping, **tls) == expected
    certificate = tmp_path / md5(b"x").hexdigest()
    certificate.with_suffix(".key").touch()
    assert login(mapping=mapping, **tls) == expected | dict(sslcert=f"{certificate}.crt", sslkey=f"{certificate}.key")
