#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_cluster_info
short_description: Facts of a running multi-node TimescaleDB
version_added: 0.1.0
description:
  - Runs against the access node of any multi-node TimescaleDB, made by this collection or not, and reads what O(gather_subset) asks for.
  - Data nodes are asked directly and side by side, as the access node would log in there, and only where a subset needs them. One that does
    not answer is reported and does not keep the others from being asked.
  - Each subset is a query on the access node, on each data node, or both, V(hardening) four of them, however many hypertables and chunks
    there are.
  - What the role may not read is null, with a warning. So is what another session, or a transaction that a crash has left prepared, keeps
    locked for longer than O(connect_timeout).
options:
  gather_subset:
    description:
      - The facts to gather. V(all) stands for all of them, and a name that begins with V(!) leaves a subset out, as V(!all) does with all. What is
        named without it is gathered whatever else is said.
      - V(min) stands for what is always there, the access node and the registered data nodes.
      - V(nodes) asks each data node for its versions, latency, recovery and disk use.
      - V(hypertables) are the distributed hypertables with their dimensions and data nodes.
      - V(placement) are their chunks by data node, the imbalance, and the chunks with too few copies.
      - V(sizes) are their bytes by data node.
      - V(stale_chunks) are chunks on data nodes that the access node does not know of there.
      - V(copy_operations) are chunks that are being copied or moved, and what failed ones have left.
      - V(replication_slots) are those of all servers, with the WAL that they retain.
      - V(transactions) are prepared transactions on data nodes, with what healing would do with them, and the access node's log of commits.
      - V(statistics) says when the hypertables were analysed, as a whole and on each data node, and of how much the access node knows nothing.
      - V(jobs) are the background jobs of the access node's database.
      - V(settings) are the servers' settings that differ from what multi-node needs.
      - V(hardening) is what could be safer on each node, in four queries each. What of it needs a superuser and is refused is listed as not
        looked at, without a warning.
    type: list
    elements: str
    default: [all]
  certificate_days:
    description:
      - Subset V(hardening) tells of certificates that end within this many days, 0 to 36500.
    type: int
    default: 30
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
extends_documentation_fragment:
  - timescaledb.multinode._addresses.patience
  - timescaledb.multinode._login
seealso:
  - module: timescaledb.multinode.timescale_cluster
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Gather everything
  timescaledb.multinode.timescale_cluster_info:
    login_db: metrics

- name: Look for trouble, without what takes long on large clusters
  timescaledb.multinode.timescale_cluster_info:
    login_db: metrics
    gather_subset: ["!sizes", "!statistics"]

- name: See which data nodes answer
  timescaledb.multinode.timescale_cluster_info:
    login_db: metrics
    gather_subset: [nodes]
    connect_timeout: 3

- name: See what could be safer, and which certificates end soon
  timescaledb.multinode.timescale_cluster_info:
    login_db: metrics
    gather_subset: [hardening]
    certificate_days: 60
"""

RETURN = r"""
access_node:
  description: The access node.
  returned: success
  type: dict
  contains:
    database:
      description: The database.
      type: str
      sample: metrics
    port:
      description: The server's port.
      type: int
      sample: 5432
    role:
      description: The role that the facts were gathered as.
      type: str
      sample: postgres
    superuser:
      description: Whether that role is a superuser.
      type: bool
      sample: true
    postgresql_version:
      description: The server's release.
      type: str
      sample: "15.4"
    timescaledb_version:
      description: The release of the extension in the database.
      type: str
      sample: 2.13.1
    extension_schema:
      description: The schema of the extension's functions.
      type: str
      sample: public
    uuid:
      description: Identity of the database.
      type: str
      sample: 6a4a3b1e-8c2f-4f5e-9d59-0f6cf9a2d0f1
    dist_uuid:
      description: Identity of the cluster, equal to the access node's uuid. Null before the first data node.
      type: str
      sample: 6a4a3b1e-8c2f-4f5e-9d59-0f6cf9a2d0f1
    encoding:
      description: Encoding of the database.
      type: str
      sample: UTF8
    collation:
      description: Collation of the database.
      type: str
      sample: C.UTF-8
    ctype:
      description: LC_CTYPE of the database.
      type: str
      sample: C.UTF-8
