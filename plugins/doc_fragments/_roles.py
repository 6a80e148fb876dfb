# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

from __future__ import annotations


class ModuleDocFragment:
    """Roles, schemas and extensions as a task describes them."""

    DOCUMENTATION = r"""
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
"""
