# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What makes a data node compress a hypertable as the others do. No I/O.

attach_data_node() leaves that out (seen on 2.13.1): compress_chunk() and the compression policy then fail for chunks there, and a compressed chunk
cannot be copied there.
"""

from __future__ import annotations

from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

# Of _timescaledb_catalog.hypertable AS h on the access node, which has all settings; null where it is not compressed.
COMPRESSION = """
CASE WHEN h.compression_state = 1 THEN
  'ALTER TABLE ' || quote_ident(h.schema_name) || '.' || quote_ident(h.table_name) || ' SET (timescaledb.compress'
  || coalesce((SELECT ', timescaledb.compress_segmentby = ' || quote_literal(string_agg(quote_ident(k.attname), ', ' ORDER BY k.segmentby_column_index))
                 FROM _timescaledb_catalog.hypertable_compression k WHERE k.hypertable_id = h.id AND k.segmentby_column_index IS NOT NULL), '')
  || coalesce((SELECT ', timescaledb.compress_orderby = '
                      || quote_literal(string_agg(quote_ident(k.attname) || CASE WHEN k.orderby_asc THEN ' ASC' ELSE ' DESC' END
                                                  || CASE WHEN k.orderby_nullsfirst THEN ' NULLS FIRST' ELSE ' NULLS LAST' END,
                                                  ', ' ORDER BY k.orderby_column_index))
                 FROM _timescaledb_catalog.hypertable_compression k WHERE k.hypertable_id = h.id AND k.orderby_column_index IS NOT NULL), '')
  || ')'
END
"""
_ON_NODE = "CALL {schema}.distributed_exec(%s, ARRAY[%s]::name[])"


def compression_on(node_name: str, compression: str, extension_schema: str) -> Statement:
    """Have one data node compress it.

    Args:
        compression: what COMPRESSION yields.
    """
    return Statement(_ON_NODE, {"schema": extension_schema}, (compression, node_name))