data_nodes:
  description: The registered data nodes, by name.
  returned: success
  type: list
  elements: dict
  contains:
    node_name:
      description: Name on the access node.
      type: str
      sample: dn1
    host:
      description: Host name or address at which the access node reaches it.
      type: str
      sample: 10.0.0.2
    port:
      description: Port of its server.
      type: int
      sample: 5432
    database:
      description: Its database.
      type: str
      sample: metrics
    available:
      description: Whether the access node uses it.
      type: bool
      sample: true
    owner:
      description: Role that owns its entry on the access node.
      type: str
      sample: postgres
    reachable:
      description: Whether it let us in.
      returned: when a subset asks data nodes
      type: bool
      sample: true
    reason:
      description: Why it did not; null where it did.
      returned: when a subset asks data nodes
      type: str
      sample: null
    latency_milliseconds:
      description: Time of one round trip, in milliseconds.
      returned: subset V(nodes)
      type: float
      sample: 0.21
    in_recovery:
      description: Whether its server is a standby.
      returned: subset V(nodes)
      type: bool
      sample: false
    postgresql_version:
      description: Its server's release.
      returned: subset V(nodes)
      type: str
      sample: "15.4"
    timescaledb_version:
      description: Its extension's release.
      returned: subset V(nodes)
      type: str
      sample: 2.13.1
    database_bytes:
      description: Disk space of its database, in bytes.
      returned: subset V(nodes)
      type: int
      sample: 1073741824
    is_member:
      description: Whether its database takes itself for a data node of this cluster.
      returned: subset V(nodes)
      type: bool
      sample: true
    stale_chunks:
      description: Chunks there that the access node does not know of there. Marking it unavailable and back leaves such chunks.
      returned: subset V(stale_chunks)
      type: dict
      contains:
        chunks:
          description: How many.
          type: int
          sample: 0
        sample:
          description: The first five.
          type: list
          elements: str
          sample: []
