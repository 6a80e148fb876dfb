# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The procedures that the collection's jobs run, as the access node's release needs them. No I/O.

TimescaleDB runs a job with the rights of its owner, often a superuser. Every procedure therefore begins each of its transactions with a
search_path of its own (SET as a property of a procedure would forbid COMMIT), and nobody else may call it or have anything in its schema.
Nor does it need a vote: two-phase commit would leave an entry in remote_txn for each of its calls.
"""

from __future__ import annotations

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import PING_WITH_TIMEOUT, functions_schema

# A schema of the collection's own: what is in it can be told from what others made, whatever role and database a task logs in to.
SCHEMA = "timescaledb_multinode"
PROCEDURES = {"analyze": "analyze_distributed_hypertables", "heal": "heal_data_nodes"}

# For each job: what TimescaleDB calls for a job is (job_id integer, config jsonb).
ARGUMENTS = "pg_catalog.int4, pg_catalog.jsonb"

# A node that does not answer is a warning, which names it in the server's log, and the others go on. The run fails at its end, so that
# job_stats and job_errors show it; what that does to the schedule is said where the job is added.
#
# Autovacuum sees neither the hypertable on the access node nor its chunks there, which are foreign tables. ANALYZE of the hypertable would
# run on all its data nodes or none. So it is sent to each one alone, one transaction each, and then the access node fetches what they found
# as ANALYZE would (chunk_api_update_distributed_hypertable_stats() in tsl/src/chunk_api.c). It asks all data nodes of the hypertable at
# once, so that this has to wait for the next run where one is dead or unavailable.
#
# A table that is locked for longer, such as by what a crash has left prepared, must not keep the others waiting. Data nodes are taken in a random
# order: where one hangs after its answer the run ends by its max_runtime, and must not come to the same one first every time.
_ANALYZE = """
DECLARE
  node pg_catalog.name;
  hypertable pg_catalog.text;
  answering pg_catalog.name[];
  failures pg_catalog.text[];
BEGIN
  SET LOCAL search_path TO pg_catalog, pg_temp;
  SET LOCAL timescaledb.enable_2pc TO off;
  FOR node IN
    SELECT s.srvname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
     WHERE f.fdwname = 'timescaledb_fdw' AND has_server_privilege(s.oid, 'USAGE')
       AND NOT EXISTS (SELECT FROM pg_options_to_table(s.srvoptions) WHERE option_name = 'available' AND option_value = 'false')
     ORDER BY random()
  LOOP
    BEGIN
      {ping}
      CALL {schema}.distributed_exec('SELECT 1', ARRAY[node]);
      answering := array_append(answering, node);
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING 'data node "%" is not analyzed: %', node, SQLERRM;
      failures := array_append(failures, format('data node "%s": %s', node, SQLERRM));
    END;
    COMMIT;
    SET LOCAL search_path TO pg_catalog, pg_temp;
    SET LOCAL timescaledb.enable_2pc TO off;
    CONTINUE WHEN node <> ALL (answering) OR answering IS NULL;
    FOR hypertable IN
      SELECT format('%I.%I', n.nspname, c.relname)
        FROM _timescaledb_catalog.hypertable h
        JOIN _timescaledb_catalog.hypertable_data_node d ON d.hypertable_id = h.id
        JOIN pg_namespace n ON n.nspname = h.schema_name
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name
       WHERE h.replication_factor > 0 AND d.node_name = node AND pg_has_role(c.relowner, 'USAGE')
       ORDER BY 1
    LOOP
      BEGIN
        CALL {schema}.distributed_exec('SET LOCAL lock_timeout TO ''10s''', ARRAY[node]);
        CALL {schema}.distributed_exec('ANALYZE ' || hypertable, ARRAY[node]);
      EXCEPTION WHEN OTHERS THEN
        RAISE WARNING '% is not analyzed on data node "%": %', hypertable, node, SQLERRM;
        failures := array_append(failures, format('%s on data node "%s": %s', hypertable, node, SQLERRM));
      END;
      COMMIT;
      SET LOCAL search_path TO pg_catalog, pg_temp;
      SET LOCAL timescaledb.enable_2pc TO off;
    END LOOP;
  END LOOP;
  FOR hypertable IN
    SELECT format('%I.%I', n.nspname, c.relname)
      FROM _timescaledb_catalog.hypertable h
      JOIN pg_namespace n ON n.nspname = h.schema_name
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name
     WHERE h.replication_factor > 0 AND pg_has_role(c.relowner, 'USAGE')
       AND answering @> ARRAY(SELECT node_name FROM _timescaledb_catalog.hypertable_data_node d WHERE d.hypertable_id = h.id)
     ORDER BY 1
  LOOP
    BEGIN
      PERFORM FROM {functions}.get_chunk_relstats(hypertable::regclass);
      PERFORM FROM {functions}.get_chunk_colstats(hypertable::regclass);
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING 'statistics of % are not fetched: %', hypertable, SQLERRM;
      failures := array_append(failures, format('statistics of %s: %s', hypertable, SQLERRM));
    END;
    COMMIT;
    SET LOCAL search_path TO pg_catalog, pg_temp;
    SET LOCAL timescaledb.enable_2pc TO off;
  END LOOP;
  IF failures IS NOT NULL THEN
    RAISE EXCEPTION 'not everything was analyzed: %', array_to_string(failures, '; ');
  END IF;
