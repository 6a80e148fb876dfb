SELECT (SELECT string_agg(f.name, ', ') FROM pg_file_settings f JOIN pg_settings s ON lower(s.name) = lower(f.name)
         WHERE NOT f.applied AND f.error IS NOT NULL AND s.context = 'postmaster') AS restart,
       pg_conf_load_time() < (SELECT max((pg_stat_file(file, true)).modification)
                                FROM unnest(ARRAY[regexp_replace(current_setting('config_file'), '[^/]*$', 'conf.d/timescaledb-multinode.conf'),
                                                  current_setting('hba_file'),
                                                  nullif(current_setting('timescaledb.ssl_dir', true), '') || '/server.crt',
                                                  nullif(current_setting('timescaledb.ssl_dir', true), '') || '/ca.crt']) AS t (file)) AS reload,
       (SELECT string_agg(error, '; ')
          FROM (SELECT format('%s line %s: %s', f.sourcefile, f.sourceline, f.error) AS error
                  FROM pg_file_settings f LEFT JOIN pg_settings s ON lower(s.name) = lower(f.name)
                 WHERE f.error IS NOT NULL AND s.context IS DISTINCT FROM 'postmaster'
                UNION ALL
                SELECT format('pg_hba.conf line %s: %s', line_number, error) FROM pg_hba_file_rules
                 WHERE error IS NOT NULL
                   -- Said of every such line as long as the setting beside it has not been taken over.
                   AND error <> 'hostssl record cannot match because SSL is disabled') AS e) AS errors
