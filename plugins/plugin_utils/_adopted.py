# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""A running cluster as the inventory from which deploy would build it. No I/O.

What the roles compute alike is left out, so that an inventory shows what is particular about the cluster.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_jobs import NAMES

_TEMPLATE = re.compile(r"\{[{%#]")

ACCESS_NODE, DATA_NODES = "timescale_access_node", "timescale_data_nodes"
# Where Debian's packages put data; the roles' own default elsewhere is the same with another top.
_DATA_DIRECTORY = re.compile(r"/var/lib/(?:postgresql|pgsql)/(\d+)/([^/]+)/?$")
# As the role timescaledb_host writes them into its file.
_SETTING = re.compile(r"^(?P<name>[\w.]+) = '(?P<value>(?:[^']|'')*)'  # .*set by the user$", re.MULTILINE)


@dataclass(frozen=True)
class Observed:
    """What the inventory is made of.

    Args:
        hypertables: the distributed hypertables, as timescale_distributed_hypertable shows them.
        intervals: of the collection's jobs, by name; without those that are not there, and None for those that were paused.
        settings: of the server, by name; without those that the role may not read.
        settings_file: the role's file with settings; empty where there is none or it may not be read.
        roles: those as which the access node logs in to data nodes, as far as that may be read.
    """

    access_node: AccessNode
    hypertables: list[dict[str, Any]]
    settings: dict[str, str]
    settings_file: str = ""
    intervals: dict[str, str | None] = field(default_factory=dict)
    roles: list[str] = field(default_factory=list)


@dataclass
class Adopted:
    """hosts: by group the variables of each host; variables: those of all hosts of both groups."""

    hosts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)


def adopted(observed: Observed, access_node_name: str, access_node_address: str | None, host_names: dict[str, str]) -> Adopted:
    """The inventory.

    Args:
        access_node_name: the host's name in the inventory.
        access_node_address: how data nodes and the controller reach it; None: by its name.
        host_names: names in the inventory by data node; those that are left out have the data node's.

    Raises:
        ClusterErrors: two nodes would be one host, host_names has a node that is none, or a name would be a template in the inventory.
    """
    here = observed.access_node
    _check_names(list(here.data_nodes), access_node_name, host_names)
    of_access_node: dict[str, Any] = {"ansible_host": access_node_address} if access_node_address else {}
    of_access_node["timescaledb_host_port"] = here.port
    of_data_nodes = {}
    for name, node in sorted(here.data_nodes.items()):
        host = host_names.get(name, name)
        of_data_nodes[host] = {"ansible_host": node.endpoint.host, "timescaledb_host_port": node.endpoint.port}
        if host != name:
            of_data_nodes[host]["timescaledb_cluster_node_name"] = name
        if node.endpoint.database != here.database:
            of_data_nodes[host]["timescaledb_database_name"] = node.endpoint.database
    made = Adopted({ACCESS_NODE: {access_node_name: of_access_node}, DATA_NODES: of_data_nodes}, _variables(observed))
    _check_templates(made)
    return made


def _check_names(data_nodes: list[str], access_node_name: str, host_names: dict[str, str]) -> None:
    errors = [
        ClusterError("option host_names", f'there is no data node "{name}"', "correct the name") for name in sorted(set(host_names) - set(data_nodes))
    ]
    for host, count in Counter([access_node_name, *(host_names.get(name, name) for name in data_nodes)]).items():
        if count > 1:
            errors.append(ClusterError(f'host "{host}"', f"{count} nodes of the cluster would be this one", "give one of them another name by host_names"))
    raise_all(errors)


def _check_templates(made: Adopted) -> None:
    """Whoever may create a table chooses its name, and Ansible runs on the controller what it takes for a template, at the latest from an inventory
    that was exported."""
    found = sorted({text for text in _texts([made.hosts, made.variables]) if _TEMPLATE.search(text)})
    remedy = "give it another name in the database; nothing of the cluster is adopted before that"
    raise_all([ClusterError("access node", f"what it calls {text!r} would be a template in an inventory, which Ansible runs", remedy) for text in found])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value))
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _variables(observed: Observed) -> dict[str, Any]:
    here, settings = observed.access_node, observed.settings
    owners = {node.owner for node in here.data_nodes.values()}
    variables: dict[str, Any] = {
        "timescaledb_host_postgresql_version": int(settings["server_version_num"]) // 10000,
        "timescaledb_host_timescaledb_version": str(here.release),
        "timescaledb_host_encoding": here.encoding,
        "timescaledb_host_locale": here.collation,
        "timescaledb_database_name": here.database,
        # Whoever registered the data nodes is whom they let in.
        "timescaledb_database_role": owners.pop() if len(owners) == 1 else here.role,
        "timescaledb_cluster_hypertables": [_hypertable(table) for table in observed.hypertables],
        # Empty: deploy is not to add a job that the cluster did without. None: nor to touch one that somebody paused.
        **{f"timescaledb_cluster_{name}_interval": observed.intervals.get(name, "") for name in NAMES},
    }
    further = [role for role in observed.roles if role != variables["timescaledb_database_role"]]
    if further:
        variables["timescaledb_host_node_roles"] = further
    if settings.get("listen_addresses"):
        variables["timescaledb_host_listen_addresses"] = [address.strip() for address in settings["listen_addresses"].split(",")]
    if settings.get("timescaledb.passfile"):
        variables["timescaledb_host_passfile"] = settings["timescaledb.passfile"]
    if settings.get("ssl") == "on" and settings.get("timescaledb.ssl_dir"):
        variables |= {"timescaledb_host_auth_method": "certificate", "timescaledb_host_ssl_dir": settings["timescaledb.ssl_dir"]}
    variables |= _places(settings)
    overrides = {match["name"]: match["value"].replace("''", "'").replace("\\\\", "\\") for match in _SETTING.finditer(observed.settings_file)}
    if overrides:
        variables["timescaledb_host_settings"] = overrides
    return variables


def _places(settings: dict[str, str]) -> dict[str, str]:
    """The PostgreSQL cluster's name, and its data directory where that is not the one of the name."""
    directory = settings.get("data_directory", "")
    usual = _DATA_DIRECTORY.match(directory)
    # Debian's name of it is 15/main.
    name = settings.get("cluster_name", "").rpartition("/")[2] or (usual[2] if usual else "")
    places = {"timescaledb_host_cluster_name": name} if name else {}
    if directory and not (usual and usual[2] == name):
        places["timescaledb_host_data_directory"] = posixpath.normpath(directory)
    return places


def _hypertable(table: dict[str, Any]) -> dict[str, Any]:
    """In the options of the role; what is not there, such as a partitioning column or, after removals by force, any data node, is left out."""
    options = {key: value for key, value in table.items() if key != "default_indexes" and value not in (None, [])}
    return options | {"create_default_indexes": table["default_indexes"]}
