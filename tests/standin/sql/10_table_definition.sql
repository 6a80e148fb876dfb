-- A table as the commands that make it again on a data node.

-- The columns: for the node's table with all that belongs to them, for a foreign table by name and type only.
CREATE FUNCTION _timescaledb_standin.column_definitions(relation regclass, bare boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT string_agg(concat_ws(' ', format('%I', attname), format_type(atttypid, atttypmod),
                                CASE WHEN attcollation <> 0 AND collation_of.oid IS NOT NULL THEN format('COLLATE %I.%I', nspname, collname) END,
                                CASE WHEN bare THEN NULL
                                     WHEN attgenerated = 's' THEN format('GENERATED ALWAYS AS (%s) STORED', pg_get_expr(adbin, adrelid))
                                     WHEN pg_get_serial_sequence(relation::text, attname) IS NULL THEN 'DEFAULT ' || pg_get_expr(adbin, adrelid) END,
                                CASE WHEN attnotnull AND NOT bare THEN 'NOT NULL' END), ', ' ORDER BY attnum)
      FROM pg_attribute
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      LEFT JOIN pg_collation collation_of ON collation_of.oid = attcollation AND collname <> 'default'
      LEFT JOIN pg_namespace n ON n.oid = collnamespace
     WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND NOT (bare AND attgenerated = 's');
$$;

CREATE FUNCTION _timescaledb_standin.column_names(relation regclass) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(format('%I', attname), ', ' ORDER BY attnum) FROM pg_catalog.pg_attribute
     WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
$$;

-- Foreign keys stay behind, and the schema has to be there, as for TimescaleDB.
CREATE FUNCTION _timescaledb_standin.table_commands(relation regclass) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN NEXT format('CREATE TABLE %s (%s)', relation, _timescaledb_standin.column_definitions(relation, false));
    RETURN QUERY SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', relation, conname, pg_get_constraintdef(oid))
                   FROM pg_constraint WHERE conrelid = relation AND contype IN ('c', 'p', 'u', 'x') ORDER BY oid;
    RETURN QUERY SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = relation
                    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = relation AND conindid = indexrelid) ORDER BY indexrelid;
END
$$;
