#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_failover
short_description: Have a multi-node TimescaleDB go on without data nodes that are dead
version_added: 0.1.0
description:
  - Runs against the access node and marks data nodes as unavailable, so that reads and writes go on with the copies of chunks that others have.
  - Refuses to where a data node answers, unless O(force) is set.
  - A dead data node may crash the access node again and again, until it is marked (seen on TimescaleDB 2.13.1). The module goes on trying while the
    server starts again.
  - Data nodes that are not registered are no error; there is nothing to be done about them.
options:
  nodes:
    description:
      - Names of the data nodes that are dead.
    type: list
    elements: str
    required: true
  force:
    description:
      - Mark data nodes that answer as well.
    type: bool
    default: false
  connect_timeout:
    description:
      - Seconds to wait for a data node that does not answer.
    type: int
    default: 3
  restart_timeout:
    description:
      - Seconds to go on trying while the access node's server starts again.
    type: int
    default: 60
extends_documentation_fragment:
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
notes:
  - Needs TimescaleDB 2.9 or newer.
seealso:
  - module: timescaledb.multinode.timescale_data_node
  - module: timescaledb.multinode.timescale_rebalance
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Go on without a data node that is dead
  timescaledb.multinode.timescale_failover:
    login_db: metrics
    nodes: [dn2]
"""

RETURN = r"""
before:
  description: The data nodes as they were found.
  returned: success, and when a step failed
  type: list
  elements: dict
  sample: [{"node_name": "dn2", "host": "10.0.0.2", "port": 5432, "database": "metrics", "available": true}]
after:
  description: The data nodes as they are now; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  sample: [{"node_name": "dn2", "host": "10.0.0.2", "port": 5432, "database": "metrics", "available": false}]
steps:
  description: What was done in its order; in check mode, what would be done.
  returned: success, and when a step failed
  type: list
  elements: dict
  sample:
    - object: data node "dn2"
      action: alter
      effect: changed
      reason: available is True, wanted False
      danger: its copies of chunks that are written to meanwhile are given up
      sql: SELECT * FROM "public".alter_data_node('dn2', available => false)
      database: /var/run/postgresql:5432/metrics
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._converge import converge
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import plan_data_nodes, shown
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import silent_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, State, Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import dead_node, release_errors

# Another crash must not take back what was done, whatever the server's own setting is.
_DURABLE = Statement("SET synchronous_commit = on")


def make_plan(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> Plan:
    """Look whether they are dead, and make the plan."""
    options = module.params
    if options["connect_timeout"] < 1:
        raise ClusterError("option connect_timeout", f"it is {options['connect_timeout']}", "choose 1 or more seconds")
    names = sorted(set(options["nodes"]) & set(access_node.data_nodes))
    if not options["force"]:
        available = [name for name in names if access_node.data_nodes[name].available]
        silent = silent_nodes(module, access_node, available, options["connect_timeout"])
        raise_all([_alive(access_node, name) for name in available if name not in silent])
    wanted = [dead_node(name) for name in names]
    raise_all(release_errors(wanted, access_node))
    connection.run(_DURABLE, "session of the access node")
    return plan_data_nodes(wanted, access_node, {}, [])


def _alive(access_node: AccessNode, name: str) -> ClusterError:
    remedy = "name another one, or set force to go on without it all the same"
    return ClusterError(f'data node "{name}"', "it answers, so that it is not dead", remedy, str(access_node.data_nodes[name].endpoint))


def read_state(module: AnsibleModule, connection: Connection) -> State:
    """The data nodes as they are."""
    return {"data_nodes": shown(observe_access_node(connection).data_nodes, set(module.params["nodes"]))}


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            nodes=dict(type="list", elements="str", required=True),
            force=dict(type="bool", default=False),
            connect_timeout=dict(type="int", default=3),
            restart_timeout=dict(type="int", default=60),
        ),
        supports_check_mode=True,
    )
    converge(module, make_plan, read_state, "data_nodes", module.params["restart_timeout"])


if __name__ == "__main__":
    main()
