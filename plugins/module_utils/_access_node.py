# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What the access node says of itself and of its data nodes, read in two queries whatever their number."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import WITHOUT_LIBRARIES, Connection, connect_with
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Secret, Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import Release, multinode_refusal

_DATABASE = """
SELECT current_database() AS database, current_user::text AS role, r.rolsuper AS superuser,
       current_setting('server_version_num')::int / 10000 AS postgresql_major, pg_is_in_recovery() AS in_recovery,
       pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collation, d.datctype AS ctype,
       e.extversion AS extension_version, n.nspname AS extension_schema
  FROM pg_database d
  JOIN pg_roles r ON r.rolname = current_user
  LEFT JOIN pg_extension e ON e.extname = 'timescaledb'
  LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE d.datname = current_database()
"""

# Membership is dist_uuid: on the access node equal to its own uuid (tsl/src/dist_util.c).
#
# Of user mappings the role's own counts, else that of PUBLIC, which has the oid 0 (get_user_mapping() in tsl/src/remote/connection.c). Who may see
# its options is the view's rule; a mapping without any is no hidden one. A server cannot be dropped as long as any mapping depends on it. Nobody can
# have the name public.
_CLUSTER = """
SELECT (SELECT jsonb_object_agg(key, value) FROM _timescaledb_catalog.metadata
         WHERE key IN ('uuid', 'dist_uuid')) AS metadata,
       (SELECT jsonb_strip_nulls(jsonb_object_agg(name, current_setting(name, true)))
          FROM unnest(ARRAY['server_version', 'port', 'data_directory', 'ssl', 'ssl_ca_file', 'timescaledb.passfile', 'timescaledb.ssl_dir',
                            'timescaledb.license', 'timescaledb.hypertable_replication_factor_default']) AS name
         WHERE name <> 'data_directory' OR pg_has_role('pg_read_all_settings', 'USAGE')) AS settings,
       (SELECT has_foreign_data_wrapper_privilege(oid, 'USAGE') FROM pg_foreign_data_wrapper
         WHERE fdwname = 'timescaledb_fdw') AS may_add,
       (SELECT jsonb_agg(jsonb_build_object(
                 'node_name', s.srvname, 'owner', s.srvowner::regrole::text,
                 'options', (SELECT jsonb_object_agg(option_name, option_value) FROM pg_options_to_table(s.srvoptions)),
                 'may_use', has_server_privilege(s.oid, 'USAGE'), 'may_change', pg_has_role(s.srvowner, 'USAGE'),
                 'mapping', m.options, 'mapped_roles', m.roles,
                 'mapping_hidden', m.role IS NOT NULL AND NOT (pg_has_role(s.srvowner, 'USAGE')
                                                               OR (m.role <> 0 AND has_server_privilege(s.oid, 'USAGE'))))
               ORDER BY s.srvname)
          FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
          LEFT JOIN (SELECT u.srvid, jsonb_agg(u.usename ORDER BY u.usename) AS roles,
                            max(u.umuser) FILTER (WHERE u.usename IN (current_user, 'public')) AS role,
                            jsonb_agg(to_jsonb(u.umoptions) ORDER BY u.umuser DESC)
                              FILTER (WHERE u.usename IN (current_user, 'public')) -> 0 AS options
                       FROM pg_depend d JOIN pg_user_mappings u ON u.umid = d.objid
                      WHERE d.classid = 'pg_user_mapping'::regclass AND d.refclassid = 'pg_foreign_server'::regclass AND d.deptype = 'n'
                      GROUP BY 1) AS m ON m.srvid = s.oid
         WHERE f.fdwname = 'timescaledb_fdw') AS data_nodes
"""


# A host that lost its power says nothing, nor does a network that is cut. The system's own defaults are a quarter of an hour and two hours.
_LIVELY = dict(keepalives_idle=10, keepalives_interval=5, keepalives_count=3, tcp_user_timeout=25000)

# Of the libpq options that a foreign server and a user mapping may have, those that say who logs in and how; TimescaleDB passes all of them on.
_FILES_OF_LOGIN = ("sslrootcert", "sslcert", "sslkey")
_OF_LOGIN = ("user", "password", "sslpassword", "sslmode", *_FILES_OF_LOGIN)


@dataclass(frozen=True)
class DataNode:
    """A registered data node, as the access node has it.

    Args:
        may_use: whether the current role may use it.
        may_change: whether the current role owns it.
        mapped_roles: the roles that have user mappings for it, "public" for that of all roles.
    """

    node_name: str
    endpoint: Endpoint
    available: bool = True
    owner: str = ""
    may_use: bool = True
    may_change: bool = True
    mapped_roles: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        """The form in results and diffs."""
        return dict(
            node_name=self.node_name,
            host=self.endpoint.host,
            port=self.endpoint.port,
            database=self.endpoint.database,
            available=self.available,
        )


