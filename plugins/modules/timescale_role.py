#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_role
short_description: Keep database roles, schemas and extensions alike on all nodes of a multi-node TimescaleDB
version_added: 0.1.0
description:
  - Runs against the access node. Takes a role as one object over all nodes, with its attributes, password, memberships and privileges, looks at
    the access node and at every data node, and makes up the difference wherever there is one. So do schemas and extensions.
  - TimescaleDB itself sends to data nodes only grants on a distributed hypertable that is named, and those only to the hypertable's data nodes,
    where they fail for a role that is not there. It sends no roles, no passwords, no schemas, no extensions, no default privileges, no grants
    on schemas, databases and all tables of a schema.
  - Each node is read by one query, the data nodes side by side. They are then changed side by side as well, over one connection each. Roles
    come first on data nodes, and all of them have a grant before the access node has it.
  - A data node that was added later gets what the others have when the task is run again. Run it after data nodes are registered and before
    hypertables are created on them or attached to them. C(attach_data_node) sends the grants on the hypertable, and fails for a role that the
    data node lacks.
  - All reasons not to begin are found before the first change and reported in one message. A data node that does not answer is one. One that
    is registered as not available is left as it is, with a warning.
  - The login has to be a superuser on all nodes, for no other role can see verifiers of passwords.
extends_documentation_fragment:
  - timescaledb.multinode._roles
  - timescaledb.multinode._addresses.patience
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
notes:
  - Whoever only reads or writes a distributed hypertable needs no USAGE on foreign servers, but a login on all nodes, and privileges on the
    schema and the hypertable there.
  - Statements with a verifier are kept out of the servers' logs and of C(pg_stat_statements).
seealso:
  - module: timescaledb.multinode.timescale_cluster
  - module: timescaledb.multinode.timescale_passfile
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Let an application create and fill distributed hypertables in one schema, and a dashboard read them
  timescaledb.multinode.timescale_role:
    login_db: metrics
    schemas:
      - name: metrics
      - name: public
        public_privs: [USAGE]
    extensions:
      - name: pgcrypto
    roles:
      - name: app
        password: "{{ vault_app_password }}"
        distributed_hypertables_in: [metrics]
      - name: readers
        grants:
          - type: schema
            objs: [metrics]
            privs: [USAGE]
          - type: table
            schema: metrics
            privs: [SELECT]
          - type: default_privs
            target_roles: [app]
            schema: metrics
            objs: [TABLES]
            privs: [SELECT]
      - name: dashboard
        login: true
        password: "{{ vault_dashboard_password }}"
        member_of: [readers]
        exclusive: true

- name: Drop a role from all nodes
  timescaledb.multinode.timescale_role:
    login_db: metrics
    roles:
      - name: former_app
        state: absent
        reassign_owned_to: app
"""

RETURN = r"""
before:
  description:
    - The declared objects that change, as they were found, one entry for each on each node that has it. What did not exist is missing, so that
      a node that has drifted is the one with an entry.
  returned: success, and when a step failed
  type: dict
  contains: &state
    roles:
      description:
        - The roles, of their privileges those on declared objects. V(password) says whether there is one, and whether it is the declared one.
      type: list
      elements: dict
      sample:
        - node: dn2
          name: app
          login: true
          inherit: true
          createdb: false
          createrole: false
          superuser: false
          connection_limit: -1
          member_of: []
          password: as declared
          privileges: {"the database": ["CONNECT"], 'schema "metrics"': ["USAGE", "CREATE"]}
    schemas:
      description: The schemas.
      type: list
      elements: dict
      sample: [{"node": "access node", "name": "metrics", "owner": "postgres", "public_privs": []}]
    extensions:
      description: The extensions.
      type: list
      elements: dict
      sample: [{"node": "dn1", "name": "pgcrypto", "version": "1.3"}]
steps:
  description: What was done in its order; in check mode, what would be done. Data nodes are changed side by side.
  returned: success, and when a step failed
  type: list
  elements: dict
  contains:
    object:
      description: What the step changes, and on which node.
      type: str
      sample: role "app" on data node "dn2"
    action:
      description: What happens to it.
      type: str
      sample: create
    effect:
      description: What that means for the cluster, one of V(added), V(changed) and V(removed).
      type: str
      sample: added
    reason:
      description: Why.
      type: str
      sample: it is missing
    danger:
      description: What cannot be had back after it; null where there is no such thing.
      type: str
      sample: null
    sql:
      description: The statement, verifiers masked.
      type: str
      sample: CREATE ROLE "app" LOGIN PASSWORD '********'
    database:
      description: Where it was run.
      type: str
      sample: dn2.example.org:5432/metrics
after:
  description: The same objects as they are now; in check mode, as they would be.
  returned: success
  type: dict
  contains: *state
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._converge import converge
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_declarations import wanted_roles
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_look import available_nodes, observe_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import extension_list, role_list, schema_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_plan import plan_roles, shown
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, State


def make_plan(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> Plan:
    """Read what the plan depends on, and make it."""
    wanted = wanted_roles(module.params)
    nodes = observe_nodes(module, connection, access_node, wanted, available_nodes(module, access_node))
    return plan_roles(wanted, nodes, sorted(access_node.data_nodes))


def read_state(module: AnsibleModule, connection: Connection) -> State:
    """The declared objects as they are."""
    wanted = wanted_roles(module.params)
    access_node = observe_access_node(connection)
    return shown(wanted, observe_nodes(module, connection, access_node, wanted, available_nodes(module, access_node)))


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            roles=role_list(),
            schemas=schema_list(),
            extensions=extension_list(),
            connect_timeout=dict(type="int", default=10),
        ),
        required_one_of=[("roles", "schemas", "extensions")],
        supports_check_mode=True,
    )
    converge(module, make_plan, read_state)


if __name__ == "__main__":
    main()
