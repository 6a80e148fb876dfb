# GPL-3.0-or-later (see LICENSE)
"""The collection's jobs in memory, as the access node has them: a schema, procedures, and what runs them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from _role_model import require

# As the server writes them.
JOB_INTERVALS = {"12 hours": "12:00:00", "5 minutes": "00:05:00", "1 day": "1 day"}


def as_written(interval: str) -> str:
    return JOB_INTERVALS.get(interval, interval)


@dataclass
class ModelJob:
    procedure: str
    interval: str
    max_runtime: str
    scheduled: bool = True


@dataclass
class Jobs:
    """procedures: their bodies by name; more: there is something else in the schema."""

    schema: bool = False
    procedures: dict[str, str] = field(default_factory=dict)
    scheduled: dict[int, ModelJob] = field(default_factory=dict)
    more: bool = False

    def copy(self) -> Jobs:
        return Jobs(self.schema, dict(self.procedures), {number: replace(job) for number, job in self.scheduled.items()}, self.more)

    def create_schema(self, names, values):
        require(not self.schema, "schema already exists")
        self.schema = True

    def drop_schema(self, names, values):
        require(self.schema and not self.procedures and not self.more, "other objects depend on it")
        self.schema = False

    def create_procedure(self, names, values, body):
        require(self.schema, "schema does not exist")
        for key, identifier in names.items():
            body = body.replace(f"{{{key}}}", f'"{identifier}"')
        self.procedures[names["procedure"]] = body

    def drop_procedure(self, names, values):
        del self.procedures[names["procedure"]]

    def add(self, names, values):
        procedure = values[0].removeprefix('"timescaledb_multinode".')
        require(procedure in self.procedures, "function does not exist")
        self.scheduled[max(self.scheduled, default=999) + 1] = ModelJob(procedure, *map(as_written, values[1:3]))

    def alter(self, names, values):
        self.scheduled[values[0]] = ModelJob(self.scheduled[values[0]].procedure, *map(as_written, values[1:3]))

    def delete(self, names, values):
        del self.scheduled[values[0]]


_PROCEDURE = r"\{own\}\.\{procedure\}\([^)]*\)"
_INTERVALS = "max_runtime => .*, retry_period => .*"
STATEMENTS = (
    (r"CREATE SCHEMA \{own\}", "create_schema"),
    (r"DROP SCHEMA \{own\}", "drop_schema"),
    (rf"(?s)CREATE OR REPLACE PROCEDURE {_PROCEDURE} LANGUAGE plpgsql AS \$job\$(.*)\$job\$;\nREVOKE ALL ON PROCEDURE .* FROM PUBLIC", "create_procedure"),
    (rf"DROP PROCEDURE {_PROCEDURE}", "drop_procedure"),
    (rf"SELECT \{{schema\}}\.alter_job\(\{{schema\}}\.add_job\(%s::regproc, %s::interval\), {_INTERVALS}\)", "add"),
    (rf"SELECT \{{schema\}}\.alter_job\(%s, schedule_interval => .*, {_INTERVALS}, scheduled => true\)", "alter"),
    (r"SELECT \{schema\}\.delete_job\(%s\)", "delete"),
)
