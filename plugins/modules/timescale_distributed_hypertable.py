#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_distributed_hypertable
short_description: Create distributed hypertables of a multi-node TimescaleDB and keep them as described
version_added: 0.1.0
description:
  - Runs against the access node. Turns a table into a distributed hypertable and keeps it so, one of them or all of them in
    O(hypertables) over one connection.
  - What TimescaleDB can change is changed, that is chunk interval, number of partitions, replication factor, the attached data nodes and
    missing default indexes. A time column or partitioning column that differs is an error, for it is fixed when the table is created.
  - Options that are not given are left as they are. Hypertables that are not listed are left alone.
  - It warns about layouts that users regret, such as no partitioning column, fewer partitions than data nodes, and a raised
    replication factor, which only new chunks will have.
extends_documentation_fragment:
  - timescaledb.multinode._hypertables
  - timescaledb.multinode._hypertables.listed
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
seealso:
  - module: timescaledb.multinode.timescale_data_node
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Distribute a table that exists
  timescaledb.multinode.timescale_distributed_hypertable:
    login_db: metrics
    relation: conditions
    time_column_name: time
    partitioning_column: device
    chunk_time_interval: 1 day

- name: Create two tables and distribute them, in one call
  timescaledb.multinode.timescale_distributed_hypertable:
    login_db: metrics
    hypertables:
      - relation: conditions
        definition: time timestamptz NOT NULL, device text NOT NULL, temperature float8
        time_column_name: time
        partitioning_column: device
        number_partitions: 8
      - relation: events
        definition: at bigint NOT NULL, kind int NOT NULL
        time_column_name: at
        partitioning_column: kind
        chunk_time_interval: "1000000"
        replication_factor: 2

- name: Drop a distributed hypertable with all its rows
  timescaledb.multinode.timescale_distributed_hypertable:
    login_db: metrics
    relation: conditions
    state: absent
    drop_data: true

- name: Keep a hypertable on two of the data nodes
  timescaledb.multinode.timescale_distributed_hypertable:
    login_db: metrics
    relation: conditions
    time_column_name: time
    data_nodes: [dn1, dn2]
"""

RETURN = r"""
before:
  description: The distributed hypertables of the task as they were found; those that did not exist are missing.
  returned: success, and when a step failed
  type: list
  elements: dict
  sample: []
steps:
  description: What was done in its order; in check mode, what would be done.
  returned: success, and when a step failed
  type: list
  elements: dict
  contains:
    object:
      description: What the step changes.
      type: str
      sample: distributed hypertable "public"."conditions"
    action:
      description: What happens to it.
      type: str
      sample: create
    effect:
      description: What that means for the cluster. V(moved) is to other data nodes.
      type: str
      sample: added
    reason:
      description: Why.
      type: str
      sample: the table is not distributed
    danger:
      description: What cannot be had back after it; null where there is no such thing.
      type: str
      sample: null
    sql:
      description: The statement.
      type: str
      sample: SELECT * FROM "public".create_distributed_hypertable(format('%I.%I', 'public', 'conditions')::regclass, 'time')
    database:
      description: Where it was run.
      type: str
      sample: /var/run/postgresql:5432/metrics
after:
  description: The distributed hypertables of the task as they are now; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  contains:
    schema:
      description: Schema of the table.
      type: str
      sample: public
    relation:
      description: Name of the table.
      type: str
      sample: conditions
    owner:
      description: The role that owns it.
      returned: when O(owner) is given
      type: str
      sample: app
    time_column_name:
      description: Column of the first open dimension.
      type: str
      sample: time
    partitioning_column:
      description: Column of the first closed dimension; null where there is none.
      type: str
      sample: device
    number_partitions:
      description: Partitions of that column; null where there is none.
      type: int
      sample: 4
    chunk_time_interval:
      description: Time that one chunk covers.
      type: str
      sample: 7 days
    replication_factor:
      description: Copies of each new chunk.
      type: int
      sample: 1
    data_nodes:
      description: The attached data nodes.
      type: list
      elements: str
      sample: [dn1, dn2]
    default_indexes:
      description: Whether the default indexes are there.
      returned: when O(create_default_indexes) is true
      type: bool
      sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._converge import converge
from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import observe_holdings
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_plan import leaving_nodes, plan_hypertables, shown_tables
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, State
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import observe_intervals, observe_tables
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import hypertable_list, hypertable_options, wanted_hypertables


def make_plan(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> Plan:
    """Read what the plan depends on, and make it."""
    wanted = wanted_hypertables(module.params["hypertables"] or [module.params])
    intervals = observe_intervals(connection, wanted)
    tables = observe_tables(connection, wanted)
    available = {name for name, node in access_node.data_nodes.items() if node.available}
    holdings = observe_holdings(connection, leaving_nodes(wanted, tables), available)
    return plan_hypertables(wanted, access_node, tables, intervals, holdings)


def read_state(module: AnsibleModule, connection: Connection) -> State:
    """The distributed hypertables of the task as they are."""
    wanted = wanted_hypertables(module.params["hypertables"] or [module.params])
    return {"hypertables": shown_tables(wanted, observe_tables(connection, wanted))}


def main() -> None:
    one_or_many = ("relation", "owner", "definition", "time_column_name", "partitioning_column", "number_partitions", "chunk_time_interval")
    one_or_many += ("replication_factor", "data_nodes")
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            **hypertable_options(required=False),
            hypertables=hypertable_list(),
        ),
        mutually_exclusive=[(option, "hypertables") for option in one_or_many],
        required_one_of=[("relation", "hypertables")],
        supports_check_mode=True,
    )
    converge(module, make_plan, read_state, "hypertables")


if __name__ == "__main__":
    main()
