#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_hung_sessions
short_description: End sessions of a multi-node TimescaleDB that wait for a dead data node
version_added: 0.1.0
description:
  - Runs on the access node's host, as its server's user or as root. Ends sessions that wait for a data node which will never answer, and leaves alone those
    that wait for one that is at work for them, however long.
  - A session hangs where its process does not wake up for O(wait) seconds, has a connection to one of the dead data nodes, and where each other data node
    that it is connected to says at both ends of that time that it is not at work for this connection.
  - What cannot be told is left alone, and warned of.
options:
  nodes:
    description:
      - Names of the data nodes that are dead. Those that are not registered are no error.
    type: list
    elements: str
    required: true
  act:
    description:
      - V(cancel) ends the statements of sessions that keep all others from making a chunk of a distributed hypertable.
      - V(terminate) ends sessions that have written to a distributed hypertable.
    type: str
    choices: [cancel, terminate]
    default: cancel
  wait:
    description:
      - Seconds between two looks.
    type: int
    default: 3
  patience:
    description:
      - Seconds after which no further look is begun. One that finds nothing is the last one in any case.
    type: int
    default: 10
  connect_timeout:
    description:
      - Seconds to wait for a data node that does not answer.
    type: int
    default: 3
extends_documentation_fragment:
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
notes:
  - O(session_role) is the role that data nodes are asked as. Sessions of the access node are seen and ended as the role that logs in.
  - Make the data nodes unavailable first, as M(timescaledb.multinode.timescale_failover) does. Otherwise others hang soon.
  - TimescaleDB 2.13.1 may crash where a session is ended that was about to begin its C(COPY) to a data node. That ends all sessions of the access node.
seealso:
  - module: timescaledb.multinode.timescale_failover
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Cancel what waits for a dead data node and keeps others from making chunks
  timescaledb.multinode.timescale_hung_sessions:
    login_db: metrics
    nodes: [dn2]
"""

RETURN = r"""
sessions:
  description: The sessions that were ended; in check mode, that would be.
  returned: success
  type: list
  elements: dict
  sample: [{"pid": 1234, "query_start": "2026-01-01 12:00:00.000001+00", "query": "INSERT INTO conditions VALUES (now(), 1, 2)"}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import connect_as_login, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._hung_sessions import Ended, HungSessions
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement


def end_sessions(module: AnsibleModule) -> Ended:
    """Check the options, look, and end. Raises ClusterError."""
    raise_all(
        [
            ClusterError(f"option {name}", f"it is {module.params[name]}", f"choose {least} or more seconds")
            for name, least in (("wait", 1), ("patience", 0), ("connect_timeout", 1))
            if module.params[name] < least
        ]
    )
    connection = connect_as_login(module)
    try:
        access_node = observe_access_node(connection)
        # Data nodes let the other role in. Sessions of others are seen and ended as who logs in, who may be more.
        connection.run(Statement("RESET ROLE"), "session of the access node")
        return HungSessions(module, connection, access_node).end()
    finally:
        connection.close()


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            nodes=dict(type="list", elements="str", required=True),
            act=dict(type="str", choices=["cancel", "terminate"], default="cancel"),
            wait=dict(type="int", default=3),
            patience=dict(type="int", default=10),
            connect_timeout=dict(type="int", default=3),
        ),
        supports_check_mode=True,
    )
    try:
        done = end_sessions(module)
    except ClusterError as error:
        module.fail_json(msg=str(error))
    for session, reason in done.untold.items():
        module.warn(f"session {session.pid} of the access node is left alone, for it cannot be told whether it waits for a dead data node: {reason}")
    module.exit_json(changed=bool(done.sessions), sessions=[session.shown() for session in done.sessions])


if __name__ == "__main__":
    main()
