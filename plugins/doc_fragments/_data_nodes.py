# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

from __future__ import annotations

from textwrap import indent

# Of one data node. {path}: where the option is, {required}: what it says of options that a list cannot do without.
_OPTIONS = r"""
  state:
    description:
      - V(present) registers the data node or alters it, V(absent) removes it from the access node.
      - A data node for which there are user mappings is not removed.
    type: str
    choices: [absent, present]
    default: present
  node_name:
    description:
      - Name of the data node on the access node.
    type: str
{required}  host:
    description:
      - Host name or address at which the access node reaches the data node.
      - Required to register a node, else left as it is where not given.
    type: str
  port:
    description:
      - Port of the data node's server. A new node has the access node's own port where not given.
    type: int
  database:
    description:
      - Database on the data node. A new node has the name of the access node's database where not given.
    type: str
  bootstrap:
    description:
      - Whether C(add_data_node) creates database and extension on the node.
      - Where not given, they are created if they are missing, and a database that is ready is adopted as it is, which takes the
        access node a twentieth of the time.
    type: bool
  password:
    description:
      - Password of the role on the data node, used to look at it and to add it.
      - TimescaleDB does not keep it. Later connections use the role's user mapping for the data node, if there is one with a password, else
        the file that C(timescaledb.passfile) names.
      - While the node is added, superusers of the access node and members of C(pg_read_all_stats) can see it in C(pg_stat_activity), because
        C(add_data_node) takes it as text. A line in that file is used without.
    type: str
  available:
    description:
      - Whether the access node uses the data node. V(false) lets reads and writes go on with the copies on other nodes.
      - Needs TimescaleDB 2.9. Left as it is where not given.
    type: bool
  force:
    description:
      - With O({path}state=absent), accept that chunks or new chunks have fewer copies than their replication factor says.
      - Chunks of which this node has the only copy are never given up, with or without it.
    type: bool
    default: false
  lose_chunks:
    description:
      - With O({path}state=absent), drop the chunks, with all their rows, of which only data nodes that are given up have a copy.
      - Only where the data node is dead and marked unavailable.
    type: bool
    default: false
  repartition:
    description:
      - With O({path}state=absent), lower the number of partitions of hypertables to the number of data nodes that remain.
    type: bool
    default: true
  drop_database:
    description:
      - With O({path}state=absent), also drop the database on the data node. The node has to be reachable.
      - Needs TimescaleDB 2.6. Before 2.9.2 the server dropped the database even where the removal then failed, so that the module
        drops it itself, afterwards.
    type: bool
    default: false
  reclaim:
    description:
      - What may be done to a database that still belongs to a cluster, for it was removed from this one or is a data node of another.
      - V(none) refuses it and says what it is.
      - V(membership) clears its C(dist_uuid) and keeps the database, provided that it holds no part of a distributed hypertable.
      - V(database) drops the database with all that is in it, and has a new one made.
      - A database that is an access node with data nodes of its own is never touched.
      - With O({path}state=absent), V(membership) has the node's parts of distributed hypertables dropped, and clears its C(dist_uuid),
        so that what is left can be registered again.
      - Also for a node that is not registered any more where C(host) is given. The node has to be reachable.
    type: str
    choices: [none, membership, database]
    default: none
  connect_timeout:
    description:
      - Seconds to wait for a data node that does not answer.
    type: int
    default: 10
"""


class ModuleDocFragment:
    """Data nodes as a task describes them: one, or a list of them."""

    # Annotated, for ansible-test takes plain assignments for literals.
    DOCUMENTATION: str = "options:" + _OPTIONS.format(path="", required="")

    LISTED: str = (
        r"""
options:
  data_nodes:
    description:
      - Several data nodes in one call, each with the same options.
      - Nodes are registered and altered in this order, removed afterwards.
    type: list
    elements: dict
    suboptions:"""
        + indent(_OPTIONS.format(path="data_nodes[].", required="    required: true\n"), "    ")
    )
