# GPL-3.0-or-later (see LICENSE)
"""Databases that cannot be an access node; both modules say so in the same words."""

from __future__ import annotations

import pytest
from _cluster import DATA_NODE, HYPERTABLE

MODULES = [(DATA_NODE, dict(node_name="dn1", host="127.0.0.1")), (HYPERTABLE, dict(relation="t", time_column_name="time"))]
both_modules = pytest.mark.parametrize("module, options", MODULES, ids=[name for name, dummy in MODULES])


@both_modules
def test_extension_is_missing(cluster, module, options):
    cluster.refuse(module, 'the extension timescaledb is not installed in database "postgres"', login_db="postgres", **options)


@both_modules
def test_database_is_missing(cluster, module, options):
    cluster.refuse(module, "access node", 'database "nowhere" does not exist', "Remedy: correct the login_* options", login_db="nowhere", **options)


@both_modules
def test_server_is_down(cluster, closed_port, module, options):
    cluster.refuse(module, "access node", "no connection", login_port=closed_port, **options)


@both_modules
def test_apache_edition(cluster, servers, module, options):
    server = servers.extra("apache", **{"timescaledb.license": "apache"})
    cluster.refuse(module, "multi-node is not part of TimescaleDB's Apache edition", login_port=server.port, login_db="ready", **options)


@both_modules
def test_debians_own_timescaledb(cluster, trixie_address, module, options):
    login = dict(login_host=trixie_address, login_port=5432, login_user="postgres", login_db="ready")
    cluster.refuse(module, "has no multi-node: it exists in 2.0 to 2.13 only", **login, **options)


@both_modules
def test_standby(cluster, servers, module, options):
    server = servers.extra("standby", "standby.signal", hot_standby="on")
    cluster.refuse(module, "the server is a standby", login_port=server.port, login_db="ready", **options)


@both_modules
def test_data_node_is_no_access_node(nodes, module, options):
    nodes.refuse(module, "is itself a data node of another cluster", login_port=nodes.dn("dn1").port, **options)


@both_modules
def test_unknown_session_role(cluster, module, options):
    cluster.refuse(module, 'session_role "nobody_such"', "does not exist", "Remedy: create the role", session_role="nobody_such", **options)


@both_modules
@pytest.mark.parametrize("release", ["1.7.5", "2.14.2"])
def test_release_without_multinode(cluster, fabricated, module, options, release):
    cluster.refuse(module, f"TimescaleDB {release} has no multi-node: it exists in 2.0 to 2.13 only", login_port=fabricated.port, login_db=release, **options)
