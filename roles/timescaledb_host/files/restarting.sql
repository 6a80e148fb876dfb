-- For check mode, which writes nothing that pending.sql could look at: as the server does it, these settings are told against the values it runs with.
SELECT string_agg(s.name, ', ' ORDER BY s.name) AS restart
  FROM json_each_text(%(wanted)s::json) w
  JOIN pg_settings s ON lower(s.name) = lower(w.key)
 WHERE s.context = 'postmaster'
   AND w.value <> ALL (ARRAY[s.setting, current_setting(s.name)])
   AND CASE WHEN s.vartype = 'bool' THEN (lower(w.value) IN ('on', 'true', 'yes', '1')) <> (s.setting = 'on')
            WHEN s.vartype = 'enum' THEN lower(w.value) <> s.setting
            WHEN s.unit ~ 'B$' AND (w.value || current_setting(s.name)) ~ '^([0-9]+ *[kMGT]?B){2}$'
            THEN pg_size_bytes(w.value) <> pg_size_bytes(current_setting(s.name))
            ELSE true END
