# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""A plan is an ordered list of steps; this is one step. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The objects of a cluster, by kind: C(data_nodes), C(hypertables), C(jobs).
State = dict[str, list[dict[str, Any]]]


class Secret(str):
    """A parameter that reaches the server, but no log, diff or result."""

    def __repr__(self) -> str:
        return "'********'"


@dataclass(frozen=True)
class Statement:
    """One SQL statement.

    Args:
        template: SQL with C({name}) where an identifier goes and C(%s) where a value goes.
        identifiers: the identifiers by name; the driver quotes them.
        values: the values in order; the driver passes them as parameters.
    """

    template: str
    identifiers: dict[str, str] = field(default_factory=dict)
    values: tuple[Any, ...] = ()

    def without_secrets(self) -> Statement:
        """The same statement with every secret masked, fit to be shown."""
        shown = tuple("********" if isinstance(value, Secret) else value for value in self.values)
        return Statement(self.template, self.identifiers, shown)


@dataclass(frozen=True)
class Endpoint:
    """Where a PostgreSQL database is to be reached from the access node.

    Args:
        login: libpq options of the login, as far as the access node has some for this data node: from its user mapping and its foreign server.
        login_hidden: whether there is a user mapping whose options the current role may not see.
    """

    host: str
    port: int
    database: str
    login: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    login_hidden: bool = field(default=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


_EFFECTS = {
    "add": "added",
    "create": "added",
    "create schema": "added",
    "create table": "added",
    "create index": "added",
    "create procedure": "added",
    "grant": "added",
    "alter": "changed",
    "set": "changed",
    "reassign": "changed",
    "replace procedure": "changed",
    "commit": "changed",
    "roll back": "changed",
    "attach": "moved",
    "detach": "moved",
    "clear membership": "removed",
    "delete": "removed",
    "revoke": "removed",
    "drop": "removed",
    "drop database": "removed",
    "drop procedure": "removed",
    "drop schema": "removed",
}


@dataclass(frozen=True)
class Step:
    """One change.

    Args:
        subject: the object it changes, e.g. C(data node "dn1").
        action: what happens to it in one word: add, alter, delete, create, set, attach, detach, ...
        reason: why, one line.
        statement: its SQL. A step is run in autocommit mode: it is a transaction of its own, unless it says otherwise.
        endpoint: the database it runs in where that is not the access node's.
        password: the password for the endpoint, where one was given.
        beside_others: it may run at the same time as its neighbours that may as well.
        together: it may share one transaction with its neighbours that may as well, instead of a transaction of its own.
        lane: where given, the step runs over the one connection that its endpoint has for all steps of the lane. They keep their order, and
            neighbouring steps of other lanes run at the same time.
        needs: the data nodes that the server sends it to, as far as they are registered already.
        presupposes: what those that are registered already must have of their own, as kinds (C(type), C(table)) and names in SQL.
        provides: the data node that is there, or in another place, after it, and has been looked at; empty where there is none.
        ends: its object is to be gone, and others may end it as well: that it is gone already is no failure. Only of steps in lanes.
        danger: what cannot be had back after it, in one sentence; empty where there is no such thing.
    """

    subject: str
    action: str
    reason: str
    statement: Statement
    endpoint: Endpoint | None = None
    password: Secret | None = None
    beside_others: bool = False
    together: bool = False
    lane: str | None = None
    needs: tuple[str, ...] = ()
    presupposes: tuple[tuple[str, str], ...] = ()
    provides: str = ""
    ends: bool = False
    danger: str = ""

    @property
    def effect(self) -> str:
        """What that means for the cluster: C(added), C(changed), C(moved) (to other data nodes) or C(removed)."""
        return _EFFECTS[self.action]


@dataclass
class Plan:
    """What will be done and what will then be there.

    Args:
        steps: the changes in their order.
        before: the state found, by kind of object, as the user is shown it.
        after: the state that the steps lead to, in the same form.
        warnings: what the user will regret, whether or not there is a step.
        notes: what else a module returns of what it found, by key.
    """

    steps: list[Step]
    before: State
    after: State
    warnings: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
