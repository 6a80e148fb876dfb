# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Whether data nodes are ready for a plan: that they answer, and have what it presupposes. All are asked side by side, with one query at most."""

from __future__ import annotations

from collections import defaultdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, DataNode, reach_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._node_look import side_by_side
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement, Step

_LACKING = """
SELECT kind, name FROM unnest(%s::text[], %s::text[]) AS w (kind, name)
 WHERE CASE kind WHEN 'type' THEN to_regtype(name)::oid ELSE to_regclass(name)::oid END IS NULL
"""


def node_errors(module: AnsibleModule, access_node: AccessNode, steps: list[Step]) -> list[ClusterError]:
    """What stands against the steps at registered data nodes; those that are about to change have been looked at already."""
    needed = {name for step in steps for name in step.needs} - {step.provides for step in steps}
    nodes = [node for name, node in sorted(access_node.data_nodes.items()) if name in needed]
    errors: list[ClusterError] = []
    lacking: dict[tuple[str, str], list[str]] = defaultdict(list)
    for node, (reason, lacks) in zip(nodes, side_by_side(lambda node: _ask(module, access_node, node, steps), nodes)):
        if reason:
            errors.append(_silent(access_node, node, reason, steps))
        for what in lacks:
            lacking[what].append(node.node_name)
    return errors + [
        ClusterError(
            step.subject,
            f"it needs the {kind} {name}, which is not on {', '.join(name for name in lacking[kind, name] if name in step.needs)}",
            f"make it there as it is on the access node, for instance by distributed_exec(){' or the option extensions' if kind == 'type' else ''}",
            access_node.name,
        )
        for step in steps
        for kind, name in step.presupposes
        if set(lacking[kind, name]) & set(step.needs)
    ]


def _ask(module: AnsibleModule, access_node: AccessNode, node: DataNode, steps: list[Step]) -> tuple[str, list[tuple[str, str]]]:
    """Why it does not let the access node in, and what it lacks."""
    wanted = sorted({what for step in steps if node.node_name in step.needs for what in step.presupposes})
    connection, reason = reach_node(module, access_node, node.endpoint)
    if connection is None:
        return reason, []
    try:
        values = ([kind for kind, _name in wanted], [name for _kind, name in wanted])
        rows = connection.run(Statement(_LACKING, values=values), f'data node "{node.node_name}"') if wanted else []
    finally:
        connection.close()
    return "", [(row["kind"], row["name"]) for row in rows]


def _silent(access_node: AccessNode, node: DataNode, reason: str, steps: list[Step]) -> ClusterError:
    needed_by = ", ".join(dict.fromkeys(step.subject for step in steps if node.node_name in step.needs))
    return ClusterError(
        f'data node "{node.node_name}"',
        f"no connection as role {access_node.login_role(node.endpoint)}: {reason.rstrip('.')}",
        f"start the node, or see that the access node may log in there; needed by: {needed_by}",
        str(node.endpoint),
    )