@dataclass(frozen=True)
class AccessNode:
    """An access node (or a database that may become one with its first data node)."""

    name: str
    database: str
    role: str
    superuser: bool
    release: Release
    extension_schema: str
    encoding: str
    collation: str
    ctype: str
    uuid: str | None
    dist_uuid: str | None
    may_add: bool
    settings: dict[str, str] = field(default_factory=dict)
    data_nodes: dict[str, DataNode] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """The server's own port: the default port of add_data_node()."""
        return int(self.settings.get("port", 5432))

    def login_role(self, endpoint: Endpoint) -> str:
        """The role with which the access node reaches a data node."""
        return endpoint.login.get("user", self.role)

    def connection_parameters(self, endpoint: Endpoint, password: str | None, connect_timeout: int) -> dict[str, Any]:
        """libpq parameters with which the access node itself would reach a data node.

        The current role or what a user mapping says, the passfile where that has no password, TLS as soon as the server has ssl = on:
        remote_connection_prepare_auth_options() and setup_full_connection_options() in tsl/src/remote/connection.c of 2.13.1. A password of the task
        is the current role's, as it is for add_data_node(), which reads no mapping (create_data_node_options() in tsl/src/data_node.c).
        """
        parameters: dict[str, Any] = dict(
            host=endpoint.host, port=endpoint.port, dbname=endpoint.database, user=self.role, connect_timeout=connect_timeout, **_LIVELY
        )
        data_directory = self.settings.get("data_directory", "")
        if password:
            parameters["password"] = password
        else:
            for name, value in endpoint.login.items():
                parameters[name] = os.path.join(data_directory, value) if name in _FILES_OF_LOGIN else value
            parameters["passfile"] = os.path.join(data_directory, self.settings.get("timescaledb.passfile") or "passfile")
        if self.settings.get("ssl") == "on":
            parameters["sslmode"] = "require"
            if self.settings.get("ssl_ca_file"):
                parameters["sslrootcert"] = os.path.join(data_directory, self.settings["ssl_ca_file"])
            for name in ("sslcert", "sslkey"):
                parameters.pop(name, None)
            directory = self.settings.get("timescaledb.ssl_dir") or os.path.join(data_directory, "timescaledb", "certs")
            certificate = os.path.join(directory, hashlib.md5(parameters["user"].encode(), usedforsecurity=False).hexdigest())
            if os.access(f"{certificate}.key", os.R_OK):
                parameters.update(sslcert=f"{certificate}.crt", sslkey=f"{certificate}.key")
        return parameters


def reach_node(
    module: AnsibleModule,
    access_node: AccessNode,
    endpoint: Endpoint,
    connect_timeout: int = 10,
    options: str = WITHOUT_LIBRARIES,
    password: str | None = None,
) -> tuple[Connection | None, str]:
    """Connect to a data node as the access node does: (connection, "") or (None, why not). Never raises; safe in threads."""
    parameters = access_node.connection_parameters(endpoint, password, connect_timeout)
    connection, reason = connect_with(module, dict(parameters, options=options))
    if connection is None and endpoint.login_hidden and not password:
        reason = f"{reason.rstrip('.')} (not as the access node does it: role {access_node.role} may not see the options of the user mapping)"
    return connection, reason


def observe_access_node(connection: Connection) -> AccessNode:
    """Read it. Raises ClusterError where this database cannot be an access node."""
    subject = "access node"
    row = connection.run(Statement(_DATABASE), subject)[0]
    if row["extension_version"] is None:
        raise ClusterError(
            subject, f'the extension timescaledb is not installed in database "{row["database"]}"', "CREATE EXTENSION timescaledb there", connection.name
        )
    release = Release.parse(row["extension_version"])
    refusal = multinode_refusal(release, row["postgresql_major"])
    if refusal:
        raise ClusterError(subject, refusal, "use TimescaleDB 2.13 or older on PostgreSQL 15 or older", connection.name)
    if row["in_recovery"]:
        raise ClusterError(subject, "the server is a standby and cannot be written to", "log in to its primary", connection.name)

    cluster = connection.run(Statement(_CLUSTER), subject)[0]
    metadata, settings = cluster["metadata"] or {}, cluster["settings"] or {}
    if settings.get("timescaledb.license") == "apache":
        raise ClusterError(
            subject, "multi-node is not part of TimescaleDB's Apache edition", "set timescaledb.license = 'timescale'", connection.name
        )
    access_node = AccessNode(
        name=connection.name,
        database=row["database"],
        role=row["role"],
        superuser=row["superuser"],
        release=release,
        extension_schema=row["extension_schema"],
        encoding=row["encoding"],
        collation=row["collation"],
        ctype=row["ctype"],
        uuid=metadata.get("uuid"),
        dist_uuid=metadata.get("dist_uuid"),
        may_add=row["superuser"] or bool(cluster["may_add"]),
        settings=settings,
        data_nodes={node.node_name: node for node in map(_data_node, cluster["data_nodes"] or [])},
    )
    if access_node.dist_uuid and access_node.dist_uuid != access_node.uuid:
        raise ClusterError(
            subject, f'database "{access_node.database}" is itself a data node of another cluster', "log in to an access node's database", connection.name
        )
    return access_node


def _data_node(row: dict[str, Any]) -> DataNode:
    options = row["options"] or {}
    given = options | dict(option.split("=", 1) for option in row["mapping"] or [])
    login = {name: Secret(given[name]) if "password" in name else given[name] for name in _OF_LOGIN if name in given}
    return DataNode(
        node_name=row["node_name"],
        endpoint=Endpoint(options.get("host", ""), int(options.get("port", 5432)), options.get("dbname", ""), login, row["mapping_hidden"]),
        available=options.get("available", "true") == "true",
        owner=row["owner"],
        may_use=row["may_use"],
        may_change=row["may_change"],
        mapped_roles=tuple(row["mapped_roles"] or ()),
    )
