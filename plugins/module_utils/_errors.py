# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The one error a user sees: which object on which host, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Callable, TypeVar

if TYPE_CHECKING:
    from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Step

_Made = TypeVar("_Made")

# PostgreSQL's code: the object of the statement is not there.
UNDEFINED_OBJECT = "42704"


# PostgreSQL's class of errors about values: the text of an option is no value of the type.
_WRONG_VALUE = "22"


class ClusterError(Exception):
    """A reason not to go on, complete enough to be shown as it is.

    Args:
        subject: the object concerned, e.g. C(data node "dn1").
        cause: one sentence without a final full stop.
        remedy: what the user can do, one or more sentences without a final full stop.
        host: where it was found, C(host:port/database) or a name; None where the access node is meant by the task itself.
        sqlstate: the server's code where a statement failed.
    """

    def __init__(self, subject: str, cause: str, remedy: str = "", host: str | None = None, sqlstate: str = "") -> None:
        self.subject = subject
        self.cause = cause
        self.remedy = remedy
        self.host = host
        self.sqlstate = sqlstate
        # Of a refused plan: the steps it came to. Data nodes that they need and that do not answer are a reason as well.
        self.steps: list[Step] = []
        place = f"{subject} at {host}" if host else subject
        message = f"{place}: {cause}."
        super().__init__(f"{message} Remedy: {remedy}." if remedy else message)


class ClusterErrors(ClusterError):
    """Several findings reported in one message, so that one run shows all of them."""

    def __init__(self, errors: list[ClusterError]) -> None:
        self.errors = errors
        self.steps = []
        self.args = ("\n".join(str(error) for error in errors),)

    def __str__(self) -> str:
        return self.args[0]


class InterruptedPlan(ClusterError):
    """A step failed. What was done before it stays done; running the task again goes on from there."""

    def __init__(self, error: ClusterError, done: list[Step]) -> None:
        super().__init__(error.subject, error.cause, error.remedy, error.host)
        self.done = done


def raise_all(errors: list[ClusterError], steps: Iterable[Step] = ()) -> None:
    """Raise nothing, the one error, or all errors as one.

    Args:
        steps: of a plan that is refused for these errors.
    """
    if errors:
        error = errors[0] if len(errors) == 1 else ClusterErrors(errors)
        error.steps = list(steps)
        raise error


def findings(error: ClusterError) -> list[ClusterError]:
    """What raise_all() was given."""
    return error.errors if isinstance(error, ClusterErrors) else [error]


def is_wrong_value(error: ClusterError) -> bool:
    """Whether the server could not make anything of a value."""
    return error.sqlstate.startswith(_WRONG_VALUE)


def noting(errors: list[ClusterError], make: Callable[[], _Made], otherwise: _Made) -> _Made:
    """What make() returns. Where it raises, its findings are added to the errors, to be told together with others."""
    try:
        return make()
    except ClusterError as error:
        errors += findings(error)
        return otherwise


_ENDED = "the server has ended the session; look into its log, and run the task again once it answers"
# Texts of the server (TimescaleDB 2.0-2.13, tsl/src/data_node.c, src/hypertable.c, tsl/src/remote/) and what a user can do.
_REMEDIES = (
    ("no password supplied", "give the role a line in the file named by timescaledb.passfile on the access node, or the task a password"),
    ("password authentication failed", "make the password in timescaledb.passfile on the access node equal to the role's on the data node"),
    ("no pg_hba.conf entry", "allow the access node's address in pg_hba.conf of that node"),
    ("could not connect", "start the node, or correct host, port and firewall"),
    ("prepared transactions are disabled", "set max_prepared_transactions above 0 on the data node and restart it"),
    ("prepared transaction with identifier", "somebody has ended it meanwhile; run the task again"),
    ("cannot run inside a transaction block", "run the statement outside a transaction"),
    ("permission denied for foreign-data wrapper", "log in as a superuser or GRANT USAGE ON FOREIGN DATA WRAPPER timescaledb_fdw"),
    ("permission denied for foreign server", "GRANT USAGE ON FOREIGN SERVER of the data node to the role"),
    ("must be owner", "log in as the owner of the object or as a superuser"),
    ("connection already closed", _ENDED),
    ("server closed the connection", _ENDED),
    ("no data nodes can be assigned", "register data nodes first, and GRANT USAGE ON FOREIGN SERVER to the role"),
    ("permission denied for database", "GRANT CREATE ON DATABASE to the role there, or create the schema beforehand"),
    ("chunk creation failed on data node", "it has a chunk that the access node does not know of: see stale_chunks of timescale_cluster_info"),
    ("is being accessed by other users", "end the sessions in that database first"),
    ("already a data node", "see the option reclaim"),
    ("already a member of a distributed database", "see the option reclaim"),
    ("incompatible timescaledb extension version", "install a release on the data node that the access node accepts"),
)


def remedy_for(server_message: str) -> str:
    """What to do about an error text of the server; empty where nothing better than the text itself is known."""
    for fragment, remedy in _REMEDIES:
        if fragment in server_message:
            return remedy
    return ""
