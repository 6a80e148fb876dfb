# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The draft of a plan over all nodes: what they will have, and the steps to it in the phases in which nodes need each other. No I/O.

The access node sends grants on distributed hypertables to their data nodes, where the role has to be there already, and what it sends has not
to be done again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import NodeState
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step

# In their order: roles of data nodes come before those of the access node, for once they are there, what it sends succeeds. Steps of one server
# keep their order, so that the databases of one server find its roles.
ROLES, OBJECTS, TABLES, REMOVAL, DROP = range(5)


@dataclass
class Draft:
    """The nodes, the access node first, as the steps so far leave them.

    Args:
        registered: the names of all data nodes, also of those that are not available.
    """

    nodes: list[NodeState]
    registered: list[str]
    errors: list[ClusterError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _steps: dict[tuple[int, bool], list[Step]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = [node.copy() for node in self.nodes]
        for first in self.servers:
            for node in self.nodes:
                if node.server == first.server:
                    node.roles = first.roles

    @property
    def access_node(self) -> NodeState:
        """The access node."""
        return self.nodes[0]

    @property
    def servers(self) -> list[NodeState]:
        """One node for each server, the access node for its own."""
        first: dict[str, NodeState] = {}
        for node in self.nodes:
            first.setdefault(node.server, node)
        return list(first.values())

    @property
    def skipped(self) -> set[str]:
        """The data nodes that are not available."""
        return set(self.registered) - {node.name for node in self.nodes[1:]}

    def add(self, phase: int, node: NodeState, subject: str, action: str, reason: str, template: str, *values: Any, **names: str) -> None:
        """Add a step on a node. names: the identifiers of the template."""
        step = Step(
            subject=f"{subject} on {node.place}",
            action=action,
            reason=reason,
            statement=Statement(template, names, values),
            endpoint=node.endpoint,
            lane=node.server if node.endpoint else None,
            password=node.password,
        )
        self._steps.setdefault((phase, node.endpoint is None), []).append(step)

    def refuse(self, node: NodeState, subject: str, cause: str, remedy: str) -> None:
        """Add a reason not to begin."""
        self.errors.append(ClusterError(f"{subject} on {node.place}", cause, remedy, node.host))

    def steps(self) -> list[Step]:
        """All steps in their order."""
        return self.steps_before_tables() + self.steps_after_tables()

    def steps_before_tables(self) -> list[Step]:
        """Those that tables need which are yet to be created: roles, schemas, extensions, and privileges on all but tables."""
        return self._in_order((ROLES, False), (ROLES, True), (OBJECTS, False), (OBJECTS, True))

    def steps_after_tables(self) -> list[Step]:
        """Those that need tables, and removals."""
        # What the access node revokes it may send; a role goes from its server when no database knows it any more.
        return self._in_order((TABLES, False), (TABLES, True), (REMOVAL, True), (REMOVAL, False), (DROP, False), (DROP, True))

    def _in_order(self, *keys: tuple[int, bool]) -> list[Step]:
        return [step for key in keys for step in self._steps.get(key, [])]
