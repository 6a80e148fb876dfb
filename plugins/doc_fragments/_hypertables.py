# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

from __future__ import annotations

from textwrap import indent

# Of one distributed hypertable. {path}: where the option is, {required}: what it says of options that a list cannot do without.
_OPTIONS = r"""
  state:
    description:
      - V(present) creates the distributed hypertable or changes it, V(absent) drops it, on the access node and on all data nodes.
      - A table of that name that is not distributed is left alone by V(absent).
    type: str
    choices: [absent, present]
    default: present
  schema:
    description:
      - Schema of the table.
      - It is created with a table that is created from its O({path}definition), and on data nodes that lack it, which TimescaleDB does not do itself.
    type: str
    default: public
  relation:
    description:
      - Name of the table.
    type: str
{required}  owner:
    description:
      - The role that owns the table, on the access node and on its data nodes. It has to be there on all of them.
      - A new table is owned by the role that creates it where not given, and is created by that one and then given away, so that default
        privileges of the owner do not apply to it. Needs a superuser.
    type: str
  definition:
    description:
      - Columns and constraints of the table, as they stand between the parentheses of C(CREATE TABLE).
      - Used when the table is missing, never to alter one that is there.
      - It is tried first, in a transaction of the access node that is rolled back, in check mode as well, so that what is wrong with it is told before
        anything is changed. It may name other new tables of the same task (C(LIKE)), in whatever order they are listed.
      - This is SQL and run as it is. Do not build it from untrusted input.
    type: str
  time_column_name:
    description:
      - Column with the time (or an integer) by which chunks are made. Required with O({path}state=present).
    type: str
  partitioning_column:
    description:
      - Column whose hash decides which data node takes a row.
    type: str
  number_partitions:
    description:
      - Number of partitions of O({path}partitioning_column). At creation it is the number of data nodes where not given.
      - A multiple of the number of data nodes leaves room to grow.
    type: int
  chunk_time_interval:
    description:
      - Time that one chunk covers, as an interval such as V(1 day), or as an integer in the units of an integer column (microseconds for others).
      - A change is for new chunks only. At creation it is 7 days where not given.
    type: str
  replication_factor:
    description:
      - Number of data nodes that have a copy of each chunk. A change is for new chunks only.
    type: int
  data_nodes:
    description:
      - The data nodes the hypertable is on. Those that are missing are attached, others are detached.
      - At creation these are all data nodes that the role may use, where not given.
    type: list
    elements: str
  create_default_indexes:
    description:
      - Keep the indexes that TimescaleDB makes by default, on the time column and on partitioning column and time column.
      - V(false) neither makes nor drops them.
    type: bool
    default: true
  migrate_data:
    description:
      - Ask for rows that are already in the table to be kept.
      - No TimescaleDB release can do so for a distributed hypertable. A table with rows is refused with
        and without this option, and it has no effect on an empty one.
    type: bool
    default: false
  force:
    description:
      - Accept, when data nodes are detached, that chunks or new chunks have fewer copies than the replication factor says.
      - Chunks of which a node has the only copy are never given up, with or without it.
    type: bool
    default: false
  repartition:
    description:
      - Let the server adapt the number of partitions to the number of data nodes when one is attached or detached.
      - O({path}number_partitions), where given, has the last word.
    type: bool
    default: true
  drop_remote_data:
    description:
      - Drop the table on a data node that is detached.
    type: bool
    default: false
  drop_data:
    description:
      - With O({path}state=absent), drop it also where it has chunks, that is with all its rows. Without, such a hypertable is refused.
    type: bool
    default: false
"""


class ModuleDocFragment:
    """Distributed hypertables as a task describes them: one, or a list of them."""

    # Annotated, for ansible-test takes plain assignments for literals.
    DOCUMENTATION: str = "options:" + _OPTIONS.format(path="", required="")

    LISTED: str = (
        r"""
options:
  hypertables:
    description:
      - Several distributed hypertables in one call, each with the same options.
    type: list
    elements: dict
    suboptions:"""
        + indent(_OPTIONS.format(path="hypertables[].", required="    required: true\n"), "    ")
    )