END
"""

# Healing refuses to be run where its errors could be caught, which is a sub-transaction. So each node is asked for an answer first, and they
# are taken in a random order: a node that answers and whose healing fails ends the run, and must not stop the same others every time.
_HEAL = """
DECLARE
  node record;
  answers pg_catalog.bool;
  failures pg_catalog.text[];
BEGIN
  SET LOCAL search_path TO pg_catalog, pg_temp;
  SET LOCAL timescaledb.enable_2pc TO off;
  FOR node IN
    SELECT s.oid, s.srvname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
     WHERE f.fdwname = 'timescaledb_fdw' AND has_server_privilege(s.oid, 'USAGE')
       AND NOT EXISTS (SELECT FROM pg_options_to_table(s.srvoptions) WHERE option_name = 'available' AND option_value = 'false')
     ORDER BY random()
  LOOP
    answers := true;
    BEGIN
      {ping_of_record}
      CALL {schema}.distributed_exec('SELECT 1', ARRAY[node.srvname]);
    EXCEPTION WHEN OTHERS THEN
      answers := false;
      RAISE WARNING 'data node "%" is not healed: %', node.srvname, SQLERRM;
      failures := array_append(failures, format('data node "%s": %s', node.srvname, SQLERRM));
    END;
    COMMIT;
    SET LOCAL search_path TO pg_catalog, pg_temp;
    IF answers THEN
      PERFORM {functions}.remote_txn_heal_data_node(node.oid);
      COMMIT;
      SET LOCAL search_path TO pg_catalog, pg_temp;
    END IF;
    SET LOCAL timescaledb.enable_2pc TO off;
  END LOOP;
  IF failures IS NOT NULL THEN
    RAISE EXCEPTION 'not every data node was healed: %', array_to_string(failures, '; ');
  END IF;
END
"""
_BODIES = {"analyze": _ANALYZE, "heal": _HEAL}
# TimescaleDB waits without end for a server that takes a connection and says nothing, whose processes are stopped or whose disk hangs
# (TS_NO_TIMEOUT in tsl/src/remote/connection.c). Any other failure is told by what follows, which says what is wrong.
_PING = """IF NOT {functions}.ping_data_node(%s, '10 s') AND clock_timestamp() > now() + interval '9 s' THEN
        RAISE EXCEPTION 'it does not answer';
      END IF;"""

# One transaction: nobody else can call it for a moment.
_CREATE = """CREATE OR REPLACE PROCEDURE {own}.{procedure}(job_id pg_catalog.int4, config pg_catalog.jsonb) LANGUAGE plpgsql AS $job$%s$job$;
REVOKE ALL ON PROCEDURE {own}.{procedure}(pg_catalog.int4, pg_catalog.jsonb) FROM PUBLIC"""


def _identifiers(access_node: AccessNode) -> dict[str, str]:
    return {"schema": access_node.extension_schema, "functions": functions_schema(access_node.release)}


def _template(name: str, access_node: AccessNode) -> str:
    text = _BODIES[name]
    for mark, node in (("{ping}", "node"), ("{ping_of_record}", "node.srvname")):
        text = text.replace(mark, _PING.replace("%s", node) if access_node.release >= PING_WITH_TIMEOUT else "")
    return text


def body(name: str, access_node: AccessNode) -> str:
    """What pg_proc has of the procedure as it should be; identifiers are quoted as the driver does it."""
    text = _template(name, access_node)
    for key, identifier in _identifiers(access_node).items():
        text = text.replace(f"{{{key}}}", '"' + identifier.replace('"', '""') + '"')
    return text


def creation(name: str, access_node: AccessNode) -> Statement:
    """Make the procedure, or make it what it should be."""
    names = {"own": SCHEMA, "procedure": PROCEDURES[name]}
    return Statement(_CREATE.replace("%s", _template(name, access_node)), {**names, **_identifiers(access_node)})
