# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What each TimescaleDB release offers to multi-node, and which releases may talk to each other."""

from __future__ import annotations

import re
from typing import NamedTuple


class Release(NamedTuple):
    """A TimescaleDB release; compares as its three numbers do."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Release:
        """C(2.13.1), C(2.13.0-dev) -> Release. Raises ValueError for anything else."""
        match = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
        if not match:
            raise ValueError(f"not a TimescaleDB release: {text!r}")
        return cls(*(int(part) for part in match.groups()))

    @property
    def internal_schema(self) -> str:
        """Where functions are that are not for everyone (CHANGELOG 2.12.0)."""
        return "_timescaledb_functions" if self >= Release(2, 12, 0) else "_timescaledb_internal"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


FIRST_WITH_MULTINODE = Release(2, 0, 0)
FIRST_WITHOUT_MULTINODE = Release(2, 14, 0)
FIRST_POSTGRESQL_WITHOUT_MULTINODE = 16

# The catalogue of copied and moved chunks (CHANGELOG 2.4.0).
CHUNK_COPY_OPERATIONS = Release(2, 4, 0)
# copy_chunk(operation_id), and compressed chunks can be copied (CHANGELOG 2.7.0).
OPERATION_ID = Release(2, 7, 0)
# alter_data_node() and the server option "available" (CHANGELOG 2.9.0).
ALTER_DATA_NODE = Release(2, 9, 0)
# delete_data_node(drop_database) exists from 2.6.0, but until 2.9.2 it dropped the database even where the command failed
# afterwards (timescaledb#5114).
DROP_DATABASE = Release(2, 6, 0)
SAFE_DROP_DATABASE = Release(2, 9, 2)
# detach_data_node(drop_remote_data).
DROP_REMOTE_DATA = Release(2, 8, 0)
# Helpers move from _timescaledb_internal to a schema of their own (sql/updates/2.11.2--2.12.0.sql).
FUNCTIONS_SCHEMA = Release(2, 12, 0)
# ping_data_node(timeout), and bgw_job.owner is a regrole instead of a name (sql/updates/2.10.1--2.10.2.sql).
PING_WITH_TIMEOUT = JOB_OWNER_IS_REGROLE = Release(2, 10, 2)
# Up to 2.7.0 a data node must not be newer than the access node; from 2.7.1 on it must not be older
# (timescaledb#4494; dist_util_is_compatible_version).
DATA_NODE_NOT_OLDER = Release(2, 7, 1)


def functions_schema(release: Release) -> str:
    """The schema of the extension's helpers."""
    return "_timescaledb_functions" if release >= FUNCTIONS_SCHEMA else "_timescaledb_internal"


def multinode_refusal(release: Release, postgresql_major: int) -> str | None:
    """Why this pair has no multi-node, or None where it has."""
    if not FIRST_WITH_MULTINODE <= release < FIRST_WITHOUT_MULTINODE:
        return f"TimescaleDB {release} has no multi-node: it exists in 2.0 to 2.13 only"
    if postgresql_major >= FIRST_POSTGRESQL_WITHOUT_MULTINODE:
        return f"TimescaleDB has no multi-node on PostgreSQL {postgresql_major}: it ended with PostgreSQL 15"
    return None


def accepts_data_node(access_node: Release, data_node: Release) -> bool:
    """Whether the access node's own check lets a data node of that release in; patch levels do not count."""
    if access_node >= DATA_NODE_NOT_OLDER:
        return data_node[:2] >= access_node[:2]
    return data_node[:2] <= access_node[:2]


def accepted_data_nodes(access_node: Release) -> str:
    """The rule of accepts_data_node in words."""
    line = f"{access_node.major}.{access_node.minor}"
    return f"{line} or newer" if access_node >= DATA_NODE_NOT_OLDER else f"{line} or older"
