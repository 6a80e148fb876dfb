# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The plan for data nodes: from what is wanted and what is there to the steps between. No I/O.

A module's files are compiled in each run, so what only changes need is not imported before there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Plan, Statement, Step
from ansible_collections.timescaledb.multinode.plugins.module_utils._versions import ALTER_DATA_NODE, DROP_REMOTE_DATA, SAFE_DROP_DATABASE
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import WantedNode

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._holdings import Holding, LostChunk
    from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import LookRequest, NodeLook

# The server marks chunks that it could not write to as stale, and drops them when the node returns (alter_data_node in tsl/src/data_node.c).
_UNAVAILABLE = "its copies of chunks that are written to meanwhile are given up"


def looks_needed(wanted: list[WantedNode], access_node: AccessNode) -> list[LookRequest]:
    """The endpoints that have to be looked at: where something is going to change, and only there."""
    requests = []
    for node in wanted:
        known = access_node.data_nodes.get(node.node_name)
        endpoint = node.endpoint(access_node)
        if node.present:
            returns = known and node.available is True and not known.available
            needed = known is None or endpoint != known.endpoint or returns
        else:
            # Where it is registered, whatever the task says.
            endpoint = known.endpoint if known else endpoint
            needed = (node.drop_database and known is not None) or (node.leaves_clean and (known is not None or bool(node.host)))
        if needed:
            from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import LookRequest

            drops = node.drop_database or (known is None and node.reclaim == "database")
            requests.append(LookRequest(endpoint, node.password, node.connect_timeout, needs_maintenance_database=drops))
    return requests


def given_up_nodes(wanted: list[WantedNode], access_node: AccessNode) -> list[str]:
    """The data nodes that are removed with the chunks that nobody else has."""
    return [node.node_name for node in wanted if not node.present and node.lose_chunks and node.node_name in access_node.data_nodes]


def plan_data_nodes(
    wanted: list[WantedNode],
    access_node: AccessNode,
    looks: dict[Endpoint, NodeLook],
    holdings: list[Holding],
    lost: Sequence[LostChunk] = (),
    sources: Mapping[str, list[int]] | None = None,
) -> Plan:
    """Decide the steps. Raises ClusterError(s) with every reason not to start.

    Args:
        lost: the chunks that only the given_up_nodes() have.
        sources: by data node that becomes available again, chunks of which it may have the only whole copy.
    """
    planner = DataNodePlanner(access_node, looks, sources)
    planner.keep([node for node in wanted if node.present])
    planner.remove([node for node in wanted if not node.present], holdings, lost)
    raise_all(planner.errors, planner.steps)
    names = {node.node_name for node in wanted}
    before, after = shown(access_node.data_nodes, names), shown(planner.nodes, names)
    return Plan(planner.steps, {"data_nodes": before}, {"data_nodes": after}, planner.warnings)


def shown(nodes: dict[str, DataNode], names: set[str]) -> list[dict[str, Any]]:
    """Those of the nodes that have these names, in the form of results and diffs."""
    return [node.shown() for name, node in sorted(nodes.items()) if name in names]


