#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_rebalance
short_description: Move chunks between the data nodes of a multi-node TimescaleDB
version_added: 0.1.0
description:
  - Runs against the access node. It reads the size of every chunk from the data nodes, makes a plan that moves as few bytes as possible, and carries
    it out. In check mode it shows the plan.
  - Rows that are written meanwhile are not lost. TimescaleDB's own C(move_chunk) loses them without a word (seen on 2.13.1), so that each chunk is
    copied, writers of its hypertable are made to wait for a moment while the copy catches up, the rows of both copies are counted, and only then the
    old one is dropped. Reads go on all the time.
  - A hypertable is attached to a data node before its chunks go there, without a change of its partitions.
  - An interrupted or failed run is finished by running the task again. It first cleans up what was left. Copies that were not compared with
    their source are dropped and made anew.
  - While it runs, the C(application_name) of its session in C(pg_stat_activity) on the access node tells how far it is and how many seconds it
    still takes, judged by the moves that are done, and
    C(_timescaledb_catalog.chunk_copy_operation) which chunks are under way, with operations that begin with C(tsmn_).
options:
  state:
    description:
      - V(balanced) brings the bytes of every available data node to its share, within O(tolerance).
      - V(drained) moves everything off O(nodes), which get no new chunks any more (C(block_new_chunks)).
      - V(replicated) copies chunks that have fewer copies on available data nodes than the replication factor of their hypertable.
    type: str
    choices: [balanced, drained, replicated]
    default: balanced
  nodes:
    description:
      - The data nodes that O(state=drained) is about.
    type: list
    elements: str
  tolerance:
    description:
      - How far from its share a data node may be, as a part of that share. The less, the more has to be moved.
    type: float
    default: 0.05
  threshold:
    description:
      - How far from its share a data node has to be for anything to be moved. It must not be less than O(tolerance), which says how near it is brought then.
      - A chunk was seen to be a quarter smaller after a move than before it. With both alike, a second run would find something to move again.
    type: float
    default: 0.2
  spread_newest:
    description:
      - With O(state=balanced), also see that no data node has more than its share of the chunks that a hypertable's newest rows go to.
    type: bool
    default: true
  capacities:
    description:
      - Data nodes that are to hold more or less than others.
    type: list
    elements: dict
    suboptions:
      node_name:
        description: Name of the data node.
        type: str
        required: true
      weight:
        description: Its share in proportion to that of others.
        type: float
        default: 1
      most_bytes:
        description: Bytes of chunks that it must not exceed.
        type: int
  concurrency:
    description:
      - Chunks that are moved at the same time from or to one data node. Different pairs of nodes work side by side in any case.
    type: int
    default: 1
  byte_limit:
    description:
      - Move no more bytes than that in this run.
    type: int
  time_limit:
    description:
      - Begin no further move after that many seconds. What is left is for another run.
      - Also SIGTERM and SIGINT let those under way come to their end.
    type: int
  lock_timeout:
    description:
      - Seconds that writers of a hypertable may be kept waiting behind a transaction that wrote to it and is still open. After five attempts the move
        fails.
    type: int
    default: 5
extends_documentation_fragment:
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
notes:
  - Needs TimescaleDB 2.7 or newer and a superuser. The servers of data nodes need C(wal_level = logical) and enough slots, senders and logical workers, and
    have to let each other in. Before anything is changed, also in check mode, each data node that takes chunks logs in to those that it gets them from, as
    TimescaleDB will have it do, by a subscription in a transaction that is rolled back. With PostgreSQL's default for C(wal_retrieve_retry_interval)
    every chunk takes five seconds longer.
  - With O(time_limit), a run may do less than check mode predicted.
seealso:
  - module: timescaledb.multinode.timescale_cluster
  - module: timescaledb.multinode.timescale_cluster_info
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Have a new data node take its share
  timescaledb.multinode.timescale_rebalance:
    login_db: metrics
    concurrency: 2

- name: Empty a data node before it leaves
  timescaledb.multinode.timescale_rebalance:
    login_db: metrics
    state: drained
    nodes: [dn2]

- name: Copy what lost its copies with a data node, for at most an hour
  timescaledb.multinode.timescale_rebalance:
    login_db: metrics
    state: replicated
    time_limit: 3600
"""

RETURN = r"""
before:
  description: What every data node had. Chunks count with the bytes of their biggest copy.
  returned: success, and when a move failed
  type: list
  elements: dict
  sample: [{"node_name": "dn1", "chunks": 12, "bytes": 201326592}]
after:
  description: What every data node has now, with the same sizes; in check mode, what it would have.
  returned: success, and when a move failed
  type: list
  elements: dict
  sample: [{"node_name": "dn1", "chunks": 8, "bytes": 134217728}]
plan:
  description: The plan in numbers.
  returned: success, and when a move failed
  type: dict
  contains:
    moves:
      description: Chunks that are moved or copied.
      type: int
    bytes:
      description: Their bytes.
      type: int
    moves_left:
      description: Chunks that O(byte_limit) leaves for another run.
      type: int
    bytes_left:
      description: Their bytes.
      type: int
    seconds:
      description:
        - What the moves are estimated to take, at half a second for a chunk, 50 MB a second, and what C(wal_retrieve_retry_interval) of the data nodes
          adds.
      type: int
    least_bytes:
      description: What any plan for the same goal has to move at the least.
      type: int
  sample: {"moves": 8, "bytes": 134217728, "moves_left": 0, "bytes_left": 0, "seconds": 7, "least_bytes": 127506841}
overview:
  description: The plan as a table for people, line by line.
  returned: success, and when a move failed
  type: list
  elements: str
  sample:
    - "Plan: 4 chunks, 64.0 MB; at the least 60.8 MB have to be moved"
    - "data node   chunks    after      bytes      after"
    - "dn1              6        4    96.0 MB    64.0 MB"
moves:
  description: What was moved or copied, in the order of the plan; in check mode, what would be.
  returned: success, and when a move failed
  type: list
  elements: dict
  sample:
    - object: chunk "_timescaledb_internal"."_dist_hyper_1_1_chunk"
      action: move
      source_node: dn1
      destination_node: dn3
      bytes: 16777216
lost:
  description: Chunks without a copy on an available data node, and the data nodes that have one.
  returned: success, and when a move failed
  type: list
  elements: dict
  sample: [{"chunk": 'chunk "_timescaledb_internal"."_dist_hyper_1_1_chunk"', "nodes": ["dn2"]}]
stopped:
  description: Why it ended before all was done; empty where all was.
  returned: success, and when a move failed
  type: str
  sample: the time_limit of 3600 s was reached
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance import rebalance


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            state=dict(type="str", choices=["balanced", "drained", "replicated"], default="balanced"),
            nodes=dict(type="list", elements="str"),
            tolerance=dict(type="float", default=0.05),
            threshold=dict(type="float", default=0.2),
            spread_newest=dict(type="bool", default=True),
            capacities=dict(
                type="list",
                elements="dict",
                options=dict(
                    node_name=dict(type="str", required=True),
                    weight=dict(type="float", default=1),
                    most_bytes=dict(type="int"),
                ),
            ),
            concurrency=dict(type="int", default=1),
            byte_limit=dict(type="int"),
            time_limit=dict(type="int"),
            lock_timeout=dict(type="int", default=5),
        ),
        supports_check_mode=True,
    )
    rebalance(module)


if __name__ == "__main__":
    main()