hypertables:
  description: The distributed hypertables, by schema and name.
  returned: subset V(hypertables), V(placement), V(sizes) or V(statistics)
  type: list
  elements: dict
  contains:
    schema:
      description: Its schema.
      type: str
      sample: public
    relation:
      description: Its name.
      type: str
      sample: conditions
    owner:
      description: Its owner.
      returned: subset V(hypertables)
      type: str
      sample: postgres
    replication_factor:
      description: Copies of each new chunk.
      returned: subset V(hypertables)
      type: int
      sample: 1
    dimensions:
      description:
        - Its dimensions in their order. An open one has an interval, in microseconds or in the units of an integer column, a closed one has
          partitions.
      returned: subset V(hypertables)
      type: list
      elements: dict
      sample: [{"column": "time", "type": "timestamp with time zone", "interval": 604800000000, "partitions": null}]
    data_nodes:
      description: The attached data nodes, and whether they take new chunks.
      returned: subset V(hypertables)
      type: list
      elements: dict
      sample: [{"node_name": "dn1", "takes_chunks": true}]
    chunks:
      description: Number of its chunks.
      returned: subset V(placement)
      type: int
      sample: 12
    chunks_by_node:
      description: Copies of chunks by data node.
      returned: subset V(placement)
      type: dict
      sample: {"dn1": 6, "dn2": 6}
    imbalance_of_chunks:
      description: The most chunks on a data node divided by the mean of all; 1 is even. Null without chunks.
      returned: subset V(placement)
      type: float
      sample: 1.0
    under_replicated:
      description: Chunks with fewer copies than the replication factor, their number and the first five.
      returned: subset V(placement)
      type: dict
      sample: {"chunks": 0, "sample": []}
    bytes:
      description: Disk space of all copies with their indexes, in bytes, on the data nodes that answered.
      returned: subset V(sizes)
      type: int
      sample: 65536
    bytes_by_node:
      description: The same by data node.
      returned: subset V(sizes)
      type: dict
      sample: {"dn1": 32768, "dn2": 32768}
    imbalance_of_bytes:
      description: The most bytes on a data node divided by the mean of those that have any; 1 is even. Null without any.
      returned: subset V(sizes)
      type: float
      sample: 1.0
    last_analyze:
      description:
        - When ANALYZE was last run for the whole of it, by hand on the access node or by the job of
          O(timescaledb.multinode.timescale_cluster#module:analyze_job). Autovacuum of the data nodes does not count, of which the access node learns
          nothing.
        - The access node sends ANALYZE to the data nodes and notes no time. So this is the earliest of the times that those which answered have
          noted, null if one of them has none. A crash of a server loses what it has noted.
      returned: subset V(statistics)
      type: str
      sample: "2026-01-01T00:00:00+00:00"
    chunks_without_statistics:
      description: Number of its chunks of which the planner of the access node knows nothing, because they came after the last ANALYZE or it failed.
      returned: subset V(statistics)
      type: int
      sample: 0
    statistics_by_node:
      description: When its chunk that was analysed longest ago was, and how many never were, by data node.
      returned: subset V(statistics)
      type: dict
      sample: {"dn1": {"oldest_analyze": "2026-01-01T00:00:00+00:00", "never_analyzed": 0}}
copy_operations:
  description:
    - Chunks that are being copied or moved, and what is left in the catalogue of those that were. C(status) is C(running),
      C(failed) or C(complete). It is null where the session that began it is still there and the role may not see what it does, for which it has to
      be that session's role or a member of C(pg_read_all_stats).
  returned: subset V(copy_operations)
  type: list
  elements: dict
  sample:
    - operation_id: ts_copy_1_4
      completed_stage: create_subscription
      started: "2026-01-01T00:00:00+00:00"
      moves: true
      source_node: dn1
      destination_node: dn2
      chunk: _timescaledb_internal._dist_hyper_1_4_chunk
      status: failed
replication_slots:
  description: Replication slots of all servers, and the WAL that they retain, in bytes. The access node's have a null C(node_name).
  returned: subset V(replication_slots)
  type: list
  elements: dict
  sample: [{"node_name": "dn1", "slot_name": "ts_copy_1_4", "slot_type": "logical", "database": "metrics", "active": false, "retained_bytes": 1024}]
prepared_transactions:
  description:
    - Prepared transactions in the data nodes' databases. C(fate) says what healing would do. C(commit) and C(rollback) as the access node's
      transaction ended, C(in_progress) where it has not, C(foreign) where the access node did not begin it.
  returned: subset V(transactions)
  type: list
  elements: dict
  sample:
    - node_name: dn1
      gid: ts-1-1234-16385-10
      owner: postgres
      prepared: "2026-01-01T00:00:00+00:00"
      age_seconds: 12.5
      fate: commit
remote_transactions:
  description: The access node's log of distributed commits that were not cleared away yet, its entries and its disk space in bytes.
  returned: subset V(transactions)
  type: dict
  sample: {"entries": 0, "bytes": 16384}
jobs:
  description: The background jobs of the access node's database.
  returned: subset V(jobs)
  type: list
  elements: dict
  sample:
    - job_id: 1000
      application_name: User-Defined Action [1000]
      procedure: public.my_job
      schedule_interval: "01:00:00"
      scheduled: true
      config: null
      hypertable: null
      last_run_status: Success
      last_start: "2026-01-01T00:00:00+00:00"
      last_successful_finish: "2026-01-01T00:00:00+00:00"
      next_start: "2026-01-01T01:00:00+00:00"
      total_runs: 1
      total_failures: 0
settings:
  description: Settings that differ from what multi-node needs, in the units of C(pg_settings). The access node's have a null C(node_name).
  returned: subset V(settings)
  type: list
  elements: dict
  sample:
    - node_name: dn1
      name: wal_level
      value: replica
      recommended: logical
      why: chunks are moved and copied between data nodes by logical replication
hardening:
  description:
    - What could be safer. Neither passwords nor their verifiers, keys or options of C(pg_hba.conf) are in it.
    - Each line of C(pg_hba.conf) is judged by itself, as if none came before it.
  returned: subset V(hardening)
  type: dict
  contains:
    findings:
      description: The worst first.
      type: list
      elements: dict
      contains:
        node_name:
          description: The data node; null for the access node.
          type: str
          sample: dn1
        severity:
          description: C(high), C(medium), C(low), or C(info) for what cannot be told.
          type: str
          sample: high
        check:
          description: Short name of the kind of finding, to select by.
          type: str
          sample: hba_trust
        object:
          description: Line of a file, role, file, setting or schema.
          type: str
          sample: line 12 of /etc/postgresql/15/main/pg_hba.conf
        finding:
          description: What is so.
          type: str
          sample: whoever comes from there is let in unproven, as whoever it says (host all all 10.0.0.0/8 trust)
        why:
          description: Why that matters.
          type: str
          sample: every account and program there, and every tunnel that ends there, can be any of these roles
        remedy:
          description: What to do about it.
          type: str
          sample: replace trust by scram-sha-256 or cert, on the local socket by peer
    not_looked_at:
      description: What could not be judged. Without a finding and not listed here, it is as it should be.
      type: list
      elements: dict
      contains:
        node_name:
          description: The data node; null for the access node.
          type: str
          sample: dn1
        what:
          description: What of it.
          type: str
          sample: modes of files
        reason:
          description: Why not.
          type: str
          sample: the module does not run on that server's host
        files:
          description: The files whose owners and modes were not seen, which PostgreSQL does not tell. The playbook C(hardening_report) looks at them.
          type: list
          elements: dict
          sample: [{"path": "/etc/timescaledb-multinode.passfile", "kind": "passfile"}]
"""

from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, connect_as_login, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_local import modes_here
from ansible_collections.timescaledb.multinode.plugins.module_utils._hardening_report import hardening_nodes, hardening_report
from ansible_collections.timescaledb.multinode.plugins.module_utils._info import ask_access_node, ask_data_nodes, chosen_subsets, fates
from ansible_collections.timescaledb.multinode.plugins.module_utils._info_facts import cluster_facts


def gather(module: AnsibleModule, connection: Connection, subsets: list[str]) -> dict:
    """Read the facts; what was refused becomes a warning."""
    access_node = observe_access_node(connection)
    here = ask_access_node(connection, access_node, subsets)
    there = ask_data_nodes(module, access_node, subsets, here.rows.get("stale_chunks"), module.params["connect_timeout"])
    gids = [row["gid"] for answers in there.values() for row in answers.rows.get("transactions") or []]
    facts = cluster_facts(access_node, subsets, here, there, fates(connection, gids))
    if "hardening" in subsets:
        nodes = hardening_nodes(access_node, here, there)
        modes = {node.name: modes_here(node.files) for node in nodes}
        facts["hardening"] = hardening_report(nodes, modes, datetime.now(timezone.utc), module.params["certificate_days"])
    for warning in [*here.warnings, *(warning for answers in there.values() for warning in answers.warnings)]:
        module.warn(warning)
    return facts


def _check(options: dict) -> None:
    if options["connect_timeout"] < 1:
        raise ClusterError("option connect_timeout", f"it is {options['connect_timeout']}", "choose 1 or more seconds")
    if not 0 <= options["certificate_days"] <= 36500:
        raise ClusterError("option certificate_days", f"it is {options['certificate_days']}", "choose 0 to 36500 days")


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            gather_subset=dict(type="list", elements="str", default=["all"]),
            certificate_days=dict(type="int", default=30),
            connect_timeout=dict(type="int", default=10),
        ),
        supports_check_mode=True,
    )
    facts = {}
    try:
        subsets = chosen_subsets(module.params["gather_subset"])
        _check(module.params)
        connection = connect_as_login(module)
        try:
            facts = gather(module, connection, subsets)
        finally:
            connection.close()
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **facts)


if __name__ == "__main__":
    main()
