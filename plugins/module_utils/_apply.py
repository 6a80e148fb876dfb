# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The only place that writes: runs the steps of a plan in their order."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, connect_with
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Secret, Statement, Step

# A statement with a password must not reach the server's log, whatever it logs otherwise. Only superusers may say so.
_HUSH = Statement(
    """SELECT set_config('log_statement', 'none', false), set_config('log_min_duration_statement', '-1', false),
              set_config('log_min_error_statement', 'panic', false), set_config('log_min_duration_sample', '-1', false)"""
)


class InterruptedPlan(ClusterError):
    """A step failed. What was done before it stays done; running the task again goes on from there."""

    def __init__(self, error: ClusterError, done: list[Step]) -> None:
        super().__init__(error.subject, error.cause, error.remedy, error.host)
        self.done = done


def apply_steps(module: AnsibleModule, connection: Connection, access_node: AccessNode, steps: list[Step]) -> None:
    """Run every step. Raises InterruptedPlan at the first that fails."""
    if access_node.superuser and any(isinstance(value, Secret) for step in steps for value in step.statement.values):
        connection.run(_HUSH, "session of the access node")
    for number, step in enumerate(steps):
        try:
            if step.endpoint is None:
                connection.run(step.statement, step.subject)
            else:
                _run_on_node(module, access_node, step, step.endpoint)
        except ClusterError as error:
            raise InterruptedPlan(error, steps[:number]) from error


def _run_on_node(module: AnsibleModule, access_node: AccessNode, step: Step, endpoint: Endpoint) -> None:
    node, reason = connect_with(module, access_node.connection_parameters(endpoint, step.password, connect_timeout=10))
    if node is None:
        raise ClusterError(step.subject, f"no connection: {reason}", "start the node", str(endpoint))
    try:
        node.run(step.statement, step.subject)
    finally:
        node.close()
