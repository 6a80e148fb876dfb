-- Proves that the cluster takes writes and gives them back: each data node that is in use gets rows, by two-phase commit.
-- COMMIT in a DO block: each part is a transaction of its own. What an interrupted run left behind goes first.
DO $verify$
DECLARE
  node_names name[] := (SELECT array_agg(node_name) FROM timescaledb_information.data_nodes
                         WHERE NOT coalesce(options @> ARRAY['available=false'], false));
  written constant int := 500 * cardinality(node_names);
  readable bigint;
  missing text;
BEGIN
  IF node_names IS NULL THEN
    RAISE EXCEPTION 'there is no data node in use';
  END IF;
  DROP TABLE IF EXISTS public.timescaledb_multinode_verify;
  CREATE TABLE public.timescaledb_multinode_verify (time timestamptz NOT NULL, number int NOT NULL);
  PERFORM create_distributed_hypertable('public.timescaledb_multinode_verify', 'time', 'number', data_nodes => node_names);
  COMMIT;

  INSERT INTO public.timescaledb_multinode_verify SELECT '2020-12-14 13:45+00', number FROM generate_series(1, written) AS number;
  COMMIT;

  SELECT count(DISTINCT number) INTO readable FROM public.timescaledb_multinode_verify;
  IF readable <> written THEN
    RAISE EXCEPTION 'of % rows that were written, % can be read', written, readable;
  END IF;
  SELECT string_agg(node_name, ', ') INTO missing FROM unnest(node_names) AS node_name
   WHERE node_name NOT IN (SELECT unnest(data_nodes) FROM timescaledb_information.chunks
                            WHERE hypertable_name = 'timescaledb_multinode_verify');
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'no rows reached data node(s) %', missing;
  END IF;
  DROP TABLE public.timescaledb_multinode_verify;
END
$verify$;
