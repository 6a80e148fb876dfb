# GPL-3.0-or-later (see LICENSE)
"""A host as preflight.yml describes it, with nothing wrong; tests change one thing at a time."""

from __future__ import annotations

from typing import Any

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._probe import parse_probe

GIB = 1024**3


def authentication(**changes: Any) -> dict[str, Any]:
    described = dict(
        method="password",
        ssl_dir="/etc/timescaledb-multinode.ssl",
        passfile="/etc/timescaledb-multinode.passfile",
        roles=["postgres"],
        authority="own",
        authority_dir="/authority",
        authority_there=True,
        passwords=[],
        whole=True,
        switching=False,
    )
    return described | changes


def host(name: str = "dn1", probe: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    is_access_node = changes.pop("is_access_node", False)
    described = dict(
        name=name,
        unreachable="",
        is_access_node=is_access_node,
        is_data_node=not is_access_node,
        is_standby=False,
        standby=dict(of=name, with_primary=True, slot=f"timescaledb_standby_{name}", overwrite=False),
        node_type="access_node" if is_access_node else "data_node",
        leaves=False,
        node_name=name,
        address=name,
        port=5432,
        os_family="Debian",
        distribution="Debian",
        postgresql_version=15,
        timescaledb_version="2.13.1",
        install_method="repository",
        cluster_name="main",
        database="timescaledb",
        encoding="UTF8",
        locale="C.UTF-8",
        overrides={},
        listen_addresses=["*"],
        variables=["timescaledb_host_port"],
        known_variables=["timescaledb_host_port", "timescaledb_host_settings", "timescaledb_cluster_hypertables"],
        unknown_members=[],
        authentication=authentication(),
        declaration=[],
        probe=parse_probe("python=yes") | (probe or {}),
    )
    return described | changes


def standby(name: str = "dn1s", of: str = "dn1", with_primary: bool = True, slot: str = "", overwrite: bool = False, **changes: Any) -> dict[str, Any]:
    given = dict(of=of, with_primary=with_primary, slot=slot or f"timescaledb_standby_{name}", overwrite=overwrite)
    return host(name, **(dict(is_data_node=False, is_standby=True, standby=given) | changes))


def access_node(name: str = "an", **changes: Any) -> dict[str, Any]:
    return host(name, is_access_node=True, **changes)
