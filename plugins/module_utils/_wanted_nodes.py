# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Which data nodes the user wants. Typed and validated, no I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Secret
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import ALTER_DATA_NODE, DROP_DATABASE

# NAMEDATALEN - 1; the server cuts longer names off without a word.
_MAXIMUM_NAME_BYTES = 63


@dataclass(frozen=True)
class WantedNode:
    """One data node as the task describes it; None means: not said, leave as it is."""

    node_name: str
    present: bool
    host: str | None
    port: int | None
    database: str | None
    bootstrap: bool | None
    password: Secret | None
    available: bool | None
    force: bool
    repartition: bool
    drop_database: bool
    lose_chunks: bool
    reclaim: str
    connect_timeout: int

    @property
    def subject(self) -> str:
        """How messages name it."""
        return f'data node "{self.node_name}"'

    @property
    def leaves_clean(self) -> bool:
        """Whether nothing of the cluster is to be left in the database of a node that is removed."""
        return not self.present and self.reclaim == "membership" and not self.drop_database

    def endpoint(self, access_node: AccessNode) -> Endpoint:
        """Where it is to be reached: what the task says, else what is registered, else what add_data_node() assumes."""
        known = access_node.data_nodes.get(self.node_name)
        if known:
            said = dict(host=self.host, port=self.port, database=self.database)
            return replace(known.endpoint, **{name: value for name, value in said.items() if value})
        return Endpoint(self.host or "", self.port or access_node.port, self.database or access_node.database)


def node_options(required: bool) -> dict[str, Any]:
    """The options of one data node, as AnsibleModule wants them.

    Args:
        required: whether the options are those of a list, which cannot do without a name.
    """
    return dict(
        state=dict(type="str", choices=["absent", "present"], default="present"),
        node_name=dict(type="str", required=required),
        host=dict(type="str"),
        port=dict(type="int"),
        database=dict(type="str"),
        bootstrap=dict(type="bool"),
        password=dict(type="str", no_log=True),
        available=dict(type="bool"),
        force=dict(type="bool", default=False),
        repartition=dict(type="bool", default=True),
        drop_database=dict(type="bool", default=False),
        lose_chunks=dict(type="bool", default=False),
        reclaim=dict(type="str", choices=["none", "membership", "database"], default="none"),
        connect_timeout=dict(type="int", default=10),
    )


def unwanted_node(node_name: str) -> WantedNode:
    """One that must not be there."""
    row = {name: option.get("default") for name, option in node_options(required=False).items()}
    return _wanted({**row, "state": "absent", "node_name": node_name})


def dead_node(node_name: str) -> WantedNode:
    """One that is to be marked unavailable."""
    row = {name: option.get("default") for name, option in node_options(required=False).items()}
    return _wanted({**row, "node_name": node_name, "available": False})


def node_list() -> dict[str, Any]:
    """The option with a list of data nodes, as AnsibleModule wants it."""
    return dict(type="list", elements="dict", options=node_options(required=True))


def wanted_nodes(rows: list[dict[str, Any]] | None) -> list[WantedNode]:
    """The options of nodes as wanted nodes. Raises ClusterError(s) for what can be judged without a server."""
    return checked([_wanted(row) for row in rows or []])


def _wanted(row: dict[str, Any]) -> WantedNode:
    computed = dict(present=row["state"] == "present", password=Secret(row["password"]) if row["password"] else None)
    return WantedNode(**computed, **{key: row[key] for key in WantedNode.__dataclass_fields__ if key not in computed})


def checked(wanted: list[WantedNode]) -> list[WantedNode]:
    """The same ones. Raises ClusterError(s) for what can be judged without a server."""
    errors: list[ClusterError] = []
    for node in wanted:
        for text in filter(None, (node.node_name, node.database)):
            if len(text.encode()) > _MAXIMUM_NAME_BYTES:
                errors.append(ClusterError(node.subject, f'the name "{text}" is longer than {_MAXIMUM_NAME_BYTES} bytes', "choose a shorter one"))
        if not node.node_name:
            errors.append(ClusterError(node.subject, "the name is empty", "give node_name"))
        if node.port is not None and not 1 <= node.port <= 65535:
            errors.append(ClusterError(node.subject, f"{node.port} is not a port number", "choose one between 1 and 65535"))
        if node.connect_timeout < 1:
            errors.append(ClusterError(node.subject, f"connect_timeout is {node.connect_timeout}", "choose 1 or more seconds"))
        if node.present and (node.force or node.drop_database or node.lose_chunks):
            errors.append(ClusterError(node.subject, "force, drop_database and lose_chunks only go with state=absent", "leave them out"))
    for name, count in Counter(node.node_name for node in wanted).items():
        if count > 1:
            errors.append(ClusterError(f'data node "{name}"', f"it is listed {count} times", "list each node once"))
    raise_all(errors)
    return wanted


def release_errors(wanted: list[WantedNode], access_node: AccessNode) -> list[ClusterError]:
    """What the task asks for and the access node's release lacks, and data nodes that it does not know and cannot find."""
    errors = []
    for node in wanted:
        known = access_node.data_nodes.get(node.node_name)
        if node.present and not node.host and not known:
            errors.append(ClusterError(node.subject, "it is not registered yet and no host is given", "give host"))
        if node.available is not None and access_node.release < ALTER_DATA_NODE:
            errors.append(
                ClusterError(node.subject, f"available needs TimescaleDB {ALTER_DATA_NODE}, this is {access_node.release}", "upgrade, or leave it out")
            )
        if not node.present and node.drop_database and access_node.release < DROP_DATABASE:
            errors.append(
                ClusterError(
                    node.subject,
                    f"drop_database needs TimescaleDB {DROP_DATABASE}, this is {access_node.release}",
                    "leave it out and drop the database on the node afterwards",
                )
            )
    return errors
