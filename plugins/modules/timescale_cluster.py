#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_cluster
short_description: Converge a whole multi-node TimescaleDB, data nodes, roles, distributed hypertables and jobs, in one task
version_added: 0.1.0
description:
  - Runs against the access node. Takes the declaration of a cluster, that is its data nodes, its roles, schemas and extensions, its
    distributed hypertables, the jobs that look after them and what must not be there, compares it with what is there, and makes the difference
    up.
  - What is there is read in the same few queries, however many data nodes, hypertables and chunks there are. Where roles, schemas or extensions
    are declared, each data node is asked as well, all of them side by side.
  - One plan over all objects, in the order in which they need each other. Data nodes are registered and altered. Roles, schemas and extensions
    are made alike on all nodes, new ones included, as M(timescaledb.multinode.timescale_role) does it. Then hypertables are created, given to
    their owners, attached, changed, detached and dropped, then data nodes are removed. A data node that leaves is taken from the declared
    hypertables first. Privileges on tables come behind that, so that they can be on tables which the same task creates, and then the removal of
    roles and schemas.
  - All reasons not to begin are found before the first change. What is wrong with the declaration itself is told in one message. Where nothing
    is, so are all reasons that only the cluster tells, such as definitions that the server refuses and data nodes that do not answer.
  - A run that was interrupted is finished by running the task again.
  - The jobs of O(analyze_job) and O(heal_job) leave out data nodes that are marked unavailable. One that does not answer is a warning in the
    server's log, and the others go on. Such a run fails at its end with the names of these nodes, see
    RV(timescaledb.multinode.timescale_cluster_info#module:jobs). It is tried again after a twentieth of the interval, and then less and less
    often, down to once in an interval.
  - In check mode with C(--diff) the plan is shown to be read. It says what will be added, changed, moved to other data nodes and removed,
    why, in which order, and what of it is dangerous.
  - A running task logs each step when it begins, and shows it as the C(application_name) of its session in C(pg_stat_activity).
options:
  prune:
    description:
      - Remove what is there and not declared. Data nodes if O(data_nodes) is given, also as an empty list, distributed hypertables if
        O(hypertables) is given. Roles, schemas and extensions are never pruned. V(absent) says of each what must not be there, and
        O(roles[].exclusive) that a role has no other privileges.
      - Neither loses data. A data node that has the only copy of a chunk, and a hypertable that has chunks, are refused, the latter unless
        O(drop_data) is set.
    type: bool
    default: false
  drop_data:
    description:
      - With O(prune=true), also drop distributed hypertables that are not declared and have chunks, with all their rows.
    type: bool
    default: false
  analyze_job:
    description:
      - The job that keeps the planner's statistics of distributed hypertables, which autovacuum does not collect on the access node.
      - It sends C(ANALYZE) for each distributed hypertable to each of its data nodes alone, so that a dead node does not keep the others from it,
        and then has the access node fetch the statistics. That asks all data nodes of a hypertable at once, and is left to the next run while
        one of them is dead or unavailable.
      - Only hypertables that belong to the role of the task, or to a role it is a member of. A superuser's job does all of them.
      - Left alone where not given, by O(prune) as well.
    type: dict
    suboptions: &job
      state:
        description:
          - V(present) makes the job run and its procedure what this release of the collection has for it, V(absent) removes both.
          - The procedures are kept in the schema C(timescaledb_multinode), which is made with the first and dropped with the last of them. It is
            refused where a role other than the task's and superusers could put something else there.
        type: str
        choices: [absent, present]
        default: present
      schedule_interval:
        description:
          - Time between two runs, as an interval such as V(12 hours). Required with V(present). A run that takes longer is ended.
        type: str
  heal_job:
    description:
      - The job that ends prepared transactions which a crash left on data nodes, by commit or rollback as the access node recorded it, and
        clears that record. TimescaleDB installs none.
      - It asks each data node for an answer and heals those that give one, so that a dead node does not keep the others from it.
      - A prepared transaction can be ended by the role that began it and by superusers.
      - Left alone where not given, by O(prune) as well.
    type: dict
    suboptions: *job
  sessions:
    description:
      - Sessions of the access node that add new nodes side by side. With one, the nodes are added one after the other over the one
        connection of the task.
      - Where hypertables are made on the new nodes in the same task, one of them connects to the nodes meanwhile, as each of them is there.
    type: int
    default: 1
extends_documentation_fragment:
  - timescaledb.multinode._data_nodes.listed
  - timescaledb.multinode._roles
  - timescaledb.multinode._hypertables.listed
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
notes:
  - With O(roles), O(schemas) or O(extensions) the login has to be a superuser on all nodes, for no other role can see verifiers of passwords.
  - Whether a role that is to be removed owns anything is judged before the plan begins. Drop its tables, or give them another owner, in a task
    before.
seealso:
  - module: timescaledb.multinode.timescale_data_node
  - module: timescaledb.multinode.timescale_role
  - module: timescaledb.multinode.timescale_distributed_hypertable
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Keep the cluster as declared
  timescaledb.multinode.timescale_cluster:
    login_db: metrics
    data_nodes:
      - node_name: dn1
        host: dn1.example.org
      - node_name: dn2
        host: dn2.example.org
      - node_name: dn3
        state: absent
    hypertables:
      - relation: conditions
        definition: time timestamptz NOT NULL, device text NOT NULL, temperature float8
        time_column_name: time
        partitioning_column: device
        number_partitions: 8
      - relation: events
        time_column_name: at
        data_nodes: [dn1, dn2]
        replication_factor: 2
      - relation: conditions_old
        state: absent
    analyze_job:
      schedule_interval: 12 hours
    heal_job:
      schedule_interval: 5 minutes

- name: Have an application create and fill distributed hypertables in one schema, and a dashboard read one of them
  timescaledb.multinode.timescale_cluster:
    login_db: metrics
    schemas:
      - name: sensors
    roles:
      - name: app
        password: "{{ vault_app_password }}"
        distributed_hypertables_in: [sensors]
      - name: dashboard
        login: true
        password: "{{ vault_dashboard_password }}"
        grants:
          - {type: schema, objs: [sensors], privs: [USAGE]}
          - {type: table, schema: sensors, objs: [conditions], privs: [SELECT]}
    hypertables:
      - schema: sensors
        relation: conditions
        owner: app
        definition: time timestamptz NOT NULL, device text NOT NULL, temperature float8
        time_column_name: time
        partitioning_column: device

- name: Remove data nodes that are not declared, and leave hypertables alone
  timescaledb.multinode.timescale_cluster:
    login_db: metrics
    data_nodes: "{{ my_data_nodes }}"
    prune: true
"""

RETURN = r"""
before:
  description:
    - The objects that change, as they were found; what did not exist is missing. Of objects that are as declared nothing is said, see
      M(timescaledb.multinode.timescale_cluster_info).
  returned: success, and when a step failed
  type: dict
  contains: &state
    data_nodes:
      description: The data nodes, as M(timescaledb.multinode.timescale_data_node) shows them.
      type: list
      elements: dict
      sample: [{"node_name": "dn1", "host": "10.0.0.2", "port": 5432, "database": "metrics", "available": true}]
    hypertables:
      description: The distributed hypertables, as M(timescaledb.multinode.timescale_distributed_hypertable) shows them.
      type: list
      elements: dict
      sample:
        - schema: public
          relation: conditions
          time_column_name: time
          partitioning_column: device
          number_partitions: 8
          chunk_time_interval: 7 days
          replication_factor: 1
          data_nodes: [dn1, dn2]
          default_indexes: true
    roles:
      description: The roles, as M(timescaledb.multinode.timescale_role) shows them, one entry for each node.
      returned: with O(roles), O(schemas) or O(extensions)
      type: list
      elements: dict
      sample: [{"node": "dn1", "name": "app", "login": true, "password": "as declared"}]
    schemas:
      description: The schemas, one entry for each node.
      returned: with O(roles), O(schemas) or O(extensions)
      type: list
      elements: dict
      sample: [{"node": "dn1", "name": "sensors", "owner": "postgres", "public_privs": []}]
    extensions:
      description: The extensions, one entry for each node.
      returned: with O(roles), O(schemas) or O(extensions)
      type: list
      elements: dict
      sample: [{"node": "dn1", "name": "pgcrypto", "version": "1.3"}]
    jobs:
      description: The jobs of O(analyze_job) and O(heal_job), with the procedure's state and the number of jobs that run it.
      type: list
      elements: dict
      sample: [{"job": "heal", "schedule_interval": "00:05:00", "max_runtime": "00:05:00", "scheduled": true, "procedure_is_ours": true, "jobs": 1}]
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
      description: What that means for the cluster, one of V(added), V(changed), V(moved) (to other data nodes) and V(removed).
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
  description: The same objects as they are now; in check mode, as they would be.
  returned: success
  type: dict
  contains: *state
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster import observe_cluster, observe_declared_roles, observe_wanted
from ansible_collections.timescaledb.multinode.plugins.module_utils._cluster_plan import plan_cluster
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._converge import converge
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import shown
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_plan import shown_tables
from ansible_collections.timescaledb.multinode.plugins.module_utils._job_plan import shown_jobs
from ansible_collections.timescaledb.multinode.plugins.module_utils._jobs import observe_jobs
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import extension_list, role_list, schema_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, State
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import observe_tables
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import hypertable_list, wanted_hypertables
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_jobs import job_option, wanted_jobs
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import node_list, wanted_nodes


def make_plan(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> Plan:
    """Read what the plan depends on, and make it."""
    wanted = observe_wanted(module, connection, access_node)
    return plan_cluster(wanted, observe_cluster(module, connection, access_node, wanted))


def read_state(module: AnsibleModule, connection: Connection) -> State:
    """The declared objects as they are."""
    names = {node.node_name for node in wanted_nodes(module.params["data_nodes"])}
    hypertables = wanted_hypertables(module.params["hypertables"])
    jobs = wanted_jobs(module.params)
    access_node = observe_access_node(connection)
    return {
        "data_nodes": shown(access_node.data_nodes, names),
        "hypertables": shown_tables(hypertables, observe_tables(connection, hypertables)),
        "jobs": shown_jobs(jobs, observe_jobs(connection, access_node, jobs)),
        **observe_declared_roles(module, connection, access_node),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            data_nodes=node_list(),
            roles=role_list(),
            schemas=schema_list(),
            extensions=extension_list(),
            hypertables=hypertable_list(),
            prune=dict(type="bool", default=False),
            drop_data=dict(type="bool", default=False),
            analyze_job=job_option(),
            heal_job=job_option(),
            sessions=dict(type="int", default=1),
        ),
        required_one_of=[("data_nodes", "roles", "schemas", "extensions", "hypertables", "analyze_job", "heal_job")],
        supports_check_mode=True,
    )
    converge(module, make_plan, read_state)


if __name__ == "__main__":
    main()
