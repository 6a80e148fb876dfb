# GPL-3.0-or-later (see LICENSE)
"""What data nodes log in to each other with, as tsl/src/remote/connection.c puts it together."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_reach import conninfo, copy_login
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release

NODE = DataNode("dn1", Endpoint("10.0.0.1", 5433, "metrics"))
# md5 of "postgres".
OWN = "e8a48653851e28c69d0506508fb27fc5"


def login(mapping: dict[str, str] | None = None, **settings: str) -> dict:
    settings = {"data_directory": "/data", **{name.replace("__", "."): value for name, value in settings.items()}}
    access_node = AccessNode("an", "metrics", "postgres", True, Release(2, 13, 1), "public", "UTF8", "C", "C", None, None, True, settings)
    return copy_login(access_node, replace(NODE, endpoint=replace(NODE.endpoint, login=mapping or {})))


def test_by_password():
    assert login() == dict(host="10.0.0.1", port=5433, dbname="metrics", user="postgres", passfile="/data/passfile")
    assert login(timescaledb__passfile="elsewhere")["passfile"] == "elsewhere"


def test_by_certificate():
    found = login(ssl="on", ssl_ca_file="ca.crt", timescaledb__ssl_dir="/etc/certs")
    assert {name: found[name] for name in found if name.startswith("ssl")} == dict(
        sslmode="require", sslrootcert="ca.crt", sslcert=f"/etc/certs/{OWN}.crt", sslkey=f"/etc/certs/{OWN}.key"
    )
    assert login(ssl="on")["sslkey"] == f"/data/timescaledb/certs/{OWN}.key"


def test_a_user_mapping_comes_first():
    found = login({"user": "mover", "password": "it's"}, ssl="on")
    assert found["user"] == "mover" and OWN not in found["sslcert"]
    assert "password='it\\'s'" in conninfo(found)
    assert "it" not in repr(conninfo(found))
