#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_data_node
short_description: Register, alter and remove the data nodes of a multi-node TimescaleDB
version_added: 0.1.0
description:
  - Runs against the access node and keeps its data nodes as described. One task describes one data node by O(node_name) and the options
    beside it, or all of them in O(data_nodes) over one connection.
  - A data node that is not registered is added, one whose host, port, database or availability differs is altered, one that is as
    described is left alone, as are those that are not described.
  - Before the first change every node concerned is looked at directly, all of them at once, as the access node would log in there.
    It has to answer, to run a release that the access node accepts, to have the same encoding, collation and LC_CTYPE, and
    C(max_prepared_transactions) above 0, which TimescaleDB itself does not check. All findings are reported in one message.
  - Everything is run as a role that may do it, in general a superuser, and data nodes are reached as that same role.
options:
  sessions:
    description:
      - Sessions of the access node that add new nodes side by side. With one, the nodes are added one after the other over the one
        connection of the task.
      - More help where many nodes are added, the network is slow, or C(add_data_node) has to create their databases.
    type: int
    default: 1
extends_documentation_fragment:
  - timescaledb.multinode._data_nodes
  - timescaledb.multinode._data_nodes.listed
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
seealso:
  - module: timescaledb.multinode.timescale_distributed_hypertable
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Register a data node
  timescaledb.multinode.timescale_data_node:
    login_db: metrics
    node_name: dn1
    host: dn1.example.org

- name: Register all data nodes in one call
  timescaledb.multinode.timescale_data_node:
    login_db: metrics
    data_nodes:
      - node_name: dn1
        host: dn1.example.org
      - node_name: dn2
        host: dn2.example.org
        port: 5433

- name: Create their databases and register them, four at a time
  timescaledb.multinode.timescale_data_node:
    login_db: metrics
    data_nodes: "{{ my_data_nodes }}"
    sessions: 4

- name: Go on without a data node that is down, where there are copies of its chunks
  timescaledb.multinode.timescale_data_node:
    login_db: metrics
    node_name: dn2
    available: false

- name: Remove a data node that holds nothing any more, and its database
  timescaledb.multinode.timescale_data_node:
    login_db: metrics
    node_name: dn2
    state: absent
    drop_database: true

- name: Register the database of a former data node again, whatever is in it
  timescaledb.multinode.timescale_data_node:
    login_db: metrics
    node_name: dn2
    host: dn2.example.org
    reclaim: database
"""

RETURN = r"""
before:
  description: The data nodes of the task as they were found; those that were not registered are missing.
  returned: success, and when a step failed
  type: list
  elements: dict
  sample: [{"node_name": "dn1", "host": "10.0.0.2", "port": 5432, "database": "metrics", "available": true}]
steps:
  description: What was done in its order; in check mode, what would be done.
  returned: success, and when a step failed
  type: list
  elements: dict
  contains:
    object:
      description: What the step changes.
      type: str
      sample: data node "dn1"
    action:
      description: What happens to it.
      type: str
      sample: add
    effect:
      description: What that means for the cluster. V(moved) is to other data nodes.
      type: str
      sample: added
    reason:
      description: Why.
      type: str
      sample: it is not registered
    danger:
      description: What cannot be had back after it; null where there is no such thing.
      type: str
      sample: null
    sql:
      description: The statement, passwords masked.
      type: str
      sample: SELECT * FROM "public".add_data_node('dn1', host => '10.0.0.2', database => 'metrics', port => 5432, bootstrap => false)
    database:
      description: Where it was run.
      type: str
      sample: /var/run/postgresql:5432/metrics
after:
  description: The data nodes of the task as they are now; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  sample: [{"node_name": "dn1", "host": "10.0.0.2", "port": 5432, "database": "metrics", "available": true}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._converge import converge, session_errors
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import given_up_nodes, looks_needed, plan_data_nodes, shown
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import noting, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import observe_holdings, observe_lost
from ansible_collections.timescaledb.multinode.plugins.module_utils._left_out import observe_left_out, steps_to_take_in
from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import look_at_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, State
from ansible_collections.timescaledb.multinode.plugins.module_utils._unproven import observe_returns
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import node_list, node_options, release_errors, wanted_nodes


def make_plan(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> Plan:
    """Look at what the plan depends on, and make it."""
    errors = session_errors(module)
    wanted = noting(errors, lambda: wanted_nodes(module.params["data_nodes"] or [module.params]), [])
    raise_all(errors + release_errors(wanted, access_node))
    looks = look_at_nodes(module, access_node, looks_needed(wanted, access_node))
    leaving = [node.node_name for node in wanted if not node.present and node.node_name in access_node.data_nodes]
    available = {name for name, node in access_node.data_nodes.items() if node.available}
    lost = observe_lost(connection, given_up_nodes(wanted, access_node))
    holdings = observe_holdings(connection, leaving, available)
    sources, errors = observe_returns(connection, wanted, access_node)
    plan = noting(errors, lambda: plan_data_nodes(wanted, access_node, looks, holdings, lost, sources), Plan([], {}, {}))
    raise_all(errors)
    plan.steps += steps_to_take_in(observe_left_out(connection, wanted, access_node), access_node)
    return plan


def read_state(module: AnsibleModule, connection: Connection) -> State:
    """The data nodes of the task as they are."""
    names = {node.node_name for node in wanted_nodes(module.params["data_nodes"] or [module.params])}
    return {"data_nodes": shown(observe_access_node(connection).data_nodes, names)}


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            **node_options(required=False),
            data_nodes=node_list(),
            sessions=dict(type="int", default=1),
        ),
        mutually_exclusive=[
            (option, "data_nodes") for option in ("node_name", "host", "port", "database", "bootstrap", "password", "available")
        ],
        required_one_of=[("node_name", "data_nodes")],
        supports_check_mode=True,
    )
    converge(module, make_plan, read_state, "data_nodes")


if __name__ == "__main__":
    main()
