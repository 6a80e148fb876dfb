# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""How a node is asked for roles, schemas, extensions and privileges: one query, whatever their number. No I/O.

Libraries need not be loaded for it.
"""

from __future__ import annotations

# In this order: the roles, of these those that are to be dropped, the schemas, of these those that are to be dropped, the schemas of tables
# and sequences, the extensions, and the versions that they are to have (empty: the server's default).
_ASKED = """
WITH asked AS (
  SELECT %s::name[] AS roles, %s::name[] AS dropped_roles, %s::name[] AS schemas, %s::name[] AS dropped_schemas, %s::name[] AS relation_schemas,
         %s::name[] AS extensions, %s::text[] AS versions),
here AS (SELECT oid, datdba, datacl FROM pg_database WHERE datname = current_database()),
role AS (SELECT r.* FROM pg_authid r, asked WHERE r.rolname = ANY (asked.roles)),
schema AS (SELECT n.* FROM pg_namespace n, asked WHERE n.nspname = ANY (asked.schemas)),
relation AS (
  SELECT c.oid, c.relname, n.nspname, c.relowner, c.relacl, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, asked
   WHERE n.nspname = ANY (asked.relation_schemas) AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')),
wanted_extension AS (
  SELECT w.name, nullif(w.version, '') AS version, e.extversion FROM asked, unnest(asked.extensions, asked.versions) AS w (name, version)
    LEFT JOIN pg_extension e ON e.extname = w.name),
"""

# Chunks and the tables of compressed rows come by the dozen: an owned hypertable is told before them, for it has the lower oid.
_HINDRANCES = """
hindrance AS (
  SELECT r.rolname, d.objid, pg_describe_object(d.classid, d.objid, d.objsubid) AS description
    FROM role r JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o', here, asked
   WHERE r.rolname = ANY (asked.dropped_roles) AND d.dbid IN (0, here.oid)
     -- DROP OWNED removes these two, and nothing is lost with them.
     AND d.classid NOT IN ('pg_user_mapping'::regclass, 'pg_default_acl'::regclass)
     AND NOT (d.classid = 'pg_namespace'::regclass AND d.objid IN (SELECT oid FROM pg_namespace WHERE nspname = ANY (asked.dropped_schemas)))),
elsewhere AS (
  SELECT DISTINCT r.rolname, b.datname
    FROM role r JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
    JOIN pg_database b ON b.oid = d.dbid, asked
   WHERE r.rolname = ANY (asked.dropped_roles) AND b.datname <> current_database()),
content AS (
  SELECT n.nspname, d.objid, pg_describe_object(d.classid, d.objid, d.objsubid) AS description
    FROM pg_namespace n JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.deptype = 'n', asked
   WHERE n.nspname = ANY (asked.dropped_schemas) AND d.classid <> 'pg_default_acl'::regclass),
"""

# Who owns an object has all privileges on it as long as nobody said otherwise: acldefault() says which.
_ACL = """
acl AS (
  SELECT 'database' AS kind, '' AS schema, '' AS name, here.datdba AS owner, a.* FROM here, aclexplode(coalesce(here.datacl, acldefault('d', here.datdba))) AS a
  UNION ALL
  SELECT 'schema', '', n.nspname, n.nspowner, a.* FROM schema n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
  UNION ALL
  SELECT c.kind, c.nspname, c.relname, c.relowner, a.*
    FROM relation c, aclexplode(coalesce(c.relacl, acldefault(CASE c.kind WHEN 'sequence' THEN 's' ELSE 'r' END::"char", c.relowner))) AS a
  UNION ALL
  SELECT 'foreign server', '', s.srvname, s.srvowner, a.*
    FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw AND f.fdwname = 'timescaledb_fdw',
         aclexplode(coalesce(s.srvacl, acldefault('S', s.srvowner))) AS a
  UNION ALL
  SELECT CASE d.defaclobjtype WHEN 'r' THEN 'default tables' WHEN 'S' THEN 'default sequences' WHEN 'f' THEN 'default functions' ELSE 'default types' END,
         coalesce(n.nspname, ''), o.rolname, o.oid, a.*
    FROM pg_default_acl d JOIN pg_roles o ON o.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) AS a
   WHERE d.defaclobjtype IN ('r', 'S', 'f', 'T')),
held AS (
  SELECT acl.kind, acl.schema, acl.name, coalesce(r.rolname, '') AS role, jsonb_agg(DISTINCT privilege_type) AS privileges,
         jsonb_agg(DISTINCT privilege_type) FILTER (WHERE acl.grantor = acl.owner) AS by_owner
    FROM acl LEFT JOIN pg_authid r ON r.oid = acl.grantee, asked
   WHERE r.rolname = ANY (asked.roles) OR acl.kind = 'schema' AND (acl.grantee = 0 OR acl.grantee = acl.owner)
   GROUP BY 1, 2, 3, 4)
