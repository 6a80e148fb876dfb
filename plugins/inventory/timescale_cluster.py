# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: timescale_cluster
short_description: A running multi-node TimescaleDB as an inventory
version_added: 0.1.0
description:
  - Reads an access node and yields the groups C(timescale_access_node) and C(timescale_data_nodes) with the variables from which the playbook
    C(timescaledb.multinode.deploy) would build the same cluster. So a cluster that exists is adopted.
  - The variables are those of the two groups, so that C(group_vars) and C(host_vars) have the last word.
  - Its source is a file whose name ends in C(timescale_cluster.yml) or C(timescale_cluster.yaml).
  - The access node is logged in to from the controller. Where its C(pg_hba.conf) does not let the controller in, forward its Unix domain
    socket, for example with C(ssh -N -L ./.s.PGSQL.5432:/var/run/postgresql/.s.PGSQL.5432 postgres@an1) and O(login_unix_socket=.).
  - "What an access node cannot tell: passwords, lines of C(timescaledb_host_hba_rules), package repositories, and settings of data nodes alone.
    Settings that were given by C(timescaledb_host_settings) are read from the access node's file, by superusers only."
  - Nor does it know the standbys of the cluster. Without the group C(timescale_standbys) and each one's C(timescaledb_standby_of) beside this
    inventory, C(deploy) takes them out of C(pg_hba.conf).
  - Hypertables are declared without the C(definition) of their tables, so that new hosts need the tables first, as by a dump of the schema.
  - The interval of a job of the collection that somebody paused is null, so that C(deploy) leaves the job as it is.
  - A name in the database that would be a template in an inventory is refused, and nothing is read.
  - Roles, schemas, extensions and owners are not declared by what it yields, so that C(deploy) leaves them as they are. Which roles the access
    node uses to log in to data nodes is read by superusers from its certificates or its passfile, and is in C(timescaledb_host_node_roles), so
    that data nodes still let them in. Their passwords have to be given in C(timescaledb_database_passwords).
options:
  plugin:
    description: Names this plugin.
    type: str
    required: true
    choices: [timescaledb.multinode.timescale_cluster]
  access_node:
    description: Name of the access node's host in the inventory. O(login_host) where not given.
    type: str
  access_node_address:
    description: Its C(ansible_host). O(login_host) where not given; without either its name is its address.
    type: str
  host_names:
    description:
      - Names of hosts in the inventory by data node, where they are not the data nodes' own. The data node's name is then kept in
        C(timescaledb_cluster_node_name).
    type: dict
    default: {}
  login_password:
    env:
      - name: TIMESCALEDB_LOGIN_PASSWORD
extends_documentation_fragment:
  - timescaledb.multinode._login
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
# metrics.timescale_cluster.yml
plugin: timescaledb.multinode.timescale_cluster
login_host: an1.example.org
login_user: postgres
login_db: metrics

# By a forwarded socket, with names of one's own
# plugin: timescaledb.multinode.timescale_cluster
# login_unix_socket: /home/me/sockets
# login_db: metrics
# access_node: an1
# access_node_address: 10.0.0.10
# host_names:
#   dn1: db-7.example.org
# compose:
#   ansible_user: "'admin'"
"""

from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, connect_as_login, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._hypertable_plan import shown_tables
from ansible_collections.timescaledb.multinode.plugins.module_utils._jobs import observe_jobs
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._tables import observe_distributed, observe_tables
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import unwanted_hypertable
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_jobs import NAMES, WantedJob
from ansible_collections.timescaledb.multinode.plugins.plugin_utils._adopted import Adopted, Observed, adopted

_SUFFIXES = ("timescale_cluster.yml", "timescale_cluster.yaml")
_NAMES = ["server_version_num", "data_directory", "cluster_name", "listen_addresses", "timescaledb.passfile", "ssl", "timescaledb.ssl_dir"]
# pg_settings does not have those of a library that is not loaded.
_SETTINGS = """
SELECT name, setting
  FROM (SELECT name, CASE WHEN name LIKE '%%.%%' THEN current_setting(name, true)
                          ELSE (SELECT setting FROM pg_settings s WHERE s.name = asked.name) END AS setting
          FROM unnest(%s::text[]) AS asked (name)) AS found
 WHERE setting IS NOT NULL
"""
_SETTINGS_FILE = """
SELECT pg_read_file(sourcefile) AS content
  FROM (SELECT DISTINCT sourcefile FROM pg_settings WHERE sourcefile ~ '/conf\\.d/timescaledb-multinode\\.conf$') AS found
