# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Whether a database may become a data node, judged from a look at it. No I/O.

The access node's own checks (tsl/src/data_node.c) and those it leaves out.
"""

from __future__ import annotations

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import NodeLook
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import (
    FIRST_POSTGRESQL_WITHOUT_MULTINODE,
    FIRST_WITHOUT_MULTINODE,
    accepted_data_nodes,
    accepts_data_node,
)
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import WantedNode


class Admission:
    """The findings about one wanted node."""

    def __init__(self, node: WantedNode, look: NodeLook, access_node: AccessNode) -> None:
        self._node = node
        self._look = look
        self._access_node = access_node
        self._host = str(node.endpoint(access_node))
        self.errors: list[ClusterError] = []

    @property
    def bootstrap(self) -> bool:
        """Whether add_data_node() has to make the database or the extension; chosen by itself where the task does not say."""
        ready = self._look.database_exists and self._look.release is not None and not self.drops_database
        return not ready if self._node.bootstrap is None else self._node.bootstrap

    @property
    def drops_database(self) -> bool:
        """Whether the task allows to drop the database of a former member, and there is one."""
        return self._node.reclaim == "database" and self._look.dist_uuid is not None

    @property
    def clears_membership(self) -> bool:
        """Whether the task allows to clear the dist_uuid of a former member, and there is one."""
        return self._node.reclaim == "membership" and self._look.dist_uuid is not None

    def check_new(self) -> list[ClusterError]:
        """Findings that forbid to add the node."""
        if self._look.unreachable:
            return [self._unreachable()]
        self._check_server()
        if self._look.database_exists:
            self._check_locale()
        if self._look.release is not None:
            self._check_release()
            self._check_membership()
        self._check_bootstrap()
        return self.errors

    def check_known(self) -> list[ClusterError]:
        """Findings that forbid to point a registered node to this endpoint, or to call it available again."""
        if self._look.unreachable:
            return [self._unreachable()]
        self._check_server()
        if not self._look.database_exists or self._look.release is None:
            self._find("there is no database with TimescaleDB at the new place", "restore the data node there first")
        else:
            self._check_release()
            if self._look.dist_uuid != self._access_node.uuid:
                self._find(
                    "the database there is no data node of this cluster (its dist_uuid is not the access node's uuid)",
                    "give the place of the same data node, of its standby or of its restored copy",
                )
        return self.errors

    def _find(self, cause: str, remedy: str) -> None:
        self.errors.append(ClusterError(self._node.subject, cause, remedy, self._host))

    def _unreachable(self) -> ClusterError:
        role = self._access_node.role if self._node.password else self._access_node.login_role(self._node.endpoint(self._access_node))
        return ClusterError(
            self._node.subject,
            f"no connection as role {role}: {self._look.reason.rstrip('.')}",
            "start the node, correct host and port, allow the access node in its pg_hba.conf, and give the role's password "
            "in the passfile of the access node or in the option password",
            self._host,
        )

    def _check_server(self) -> None:
        look = self._look
        if look.postgresql_major >= FIRST_POSTGRESQL_WITHOUT_MULTINODE:
            self._find(
                f"it runs PostgreSQL {look.postgresql_major}, and TimescaleDB has no multi-node from PostgreSQL {FIRST_POSTGRESQL_WITHOUT_MULTINODE} on",
                "use PostgreSQL 15 or older",
            )
        if look.license == "apache":
            self._find("it runs TimescaleDB's Apache edition, of which multi-node is no part", "set timescaledb.license = 'timescale' there")
        if look.in_recovery:
            self._find("it is a standby and cannot be written to", "give the place of its primary, or promote it")
        if look.max_prepared_transactions == 0:
            self._find(
                "max_prepared_transactions is 0, so that every distributed write would fail", "set it to at least max_connections and restart the node"
            )

    def _check_locale(self) -> None:
        for what, mine, theirs in (
            ("encoding", self._access_node.encoding, self._look.encoding),
            ("collation", self._access_node.collation, self._look.collation),
            ("LC_CTYPE", self._access_node.ctype, self._look.ctype),
        ):
            if mine != theirs:
                self._find(f"its database has {what} {theirs}, the access node's has {mine}", "create its database with the access node's")

    def _check_release(self) -> None:
        release, access_node = self._look.release, self._access_node
        if release and release >= FIRST_WITHOUT_MULTINODE:
            # The access node's own check lets it in, and fails later.
            self._find(f"TimescaleDB {release} has no multi-node: it exists in 2.0 to 2.13 only", "use TimescaleDB 2.13 or older there")
        elif release and not accepts_data_node(access_node.release, release):
            self._find(
                f"it has TimescaleDB {release}, and an access node with {access_node.release} accepts {accepted_data_nodes(access_node.release)}",
                "upgrade the extension on the node that is behind",
            )

    def _check_membership(self) -> None:
        look, access_node = self._look, self._access_node
        if look.uuid is not None and look.uuid == access_node.uuid:
            self._find("this is the access node's own database, or a copy of it with the same uuid", "give the place of another one")
            return
        if look.own_data_nodes or (look.dist_uuid and look.dist_uuid == look.uuid):
            self._find("the database is itself an access node with data nodes of its own", "choose another database; reclaim does not touch it")
            return
        if look.dist_uuid is None or self.drops_database:
            return
        if look.dist_uuid == access_node.uuid:
            whose = "it was a data node of this cluster before and still has its dist_uuid and whatever data it held"
        else:
            whose = f"it is a data node of another cluster (dist_uuid {look.dist_uuid})"
        if not self.clears_membership:
            self._find(
                whose,
                "set reclaim=membership to take the empty database over, or reclaim=database to drop it with all that is in it, "
                "after you have made sure that nobody needs it",
            )
        elif look.distributed_members:
            self._find(
                f"{whose}, and it still holds its part of {look.distributed_members} distributed hypertable(s)",
                "reclaim=membership only takes an empty one over: drop these tables there, or set reclaim=database",
            )

    def _check_bootstrap(self) -> None:
        look = self._look
        if self.drops_database and not look.maintenance_database:
            self._find(
                f"reclaim=database needs a login to another database of that server, and {self._access_node.role} has none",
                "allow it for the database postgres in the node's pg_hba.conf, or drop the database on the node",
            )
        if not self.bootstrap:
            if not look.database_exists:
                self._find("the database does not exist and bootstrap is false", "create it, or leave bootstrap out")
            elif look.release is None:
                self._find("the database has no extension timescaledb and bootstrap is false", "create the extension, or leave bootstrap out")
            elif self.drops_database:
                self._find("reclaim=database drops the database and bootstrap=false forbids to make a new one", "leave bootstrap out")
            return
        if look.release is not None and not self.drops_database:
            return
        version = str(self._access_node.release)
        if version not in look.available_versions:
            offered = ", ".join(sorted(look.available_versions)) or "none"
            self._find(f"TimescaleDB {version} is not installed there (available: {offered})", "install the access node's release")
        if look.preloaded is False:
            self._find("shared_preload_libraries lacks timescaledb", "add it and restart the node")
        if not look.database_exists and not look.may_create_database:
            self._find(f"role {self._access_node.role} may not create databases there", "grant CREATEDB, or create the database and the extension")
