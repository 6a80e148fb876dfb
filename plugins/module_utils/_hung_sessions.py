# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Tells sessions of the access node that wait for a dead data node from those that wait for one that is at work.

The server says of both that they wait for something outside. A session hangs where all of this is so:

- its process did not wake up once between two looks, by the kernel's count of its switches: it waits for the same thing at both;
- it has a connection to a dead data node;
- none of its connections to other data nodes is at work there, at either look: each of these data nodes says so of its own end of it.

What cannot be told so is left alone: where a data node does not answer, or knows no such connection because something between changes its port.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic, sleep
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import side_by_side
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

# What each act is for: who keeps others from making a chunk, and who has written what keeps chunks from being copied.
_LOCKS = {"cancel": "ShareUpdateExclusiveLock", "terminate": "RowExclusiveLock"}
_SESSIONS = """
SELECT a.pid, a.backend_start::text AS backend_start, a.query_start::text AS query_start, left(a.query, 200) AS query
  FROM pg_stat_activity a
 WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'active' AND wait_event = 'Extension'
   AND clock_timestamp() - query_start > interval '1 second'
   AND EXISTS (SELECT FROM pg_locks l
                 JOIN pg_class c ON c.oid = l.relation
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 JOIN _timescaledb_catalog.hypertable h ON h.schema_name = n.nspname AND h.table_name = c.relname AND h.replication_factor > 0
                WHERE l.pid = a.pid AND l.granted AND l.mode = %s AND l.database = a.datid)
 ORDER BY 1
"""
_END = {
    act: f"SELECT {function}(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start::text = %s AND query_start::text = %s"
    for act, function in (("cancel", "pg_cancel_backend"), ("terminate", "pg_terminate_backend"))
}
# One that waits for its client is not at work. What we may not see may be.
_CONNECTIONS = """
SELECT client_port AS port, coalesce(state, 'active') IN ('active', 'fastpath function call') AND wait_event IS DISTINCT FROM 'ClientRead' AS works
  FROM pg_stat_activity WHERE client_port > 0
"""
# For a session that was ended.
_SECONDS_TO_END = 0.5

_BYTE_ORDER = sys.byteorder

# Address and port of the other end, or of a data node.
Place = tuple[str, int]


@dataclass(frozen=True)
class Session:
    """A session of the access node that waits for something outside."""

    pid: int
    backend_start: str
    query_start: str
    query: str

    def shown(self) -> dict[str, Any]:
        return dict(pid=self.pid, query_start=self.query_start, query=self.query)


@dataclass
class Ended:
    """What was done, and what could not be told apart."""

    sessions: list[Session]
    untold: dict[Session, str]


