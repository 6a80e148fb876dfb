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
options:
  roles:
    description:
      - The roles. What is not said of a role is left as it is.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the role.
        type: str
        required: true
      state:
        description:
          - V(present) keeps the role on all nodes, V(absent) drops it from all of them, together with its privileges, default privileges and
            user mappings.
        type: str
        choices: [absent, present]
        default: present
      login:
        description:
          - Whether the role can log in. The access node goes to data nodes as the role that uses it, so whoever uses a distributed hypertable
            has to be able to log in everywhere.
          - A new role cannot, unless O(roles[].distributed_hypertables_in) is given.
        type: bool
      inherit:
        description:
          - Whether the role has the privileges of the roles that it is a member of.
        type: bool
      createdb:
        description:
          - Whether the role can create databases.
        type: bool
      createrole:
        description:
          - Whether the role can create roles.
        type: bool
      superuser:
        description:
          - Whether the role is a superuser.
        type: bool
      connection_limit:
        description:
          - How many sessions of the role each node allows at a time; V(-1) for no limit. The access node has one at each data node for each of
            its own.
        type: int
      password:
        description:
          - The password, or its SCRAM-SHA-256 verifier as C(pg_authid) has it. Nodes get a verifier only, all the same one, and a verifier that
            fits already stays.
          - The access node itself logs in to data nodes with the line for the role in the file that C(timescaledb.passfile) names, or with the
            role's client certificate, which needs no password here.
        type: str
      member_of:
        description:
          - The roles that this one is a member of.
        type: list
        elements: str
      data_nodes:
        description:
          - The data nodes on which the role may create distributed hypertables, that is USAGE on their foreign servers. V(*) stands for all that
            are registered.
        type: list
        elements: str
      distributed_hypertables_in:
        description:
          - Schemas in which the role may create distributed hypertables, which it then owns and fills, and no more than that.
          - Short for O(roles[].login=true), V(*) in O(roles[].data_nodes), both where nothing else is said, CONNECT on the database, and USAGE
            and CREATE on the schemas, on all nodes.
        type: list
        elements: str
      grants:
        description:
          - The privileges of the role.
        type: list
        elements: dict
        suboptions:
          type:
            description:
              - What the privileges are on. V(table) stands for views and foreign tables as well.
              - V(default_privs) are those on objects that other roles will create.
            type: str
            required: true
            choices: [database, default_privs, schema, sequence, table]
          privs:
            description:
              - The privileges, by PostgreSQL's names. V(ALL) stands for all.
            type: list
            elements: str
            required: true
          objs:
            description:
              - The schemas, tables or sequences by name. Tables and sequences may be left out, which stands for all that are in the schema now.
              - A table or sequence has to be on the access node. On data nodes it gets the privileges where it is there.
              - With O(roles[].grants[].type=default_privs), some of V(TABLES), V(SEQUENCES), V(FUNCTIONS) and V(TYPES).
              - Not with O(roles[].grants[].type=database), which is the cluster's database, whatever nodes call it.
            type: list
            elements: str
          schema:
            description:
              - The schema of tables and sequences, and the only one in which default privileges hold.
            type: str
          target_roles:
            description:
              - With O(roles[].grants[].type=default_privs), the roles that will create the objects.
            type: list
            elements: str
      exclusive:
        description:
          - Revoke what the role has and is not declared, on the objects of its O(roles[].grants), the data nodes if O(roles[].data_nodes) is
            given, and the memberships if O(roles[].member_of) is given. Objects that are not declared, and those that the role owns, are left
            alone.
        type: bool
        default: false
      drop_user_mappings:
        description:
          - Drop the role's user mappings for data nodes. TimescaleDB prefers them to its passfile, and they keep a password in clear text.
          - Without it, they are left with a warning, and a change of the password on a data node for which there is one with a password is
            refused.
        type: bool
        default: false
      reassign_owned_to:
        description:
          - With O(roles[].state=absent), the role that gets what this one owns. Without it, a role that owns anything on any node is not dropped.
        type: str
  schemas:
    description:
      - The schemas. They are created, and altered, before privileges are granted on them.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the schema.
        type: str
        required: true
      state:
        description:
          - V(present) keeps the schema on all nodes, V(absent) drops it from all of them. A schema that holds anything is never dropped.
        type: str
        choices: [absent, present]
        default: present
      owner:
        description:
          - The role that owns it. A new schema is owned by the role that logs in where not given.
        type: str
      public_privs:
        description:
          - The privileges that PUBLIC has on it, none where the list is empty. Left as they are where not given.
          - V(USAGE) alone is what the schema V(public) has in a database made by PostgreSQL 15. Older ones also let everybody create tables
            in it, and nodes may differ after an upgrade.
        type: list
        elements: str
  extensions:
    description:
      - The extensions. They are created or updated, and never dropped.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the extension. V(timescaledb) itself is not for this module.
        type: str
        required: true
      version:
        description:
          - Its version. Where not given, data nodes get the one of the access node, and that gets its server's default if it has none.
        type: str
      schema:
        description:
          - The schema in which a new one is created.
        type: str
extends_documentation_fragment:
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
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_look import observe_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_plan import plan_roles, shown
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Plan, State
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_roles import extension_list, role_list, schema_list, wanted_roles


def make_plan(module: AnsibleModule, connection: Connection, access_node: AccessNode) -> Plan:
    """Read what the plan depends on, and make it."""
    wanted = wanted_roles(module.params)
    return plan_roles(wanted, observe_nodes(module, connection, access_node, wanted), sorted(access_node.data_nodes))


def read_state(module: AnsibleModule, connection: Connection) -> State:
    """The declared objects as they are."""
    wanted = wanted_roles(module.params)
    return shown(wanted, observe_nodes(module, connection, observe_access_node(connection), wanted))


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
