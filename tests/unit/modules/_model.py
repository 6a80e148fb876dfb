# GPL-3.0-or-later (see LICENSE)
"""A cluster in memory that obeys the steps of a plan by the server's rules, and refuses what the server would refuse.

It reads the SQL of the steps and knows nothing of how they were planned. The rules: tsl/src/data_node.c of 2.13.1, and those of its parts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import _job_model
import _table_model
from _build import UUID
from _job_model import Jobs
from _place_model import Place, Places, Registered
from _role_model import require
from _table_model import Hypertables, Key, ModelTable
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint, Step


class Model:
    """places: the access node first."""

    def __init__(self, places: list[Place], registered: dict[str, Registered], tables: dict[Key, ModelTable], jobs: Jobs) -> None:
        self.places = Places(places, registered)
        self.hypertables = Hypertables(self.places, {key: table.copy() for key, table in tables.items()})
        self.jobs = jobs.copy()

    @property
    def registered(self) -> dict[str, Registered]:
        return self.places.registered

    @property
    def tables(self) -> dict[Key, ModelTable]:
        return self.hypertables.tables

    def owner(self, key: Key) -> str:
        return self.places.access_node.relations[Object("table", *key)].owner

    def after(self, steps: Sequence[Step]) -> Model:
        """A copy to which the steps were done. Raises Refused."""
        changed = Model(self.places.nodes, self.registered, self.tables, self.jobs)
        for step in steps:
            changed.do(step)
        return changed

    def state(self) -> Any:
        """To be compared: the order in which a hypertable got its data nodes does not count."""
        tables = {key: table.copy() for key, table in self.tables.items()}
        for table in tables.values():
            table.nodes = table.nodes and sorted(table.nodes)
        jobs = self.jobs.copy()
        jobs.scheduled = dict(enumerate(sorted(jobs.scheduled.values(), key=lambda job: job.procedure)))
        return self.places.state(), self.registered, tables, jobs

    def do(self, step: Step) -> None:
        template, names, values = step.statement.template, step.statement.identifiers, list(step.statement.values)
        for part, statements, more in ((self.jobs, _job_model.STATEMENTS, (values,)), (self.hypertables, _table_model.STATEMENTS, ())):
            for pattern, method in statements:
                match = re.fullmatch(pattern, template)
                if match:
                    require(step.endpoint is None, "this is no access node")
                    return getattr(part, method)(names, *more, *match.groups())
        call = re.match(r"(?:SELECT (?:\* FROM )?|CALL )\{schema\}\.(\w+)\(", template)
        if call:
            require(step.endpoint is None, "this is no access node")
            # The named arguments come last, in the order of the values.
            named = re.findall(r"(\w+) => %s", template)
            arguments = dict(zip(named, values[len(values) - len(named) :])) | dict.fromkeys(re.findall(r"(\w+) => true", template), True)
            function = getattr(self, call[1], None) or getattr(self.hypertables, call[1])
            return function(*values[: len(values) - len(named)], **arguments)
        for pattern, method in _STATEMENTS:
            if re.fullmatch(pattern, template):
                return getattr(self, method)(step.endpoint, names)
        return self.places.do(step)

    # Data nodes

    def add_data_node(self, name: str, host: str, database: str, port: int, bootstrap: bool) -> None:
        place = self.places.on_host(host)
        require(place.is_at(Endpoint(host, port, database)), "no connection")
        require(name not in self.registered, "it exists")
        require(bootstrap or (place.exists and place.prepared), "database or extension is missing")
        if not place.exists:
            place.make()
        place.prepared = True
        require(place.member_of is None and not place.leads, "the database is already a member")
        place.member_of, place.name = UUID, name
        self.registered[name] = Registered(Endpoint(host, port, database))

    def alter_data_node(self, name: str, **changes: Any) -> None:
        node = self.registered[name]
        node.available = changes.pop("available", node.available)
        node.endpoint = Endpoint(**{**node.endpoint.__dict__, **changes})

    def delete_data_node(self, name: str, force: bool, repartition: bool, drop_database: bool = False) -> None:
        here = self.places.access_node
        for key, table in self.tables.items():
            if table.nodes is not None and name in table.nodes:
                self.hypertables.detach_data_node(name, *key, force=force, repartition=repartition)
        require(not any(name in nodes for nodes in here.mappings.values()), "user mappings depend on it")
        place = next(place for place in self.places.nodes[1:] if place.name == name)
        if drop_database:
            self.places.of(name).drop()
        del self.registered[name]
        here.acl.pop(Object("foreign server", "", name), None)
        place.name = ""

    def detach_data_node(self, name: str, *key: str, **options: bool) -> None:
        """From one hypertable, or from all."""
        for each in [key] if key else [each for each, table in self.tables.items() if table.nodes is not None and name in table.nodes]:
            self.hypertables.detach_data_node(name, *each, **options)

    def drop_database(self, endpoint: Endpoint, names: dict[str, str]) -> None:
        place = self.places.on_host(endpoint.host)
        require(place.exists and place.is_at(endpoint) and endpoint.database != names["database"], "it cannot be dropped")
        require(place.database == names["database"] and not place.name, "it is another one")
        place.drop()

    def clear_membership(self, endpoint: Endpoint, names: dict[str, str]) -> None:
        place = self.places.at(endpoint)
        require(not place.name, "it is a data node")
        place.member_of = None


_STATEMENTS = (
    (r"DROP DATABASE \{database\}", "drop_database"),
    (r"DELETE FROM _timescaledb_catalog.metadata WHERE key = 'dist_uuid'", "clear_membership"),
)