class HungSessions:
    """Looks for them, and ends them."""

    def __init__(self, module: AnsibleModule, connection: Connection, access_node: AccessNode) -> None:
        self._module = module
        self._connection = connection
        self._access_node = access_node
        options = module.params
        self._dead = {name for name in options["nodes"] if name in access_node.data_nodes}
        self._act: str = options["act"]
        self._places = {name: _places(node) for name, node in access_node.data_nodes.items()}

    def end(self) -> Ended:
        """Until there is none, or for as long as the option patience says. In check mode one look."""
        end = monotonic() + self._module.params["patience"]
        done = Ended([], {})
        while True:
            hung, awake, done.untold = self._look()
            done.sessions += [session for session in hung if session not in done.sessions]
            if self._module.check_mode or not (hung or awake) or monotonic() > end:
                return done
            for session in hung:
                self._connection.run(Statement(_END[self._act], values=(session.pid, session.backend_start, session.query_start)), f"session {session.pid}")
            sleep(_SECONDS_TO_END if hung else 0)

    def _look(self) -> tuple[list[Session], list[Session], dict[Session, str]]:
        """Those that hang, those that woke up although nobody seems to work for them, and those of which nothing can be told, with the reason."""
        asleep = {session: _switches(session.pid) for session in self._sessions()} if self._dead else {}
        if not asleep:
            return [], [], {}
        looks = [self._connections_at_nodes()]
        sleep(self._module.params["wait"])
        looks.append(self._connections_at_nodes())
        hung, awake, untold = [], [], {}
        for session in self._sessions():
            if session not in asleep:
                continue
            try:
                ends = _connections_of(session.pid)
                waits = self._waits_for_the_dead(ends, looks)
            except (OSError, ClusterError) as error:
                untold[session] = str(error)
                continue
            if waits:
                slept = asleep[session] is not None and asleep[session] == _switches(session.pid)
                (hung if slept else awake).append(session)
        return hung, awake, untold

    def _sessions(self) -> list[Session]:
        return [Session(**row) for row in self._connection.run(Statement(_SESSIONS, values=(_LOCKS[self._act],)), "access node")]

    def _waits_for_the_dead(self, ends: dict[int, Place], looks: list[dict[str, dict[int, bool] | str]]) -> bool:
        """Whether one of its connections is to a dead data node, and none of the others is at work. Raises ClusterError where that cannot be told."""
        dead = False
        for port, place in ends.items():
            names = {name for name, places in self._places.items() if place in places}
            told = [look[name] for look in looks for name in names if name in look]
            works = [answer[port] for answer in told if isinstance(answer, dict) and port in answer]
            if any(works):
                return False
            if names & self._dead:
                # Also to a server that has started again since, which knows nothing of it.
                dead = dead or not works
            elif names and len(works) < len(looks):
                reason = next((answer for answer in told if isinstance(answer, str)), f"it knows of no connection from port {port}")
                raise ClusterError(f'data node "{min(names)}"', reason, "", f"{place[0]}:{place[1]}")
        return dead

    def _connections_at_nodes(self) -> dict[str, dict[int, bool] | str]:
        """By data node, the ports that it knows connections from and whether these are at work; or why it does not say."""
        nodes = [node for node in self._access_node.data_nodes.values() if node.available]
        return dict(zip([node.node_name for node in nodes], side_by_side(self._ask, nodes)))

    def _ask(self, node: DataNode) -> dict[int, bool] | str:
        connection, reason = reach_node(self._module, self._access_node, node.endpoint, self._module.params["connect_timeout"])
        if connection is None:
            return reason
        try:
            return {row["port"]: row["works"] for row in connection.run(Statement(_CONNECTIONS), f'data node "{node.node_name}"')}
        except ClusterError as error:
            return error.cause
        finally:
            connection.close()


def _places(node: DataNode) -> set[Place]:
    """Where its server is, by the addresses that its host name has."""
    with suppress(OSError):
        found = socket.getaddrinfo(node.endpoint.host, node.endpoint.port, type=socket.SOCK_STREAM)
        return {(str(ip_address(address[0].partition("%")[0])), address[1]) for *_more, address in found}
    return set()


def _switches(pid: int) -> tuple[str, ...] | None:
    """The kernel's counts of how many times a process gave up its processor, by itself or not. None where it is not here."""
    with suppress(OSError), open(f"/proc/{pid}/status") as file:
        return tuple(line for line in file if "ctxt_switches" in line)
    return None


def _connections_of(pid: int) -> dict[int, Place]:
    """A process's own connections over TCP: by its own port, the other end. Raises OSError where the process may not be looked at, or is not here."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        # It goes on meanwhile.
        with suppress(FileNotFoundError):
            link = os.readlink(f"/proc/{pid}/fd/{name}")
            inodes.add(link[len("socket:[") : -1] if link.startswith("socket:[") else None)
    found = {}
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError), open(f"/proc/{pid}/net/{table}") as file:
            for fields in map(str.split, list(file)[1:]):
                if fields[9] in inodes:
                    found[_place(fields[1])[1]] = _place(fields[2])
    return found


def _place(text: str) -> Place:
    """As the kernel writes it: words of four bytes in the order of the machine."""
    words, _colon, port = text.partition(":")
    octets = b"".join(int(words[begin : begin + 8], 16).to_bytes(4, _BYTE_ORDER) for begin in range(0, len(words), 8))
    address = ip_address(octets)
    return str(getattr(address, "ipv4_mapped", None) or address), int(port, 16)
