#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_heal
short_description: End the prepared transactions that a crash left on the data nodes of a multi-node TimescaleDB
version_added: 0.1.0
description:
  - Runs against the access node. A write to several data nodes is a two-phase commit. Where a server or the network fails between the phases, data
    nodes keep prepared transactions, with their locks, over any restart.
  - Asks all data nodes at once for their prepared transactions and the access node what has become of its own, and commits or rolls back what
    is certain. The result has the evidence for each one.
  - Leaves alone what others have prepared, what the access node is still working at, what is younger than O(min_age), and where the evidence is
    contradictory. TimescaleDB's own C(remote_txn_heal_data_node) and the job that calls it look at one piece of evidence only.
  - A data node that does not answer is reported and does not keep the others from being healed.
options:
  nodes:
    description:
      - The data nodes to look at. All of them where not given, also those that are marked unavailable.
    type: list
    elements: str
  min_age:
    description:
      - Seconds that a transaction is left alone after it was prepared.
    type: float
    default: 60
extends_documentation_fragment:
  - timescaledb.multinode._addresses.patience
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
notes:
  - Only a superuser may end transactions of other roles. With less, the run is refused before the first change where there is one to be ended.
seealso:
  - module: timescaledb.multinode.timescale_cluster_info
  - module: timescaledb.multinode.timescale_cluster
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: End what a crash left, on all data nodes
  timescaledb.multinode.timescale_heal:
    login_db: metrics

- name: See what became of the transactions that a data node had prepared when it died
  timescaledb.multinode.timescale_heal:
    login_db: metrics
    nodes: [dn2]
    min_age: 0
"""

RETURN = r"""
before:
  description: The prepared transactions that were found.
  returned: success, and when a step failed
  type: list
  elements: dict
  sample: [{"node_name": "dn1", "gid": "ts-1-1234-16385-10", "owner": "postgres", "prepared": "2026-01-01T00:00:00+00:00"}]
after:
  description: Those that are left; in check mode, those that would be.
  returned: success
  type: list
  elements: dict
  sample: []
transactions:
  description: What was decided about each, and why.
  returned: success, and when a step failed
  type: list
  elements: dict
  contains:
    node_name:
      description: The data node that it is prepared on.
      type: str
      sample: dn1
    gid:
      description: Its name.
      type: str
      sample: ts-1-1234-16385-10
    owner:
      description: The role that prepared it.
      type: str
      sample: postgres
    prepared:
      description: When that was.
      type: str
      sample: "2026-01-01T00:00:00+00:00"
    age_seconds:
      description: How long ago that was.
      type: float
      sample: 812.5
    access_node_status:
      description:
        - What PostgreSQL on the access node says of its transaction, C(committed), C(aborted) or C(in progress).
        - Null where it is too old to be told, or not the access node's.
      type: str
      sample: committed
    recorded:
      description: Whether the access node has a record of its commit. Null where it is not the access node's.
      type: bool
      sample: true
    decision:
      description: What is to be done. C(commit), C(rollback) or C(none).
      type: str
      sample: commit
    reason:
      description: Why.
      type: str
      sample: transaction 1234 of the access node is committed and is in remote_txn
silent_nodes:
  description: Data nodes that were not looked at, and why.
  returned: success, and when a step failed
  type: list
  elements: dict
  sample: [{"node_name": "dn3", "reason": "no connection as role postgres: connection refused"}]
steps:
  description: What was done in its order; in check mode, what would be done.
  returned: success, and when a step failed
  type: list
  elements: dict
  sample:
    - object: prepared transaction "ts-1-1234-16385-10" on data node "dn1"
      action: commit
      effect: changed
      reason: transaction 1234 of the access node is committed and is in remote_txn
      danger: null
      sql: COMMIT PREPARED 'ts-1-1234-16385-10'
      database: 10.0.0.2:5432/metrics
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._converge import converge
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._heal_plan import KIND, plan_healing
from ansible_collections.timescaledb.multinode.plugins.module_utils._prepared_look import ask_nodes, known_of, servers_of
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, State


def wanted_nodes(module: AnsibleModule, access_node: AccessNode) -> list[DataNode]:
    """The data nodes to look at. Raises ClusterError(s) for what can be told from the options."""
    options = module.params
    known = access_node.data_nodes
    errors = [
        ClusterError("option nodes", f'data node "{name}" is not registered', f"choose of {', '.join(sorted(known))}")
        for name in sorted(set(options["nodes"] or ()) - set(known))
    ]
    if options["min_age"] < 0:
        errors.append(ClusterError("option min_age", f"it is {options['min_age']:g}", "choose 0 or more seconds"))
    if options["connect_timeout"] < 1:
        errors.append(ClusterError("option connect_timeout", f"it is {options['connect_timeout']}", "choose 1 or more seconds"))
    raise_all(errors)
    return [known[name] for name in sorted(known if options["nodes"] is None else set(options["nodes"]))]


def make_plan(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> Plan:
    """Look at what the plan depends on, and make it."""
    nodes = wanted_nodes(module, access_node)
    answers = ask_nodes(module, access_node, nodes, module.params["connect_timeout"])
    known = known_of(connection, [transaction.gid for answer in answers for transaction in answer.transactions])
    return plan_healing(access_node, answers, known, servers_of(connection, [node.node_name for node in nodes]), module.params["min_age"])


def read_state(module: AnsibleModule, connection: Connection) -> State:
    """The prepared transactions that are left."""
    access_node = observe_access_node(connection)
    answers = ask_nodes(module, access_node, wanted_nodes(module, access_node), module.params["connect_timeout"])
    return {KIND: [transaction.shown() for answer in answers for transaction in answer.transactions]}


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            nodes=dict(type="list", elements="str"),
            min_age=dict(type="float", default=60),
            connect_timeout=dict(type="int", default=10),
        ),
        supports_check_mode=True,
    )
    converge(module, make_plan, read_state, KIND)


if __name__ == "__main__":
    main()