"""

_ANSWER = """
SELECT current_user::text AS login, current_database()::text AS database,
       (SELECT system_identifier FROM pg_control_system()) || ' ' || extract(epoch FROM pg_postmaster_start_time())::text AS server,
       (SELECT jsonb_object_agg(rolname, jsonb_build_object(
                 'attributes', jsonb_build_object('login', rolcanlogin, 'inherit', rolinherit, 'createdb', rolcreatedb, 'createrole', rolcreaterole,
                                                  'superuser', rolsuper),
                 'connection_limit', rolconnlimit, 'verifier', rolpassword,
                 'member_of', (SELECT jsonb_agg(g.rolname) FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid WHERE m.member = role.oid)))
          FROM role) AS roles,
       (SELECT jsonb_object_agg(rolname, jsonb_build_object(
                 'objects', (SELECT count(*) FROM hindrance h WHERE h.rolname = role.rolname),
                 'sample', (SELECT (array_agg(description ORDER BY objid))[1:3] FROM hindrance h WHERE h.rolname = role.rolname),
                 'elsewhere', (SELECT jsonb_agg(datname ORDER BY datname) FROM elsewhere e WHERE e.rolname = role.rolname)))
          FROM role, asked WHERE rolname = ANY (asked.dropped_roles)) AS owned,
       (SELECT jsonb_object_agg(nspname, jsonb_build_object(
                 'owner', pg_get_userbyid(nspowner),
                 'objects', (SELECT count(*) FROM content c WHERE c.nspname = schema.nspname),
                 'sample', (SELECT (array_agg(description ORDER BY objid))[1:3] FROM content c WHERE c.nspname = schema.nspname)))
          FROM schema) AS schemas,
       (SELECT jsonb_object_agg(name, jsonb_build_object(
                 'version', extversion,
                 'target', CASE WHEN extversion IS NULL
                                THEN (SELECT max(v.version) FROM pg_available_extension_versions v, pg_available_extensions x
                                       WHERE v.name = wanted_extension.name AND x.name = v.name
                                         AND v.version = coalesce(wanted_extension.version, x.default_version))
                                WHEN wanted_extension.version IS NULL OR wanted_extension.version = extversion THEN extversion
                                ELSE (SELECT max(p.target) FROM pg_extension_update_paths(wanted_extension.name) p
                                       WHERE p.source = extversion AND p.target = wanted_extension.version AND p.path IS NOT NULL) END))
          FROM wanted_extension) AS extensions,
       (SELECT jsonb_agg(jsonb_build_array(kind, nspname, relname, pg_get_userbyid(relowner), {nodes})) FROM relation) AS relations,
       (SELECT jsonb_agg(jsonb_build_array(kind, schema, name, role, privileges, by_owner)) FROM held) AS acl,
       {mappings} AS mappings
"""

_NODES = """
  (SELECT jsonb_agg(d.node_name) FROM _timescaledb_catalog.hypertable h JOIN _timescaledb_catalog.hypertable_data_node d ON d.hypertable_id = h.id
    WHERE h.replication_factor > 0 AND h.schema_name = nspname AND h.table_name = relname)
"""
_MAPPINGS = """
  (SELECT jsonb_agg(jsonb_build_array(m.usename, m.srvname, EXISTS (SELECT FROM unnest(m.umoptions) AS o WHERE o LIKE 'password=%%')))
     FROM pg_user_mappings m JOIN pg_foreign_server s ON s.oid = m.srvid
     JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw AND f.fdwname = 'timescaledb_fdw', asked
    WHERE m.usename = ANY (asked.roles))
"""

_COMMON = _ASKED + _HINDRANCES.lstrip() + _ACL.lstrip()
STATE_OF_ACCESS_NODE = _COMMON + _ANSWER.replace("{nodes}", _NODES.strip()).replace("{mappings}", _MAPPINGS.strip())
STATE_OF_DATA_NODE = _COMMON + _ANSWER.replace("{nodes}", "NULL").replace("{mappings}", "NULL")

# A job of a dropped role's is in no catalogue of dependencies, yet the server refuses to drop the role (process_drop_role() in
# src/process_utility.c). The column's type differs between releases.
JOBS_OF_ROLES = """
SELECT r.rolname::text AS role, count(*) AS objects, (array_agg('background job ' || j.id ORDER BY j.id))[1:3] AS sample
  FROM _timescaledb_config.bgw_job j JOIN pg_roles r ON j.owner::text IN (r.rolname::text, quote_ident(r.rolname))
 WHERE r.rolname = ANY (%s::name[]) GROUP BY 1
"""