class DataNodePlanner:
    """Collects the steps, errors and warnings for data nodes; C(nodes) are those that are registered after the steps so far."""

    def __init__(self, access_node: AccessNode, looks: dict[Endpoint, NodeLook], sources: Mapping[str, list[int]] | None = None) -> None:
        self._access_node = access_node
        self._looks = looks
        self._sources = sources or {}
        self._holdings: dict[int, Holding] = {}
        self._before_removal: dict[int, Holding] = {}
        self.nodes = dict(access_node.data_nodes)
        self.steps: list[Step] = []
        self.errors: list[ClusterError] = []
        self.warnings: list[str] = []

    def keep(self, wanted: list[WantedNode]) -> None:
        """Register these nodes and alter those that differ."""
        for node in wanted:
            known = self._access_node.data_nodes.get(node.node_name)
            if known is None:
                self._add(node)
            else:
                self._alter(node, known)

    def remove(self, wanted: list[WantedNode], holdings: list[Holding], lost: Sequence[LostChunk] = ()) -> None:
        """Remove these nodes.

        Args:
            holdings: the hypertables that are still attached to any of them then.
            lost: the chunks that go with those of the nodes that are given up.
        """
        self._holdings = {holding.hypertable_id: holding for holding in holdings}
        self._lose(wanted, lost)
        self._before_removal = dict(self._holdings)
        # In one order, whatever that of the declaration is: what may not leave with fewer copies leaves as long as there are enough.
        for node in sorted(wanted, key=lambda node: (node.force, node.node_name)):
            known = self._access_node.data_nodes.get(node.node_name)
            if known is not None:
                self._delete(node, known)
            elif node.leaves_clean and node.host:
                self._clean(node)
        self._check_endpoints()

    def _lose(self, wanted: list[WantedNode], lost: Sequence[LostChunk]) -> None:
        """Drop what is lost from the access node's catalogue. It sends nothing to data nodes: what is on them stays there."""
        names = set(given_up_nodes(wanted, self._access_node))
        for node in wanted:
            if node.node_name in names and self._access_node.data_nodes[node.node_name].available:
                remedy = "copy its chunks elsewhere, or set available to false first"
                self._refuse(node, "lose_chunks is for data nodes that are dead, and this one is in use", remedy)
        for chunk in lost:
            statement = Statement("DROP FOREIGN TABLE {schema}.{relation}", {"schema": chunk.schema, "relation": chunk.relation})
            subject, reason = f'chunk "{chunk.schema}"."{chunk.relation}"', f"only data nodes that are given up have it, of {chunk.hypertable}"
            self.steps.append(Step(subject, "drop", reason, statement, danger="its rows go: no other data node has them"))
        self._holdings = {key: holding.without_chunks_of(names) for key, holding in self._holdings.items()}

    def _check_endpoints(self) -> None:
        """Two names for one database after an alteration, which the server does not check."""
        seen: dict[Endpoint, str] = {}
        for name, node in sorted(self.nodes.items()):
            if node.endpoint in seen:
                cause = f'its database at {node.endpoint} is already that of data node "{seen[node.endpoint]}"'
                self.errors.append(ClusterError(f'data node "{name}"', cause, "use one name", str(node.endpoint)))
            seen[node.endpoint] = name

    def _add(self, node: WantedNode) -> None:
        endpoint = node.endpoint(self._access_node)
        taken = next((name for name, other in self.nodes.items() if other.endpoint == endpoint), None)
        if taken is not None:
            # Said here, for the node's membership would say it worse, and removals come after.
            self._refuse(node, f'its database at {endpoint} is already that of data node "{taken}"', "use one name, or remove the other one in a task before")
            return
        if not self._access_node.may_add:
            self._refuse(node, "the role may not add data nodes", "log in as a superuser, or GRANT USAGE ON FOREIGN DATA WRAPPER timescaledb_fdw")
        from ansible_collections.timescaledb.multinode.plugins.module_utils._admission import Admission

        look = self._looks[endpoint]
        admission = Admission(node, look, self._access_node)
        self.errors += admission.check_new()
        if admission.drops_database:
            self._drop_database(node, endpoint, "reclaim=database: the database of a former data node is made anew")
        elif admission.clears_membership:
            statement = Statement("DELETE FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'")
            reason, danger = "reclaim=membership: the database of a former data node is taken over", "its former cluster does not know it any more"
            self.steps.append(Step(node.subject, "clear membership", reason, statement, endpoint, node.password, danger=danger))

        values = [node.node_name, endpoint.host, endpoint.database, endpoint.port, admission.bootstrap]
        template = "SELECT * FROM {schema}.add_data_node(%s, host => %s, database => %s, port => %s, bootstrap => %s"
        if node.password:
            template += ", password => %s"
            values.append(node.password)
            if not self._access_node.superuser:
                self.warnings.append(
                    f"{node.subject}: only a superuser can keep the password out of the access node's log; "
                    "if the server logs statements, use the file named by timescaledb.passfile instead"
                )
        reason = "it is not registered" if not admission.bootstrap else "it is not registered; its database or extension has to be made"
        statement = Statement(f"{template})", {"schema": self._access_node.extension_schema}, tuple(values))
        # The first one makes the database an access node (dist_util_set_as_access_node in tsl/src/dist_util.c), which must happen once.
        is_first = self._access_node.dist_uuid is None and not any(step.action == "add" for step in self.steps)
        self.steps.append(Step(node.subject, "add", reason, statement, beside_others=not is_first, provides=node.node_name))
        self.nodes[node.node_name] = DataNode(node.node_name, endpoint)
        if node.available is False:
            self._call(node, "alter", "wanted unavailable", "SELECT * FROM {schema}.alter_data_node(%s, available => %s)", node.node_name, False)
            self.nodes[node.node_name] = DataNode(node.node_name, endpoint, available=False)

    def _alter(self, node: WantedNode, known: DataNode) -> None:
        endpoint = node.endpoint(self._access_node)
        available = known.available if node.available is None else node.available
        changes = [
            (argument, value, was)
            for argument, value, was in (
                ("host", endpoint.host, known.endpoint.host),
                ("database", endpoint.database, known.endpoint.database),
                ("port", endpoint.port, known.endpoint.port),
                ("available", available, known.available),
            )
            if value != was
        ]
        if not changes:
            return
        reason = ", ".join(f"{argument} is {was}, wanted {value}" for argument, value, was in changes)
        if self._access_node.release < ALTER_DATA_NODE:
            self._refuse(
                node,
                f"{reason}, and TimescaleDB {self._access_node.release} cannot alter a data node ({ALTER_DATA_NODE} can)",
                "correct the task, or upgrade TimescaleDB",
            )
        if not known.may_change:
            self._refuse(node, f"the role does not own it ({known.owner} does)", "log in as its owner or as a superuser")
        if endpoint in self._looks:
            from ansible_collections.timescaledb.multinode.plugins.module_utils._admission import Admission

            self.errors += Admission(node, self._looks[endpoint], self._access_node).check_known()
        arguments = "".join(f", {argument} => %s" for argument, dummy, dummy in changes)
        values = [value for dummy, value, dummy in changes]
        danger = _UNAVAILABLE if known.available and not available else ""
        template, first = "SELECT * FROM {schema}.alter_data_node(%s" + arguments + ")", (node.node_name,)
        if node.node_name in self._sources:
            from ansible_collections.timescaledb.multinode.plugins.module_utils._unproven import alter_with_sources

            template, first = alter_with_sources(node.node_name, self._sources[node.node_name], arguments)
        provides = node.node_name if endpoint in self._looks else ""
        self._call(node, "alter", reason, template, *first, *values, danger=danger, provides=provides)
        self.nodes[node.node_name] = replace(known, endpoint=endpoint, available=available)

    def _delete(self, node: WantedNode, known: DataNode) -> None:
        if not known.may_change:
            self._refuse(node, f"the role does not own it ({known.owner} does)", "log in as its owner or as a superuser")
        if known.mapped_roles:
            # delete_data_node() comes to it last, when the database may be dropped already.
            cause = f"the server does not delete it as long as there are user mappings for it, of {', '.join(known.mapped_roles)}"
            remedy = f"DROP USER MAPPING FOR each of them SERVER {node.node_name}, and give roles that still need it a line in timescaledb.passfile"
            self._refuse(node, cause, remedy)
        from ansible_collections.timescaledb.multinode.plugins.module_utils._leaving import given_up, leaving_errors, server_wants_force

        dangers, force = [], node.force
        for key, holding in self._holdings.items():
            if node.node_name in holding.attached:
                force = force or server_wants_force(holding)
                self.errors += leaving_errors(node.subject, node.node_name, holding, node.force)
                dangers += given_up(node.node_name, holding)
                self._holdings[key] = holding.without(node.node_name)
        if node.leaves_clean:
            self._detach(node, known, force)
        server_drops = node.drop_database and self._access_node.release >= SAFE_DROP_DATABASE
        template = "SELECT {schema}.delete_data_node(%s, force => %s, repartition => %s"
        values = [node.node_name, force, node.repartition]
        if server_drops:
            template += ", drop_database => %s"
            values.append(True)
        if node.drop_database:
            self._check_drop(node, known)
        if server_drops:
            dangers.append(_goes_with_it(known.endpoint))
        self._call(node, "delete", "it is registered and not wanted", f"{template})", *values, danger="; ".join(dangers))
        if node.drop_database and not server_drops:
            self._drop_database(node, known.endpoint, "drop_database is set")
        if node.leaves_clean:
            self._clear_membership(node, known.endpoint)
        elif not node.drop_database:
            self.warnings.append(
                f"{node.subject}: its database at {known.endpoint} keeps its data and its membership (dist_uuid); "
                "to register it again, use the option reclaim"
            )
        del self.nodes[node.node_name]

    def _detach(self, node: WantedNode, known: DataNode, force: bool) -> None:
        """Have the server drop the node's parts of distributed hypertables; afterwards nobody could tell them from tables of the node's own."""
        look = self._looks[known.endpoint]
        if look.unreachable:
            self._refuse(node, f"reclaim=membership needs the node: {look.reason.rstrip('.')}", "start the node, or leave reclaim out")
        elif look.dist_uuid != self._access_node.uuid:
            self._refuse(node, "the database there is no data node of this cluster, its membership is not cleared", "leave reclaim out")
        attached = [holding.hypertable for holding in self._before_removal.values() if node.node_name in holding.attached]
        if not attached:
            return
        if self._access_node.release < DROP_REMOTE_DATA:
            self._refuse(
                node,
                f"reclaim=membership needs TimescaleDB {DROP_REMOTE_DATA} where hypertables are attached, this is {self._access_node.release}",
                "leave it out, and drop the tables on the node afterwards",
            )
        template = "SELECT {schema}.detach_data_node(%s, force => %s, repartition => %s, drop_remote_data => true"
        reason = f"it leaves {', '.join(attached)}"
        self._call(node, "detach", reason, f"{template})", node.node_name, force, node.repartition, danger="its parts of these tables are dropped")

    def _clean(self, node: WantedNode) -> None:
        """Finish what an interrupted removal left of a node that is not registered any more."""
        endpoint = node.endpoint(self._access_node)
        look = self._looks[endpoint]
        if look.unreachable:
            # It may have closed its doors since.
            reason = look.reason.rstrip(".")
            self.warnings.append(f"{node.subject}: it is not registered, and whether its database at {endpoint} is free of the cluster is not known: {reason}")
        elif look.dist_uuid is not None and look.dist_uuid == self._access_node.uuid and not look.own_data_nodes:
            if look.distributed_members:
                cause = f"it was removed before, and still holds its part of {look.distributed_members} distributed hypertable(s)"
                self._refuse(node, cause, "drop these tables or its database on the node, after you have made sure that nobody needs them")
            self._clear_membership(node, endpoint)

    def _clear_membership(self, node: WantedNode, endpoint: Endpoint) -> None:
        statement = Statement("DELETE FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'")
        self.steps.append(Step(node.subject, "clear membership", "reclaim=membership: its database is free then", statement, endpoint, node.password))

    def _check_drop(self, node: WantedNode, known: DataNode) -> None:
        look = self._looks[known.endpoint]
        if look.unreachable or not look.maintenance_database:
            reason = look.reason if look.unreachable else "no login to another database of that server"
            self._refuse(
                node,
                f"drop_database needs the node: {reason.rstrip('.')}",
                "start the node and allow the database postgres in its pg_hba.conf, or leave drop_database out",
            )
        elif look.dist_uuid != self._access_node.uuid:
            self._refuse(node, "the database there is no data node of this cluster, it is not dropped", "leave drop_database out")

    def _refuse(self, node: WantedNode, cause: str, remedy: str) -> None:
        known = self._access_node.data_nodes.get(node.node_name)
        self.errors.append(ClusterError(node.subject, cause, remedy, str(known.endpoint if known else node.endpoint(self._access_node))))

    def _call(self, node: WantedNode, action: str, reason: str, template: str, *values: object, danger: str = "", provides: str = "") -> None:
        statement = Statement(template, {"schema": self._access_node.extension_schema}, values)
        self.steps.append(Step(node.subject, action, reason, statement, danger=danger, provides=provides))

    def _drop_database(self, node: WantedNode, endpoint: Endpoint, reason: str) -> None:
        elsewhere = replace(endpoint, database=self._looks[endpoint].maintenance_database or "postgres")
        statement = Statement("DROP DATABASE {database}", {"database": endpoint.database})
        self.steps.append(Step(node.subject, "drop database", reason, statement, elsewhere, node.password, danger=_goes_with_it(endpoint)))


def _goes_with_it(endpoint: Endpoint) -> str:
    return f"database {endpoint.database} on {endpoint.host}:{endpoint.port} goes with all that is in it"