"""
# The roles for which the access node has a client certificate, or a line in its passfile. Names alone leave the server.
_NODE_ROLES = r"""
WITH secured AS (
  SELECT current_setting('ssl') = 'on' AND coalesce(current_setting('timescaledb.ssl_dir', true), '') <> '' AS by_certificate,
         current_setting('timescaledb.ssl_dir', true) AS ssl_dir, coalesce(nullif(current_setting('timescaledb.passfile', true), ''), 'passfile') AS passfile),
certificate AS (SELECT pg_ls_dir(ssl_dir, true, false) AS file FROM secured WHERE by_certificate),
line AS (
  SELECT (regexp_match(text, '^(?:(?:\\.|[^\\:])*:){{3}}((?:\\.|[^\\:])*):'))[1] AS role
    FROM secured, regexp_split_to_table(pg_read_file(passfile, 0, 10000000, true), '\n') AS text
   WHERE NOT by_certificate AND text !~ '^#')
SELECT rolname::text AS role FROM pg_roles
 WHERE rolcanlogin AND (md5(rolname) || '.crt' IN (SELECT file FROM certificate)
                        OR rolname IN (SELECT regexp_replace(role, '\\(.)', '\1', 'g') FROM line))
 ORDER BY 1
"""


class _Face:
    """What connecting wants of an AnsibleModule: options, and a way to fail."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.params = options

    def fail_json(self, msg: str, **_more: Any) -> None:
        raise AnsibleParserError(msg)

    def warn(self, message: str) -> None:
        """Say nothing: the errors say it."""


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The plugin."""

    NAME = "timescaledb.multinode.timescale_cluster"

    def verify_file(self, path: str) -> bool:
        """Whether the file is one for this plugin, by its name."""
        return super().verify_file(path) and path.endswith(_SUFFIXES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory. Raises AnsibleParserError."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        key = self.get_cache_key(path)
        wanted = self.get_option("cache")
        found = self._cache.get(key) if wanted and cache else None
        if found is None:
            made = self._read()
            found = {"hosts": made.hosts, "variables": made.variables}
            if wanted:
                self._cache[key] = found
        self._fill(Adopted(**found))

    def _read(self) -> Adopted:
        options = {name: self.get_option(name) for name in login_argument_spec()}
        name = self.get_option("access_node") or options["login_host"]
        if not name:
            raise AnsibleParserError("option access_node: it is missing, and login_host, from which it could be taken. Remedy: give one of them.")
        try:
            connection = connect_as_login(_Face(options))
            try:
                observed = _observe(connection)
            finally:
                connection.close()
            address = self.get_option("access_node_address") or options["login_host"] or None
            return adopted(observed, name, address, self.get_option("host_names"))
        except ClusterError as error:
            raise AnsibleParserError(str(error)) from error

    def _fill(self, found: Adopted) -> None:
        for group, hosts in found.hosts.items():
            self.inventory.add_group(group)
            for name, value in found.variables.items():
                self.inventory.set_variable(group, name, value)
            for host, variables in hosts.items():
                self.inventory.add_host(host, group)
                for name, value in variables.items():
                    self.inventory.set_variable(host, name, value)
        strict = self.get_option("strict")
        for host in dict.fromkeys(host for hosts in found.hosts.values() for host in hosts):
            known = self.inventory.get_host(host).get_vars() | found.variables
            self._set_composite_vars(self.get_option("compose"), known, host, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), known, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, host, strict=strict)


def _observe(connection: Connection) -> Observed:
    """Eight queries, whatever the number of data nodes and hypertables."""
    access_node = observe_access_node(connection)
    tables = [unwanted_hypertable(*key, drop_data=False) for key in observe_distributed(connection)]
    found = shown_tables(tables, observe_tables(connection, tables))
    jobs = observe_jobs(connection, access_node, [WantedJob(name, present=False, schedule_interval=None) for name in NAMES])
    scheduled = {name: job.scheduled[0] for name, job in jobs.items() if job.scheduled}
    intervals = {name: job.schedule_interval if job.scheduled else None for name, job in scheduled.items()}
    settings = {row["name"]: row["setting"] for row in connection.run(Statement(_SETTINGS, values=(_NAMES,)), "settings")}
    files = connection.run(Statement(_SETTINGS_FILE), "settings") if access_node.superuser else []
    roles = [row["role"] for row in connection.run(Statement(_NODE_ROLES), "roles")] if access_node.superuser else []
    return Observed(access_node, found, settings, "".join(row["content"] for row in files), intervals, roles)
