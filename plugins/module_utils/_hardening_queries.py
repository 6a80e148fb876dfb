# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""How each server is asked for what a hardening report needs: a query for each part, whatever the number of objects. No I/O.

A part that needs a superuser must not cost the others: the server refuses a query as a whole. No verifier and no key leaves the server.
"""

from __future__ import annotations

# The view shows the file, which is in force only from the next reload on.
RULES = """
SELECT current_setting('hba_file') AS file,
       (pg_stat_file(current_setting('hba_file'), true)).modification > pg_conf_load_time() AS changed,
       (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.line_number) FROM pg_hba_file_rules r) AS rules
"""

# Of user mappings the server shows the options to superusers only, without saying so.
SERVER = r"""
SELECT (SELECT jsonb_object_agg(name, current_setting(name, true))
          FROM unnest(ARRAY['listen_addresses', 'ssl', 'ssl_ca_file', 'ssl_min_protocol_version', 'password_encryption']) AS name
         WHERE name <> 'ssl_min_protocol_version' OR pg_has_role('pg_read_all_settings', 'USAGE')) AS settings,
       EXISTS (SELECT FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
                WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE') AS public_create,
       (SELECT jsonb_agg(jsonb_build_object(
                 'name', r.rolname, 'bootstrap', r.oid = 10, 'superuser', r.rolsuper, 'login', r.rolcanlogin, 'inherit', r.rolinherit,
                 'createdb', r.rolcreatedb, 'createrole', r.rolcreaterole, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls,
                 'connection_limit', r.rolconnlimit, 'valid_until', r.rolvaliduntil::text,
                 'member_of', (SELECT coalesce(jsonb_agg(g.rolname ORDER BY g.rolname), '[]') FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                                WHERE m.member = r.oid)) ORDER BY r.rolname)
          FROM pg_roles r WHERE r.rolname !~ '^pg_') AS roles,
       CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN
         (SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]')
            FROM (SELECT a.usename::text AS role, a.application_name, host(a.client_addr) AS address, count(*) AS sessions
                    FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
                   WHERE r.rolsuper AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
                   GROUP BY 1, 2, 3 ORDER BY 1, 2, 3) AS s) END AS sessions,
       (SELECT jsonb_agg(jsonb_build_array(m.usename, m.srvname) ORDER BY m.usename, m.srvname)
          FROM pg_user_mappings m JOIN pg_foreign_server s ON s.oid = m.srvid JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
         WHERE f.fdwname = 'timescaledb_fdw' AND EXISTS (SELECT FROM unnest(m.umoptions) AS o WHERE o LIKE 'password=%')) AS mappings
"""

# Of a verifier only its kind, its salt and its hash: enough to tell whether two are the same.
VERIFIERS = """
SELECT rolname::text AS role, rolcanlogin AS login,
       CASE WHEN rolpassword IS NULL THEN 'none' WHEN rolpassword LIKE 'md5%' AND length(rolpassword) = 35 THEN 'md5'
            WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram-sha-256' ELSE 'unknown' END AS kind,
       CASE WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN split_part(rolpassword, '$', 2) END AS salt,
       encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex') AS fingerprint
  FROM pg_authid WHERE rolname !~ '^pg_'
"""

# Content only of what is public anyway, and of postmaster.pid, by which a module knows that it runs on the server's host.
# Where timescaledb looks for them: tsl/src/remote/connection.c.
FILES = """
WITH place AS (
  SELECT current_setting('data_directory') AS data,
         coalesce(nullif(current_setting('timescaledb.ssl_dir', true), ''), current_setting('data_directory') || '/timescaledb/certs') AS certificates),
named AS (
  SELECT 'server certificate' AS kind, current_setting('ssl_cert_file') AS path WHERE current_setting('ssl') = 'on'
  UNION ALL SELECT 'server key', current_setting('ssl_key_file') WHERE current_setting('ssl') = 'on'
  UNION ALL SELECT 'authority', current_setting('ssl_ca_file')
  UNION ALL SELECT 'revocation list', current_setting('ssl_crl_file')
  UNION ALL SELECT 'passfile', coalesce(nullif(current_setting('timescaledb.passfile', true), ''), 'passfile')
  UNION ALL SELECT 'pg_hba.conf', current_setting('hba_file')
  UNION ALL SELECT 'postmaster.pid', 'postmaster.pid'
  UNION ALL SELECT CASE right(name, 4) WHEN '.crt' THEN 'client certificate' ELSE 'client key' END, certificates || '/' || name
    FROM place, pg_ls_dir(certificates, true, false) AS name WHERE right(name, 4) IN ('.crt', '.key')),
file AS (SELECT kind, CASE WHEN path LIKE '/%' THEN path ELSE data || '/' || path END AS path, data FROM named, place WHERE path <> '')
SELECT kind, path, data,
       CASE WHEN kind IN ('server certificate', 'authority', 'revocation list', 'client certificate', 'postmaster.pid')
            THEN encode(pg_read_binary_file(path, 0, 4194304, true), 'base64') END AS content
  FROM file WHERE (pg_stat_file(path, true)).size IS NOT NULL ORDER BY kind, path
"""

# By the names that a report has for them where they were refused.
PARTS = {"rules": RULES, "server": SERVER, "verifiers": VERIFIERS, "files": FILES}
