# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Connections to PostgreSQL. The only file that imports community.postgresql's connection functions."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.community.postgresql.plugins.module_utils.postgres import (
    connect_to_db,
    ensure_required_libs,
    get_conn_params,
    pg_cursor_args,
    postgres_common_argument_spec,
)
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, is_wrong_value, remedy_for
from ansible_collections.timescaledb.multinode.plugins.module_utils._login_remedies import login_remedy
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Statement

# The driver that community.postgresql chose: psycopg 3 where it is usable, else psycopg2.
try:
    if pg_cursor_args and "row_factory" in pg_cursor_args:
        from psycopg import Error as DriverError
        from psycopg import sql
    else:
        from psycopg2 import Error as DriverError
        from psycopg2 import sql
except ImportError:
    sql = None

    class DriverError(Exception):
        """Stands in where no driver is installed; ensure_required_libs() then fails before it matters."""

# For the option "options" of a connection: the loader then leaves out the extension's libraries (src/loader/loader.c), which take longer to load
# than a catalogue to read.
WITHOUT_LIBRARIES = "-c timescaledb.disable_load=on"


def login_argument_spec() -> dict[str, Any]:
    """Connection options of every module: community.postgresql's, the database and the role to switch to.

    Without their aliases: host and port are a data node's, and community.postgresql 5.0.0 drops them.
    """
    options = {
        name: {key: value for key, value in option.items() if key not in ("aliases", "deprecated_aliases")}
        for name, option in postgres_common_argument_spec().items()
    }
    return dict(options, login_db=dict(type="str", required=True), session_role=dict(type="str"))


class Connection:
    """One connection in autocommit mode: each statement is its own transaction, as add_data_node() demands.

    Every error is raised as ClusterError.
    """

    def __init__(self, raw: Any, name: str) -> None:
        self.name = name
        self._raw = raw
        self._warnings: list[str] = []
        if hasattr(raw, "add_notice_handler"):
            raw.add_notice_handler(lambda notice: self._note(notice.severity_nonlocalized, notice.message_primary))

    def _note(self, severity: str, message: str) -> None:
        # Each multi-node call of 2.13 says that it is deprecated; the README says so once.
        if severity == "WARNING" and "is deprecated" not in message:
            self._warnings.append(message)

    def take_warnings(self) -> list[str]:
        """Warnings of the server since the last call, without those about deprecation."""
        for text in getattr(self._raw, "notices", None) or []:
            severity, _colon, message = text.strip().partition(":")
            self._note(severity, message.strip().splitlines()[0])
        if getattr(self._raw, "notices", None):
            del self._raw.notices[:]
        taken, self._warnings = self._warnings, []
        return taken

    def run(self, statement: Statement, subject: str) -> list[dict[str, Any]]:
        """Run a statement and return its rows; errors name the subject."""
        try:
            with self._raw.cursor(**pg_cursor_args) as cursor:
                cursor.execute(_compose(statement), statement.values or None)
                if cursor.description is None:
                    return []
                columns = [column[0] for column in cursor.description]
                return [dict(zip(columns, (row[name] for name in columns))) for row in cursor.fetchall()]
        # A value that psycopg2 cannot send, such as text with a NUL, is not an error of its own kind.
        except (DriverError, ValueError) as error:
            raise server_error(error, subject, self.name) from error

    def render(self, statement: Statement) -> str:
        """The statement as text for people, secrets masked."""
        shown = statement.without_secrets()
        with self._raw.cursor(**pg_cursor_args) as cursor:
            text = cursor.mogrify(_compose(shown), shown.values or None)
        return text.decode() if isinstance(text, bytes) else text

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._raw.close()


def _compose(statement: Statement) -> Any:
    return sql.SQL(statement.template).format(**{key: sql.Identifier(name) for key, name in statement.identifiers.items()})


def taken(connection: Connection, statement: Statement) -> list[dict[str, Any]]:
    """Its rows; none where the server can make nothing of its values."""
    try:
        return connection.run(statement, "options")
    except ClusterError as error:
        if not is_wrong_value(error):
            raise
        return []


def server_error(error: Exception, subject: str, host: str) -> ClusterError:
    """The server's error with its detail and hint, and our remedy where we know a better one."""
    diagnosis = getattr(error, "diag", None)
    message = getattr(diagnosis, "message_primary", None) or str(error).strip()
    detail = getattr(diagnosis, "message_detail", None)
    cause = f"{message} ({detail.rstrip('.')})" if detail else message
    remedy = remedy_for(f"{message} {detail}") or getattr(diagnosis, "message_hint", None) or ""
    return ClusterError(subject, cause.rstrip("."), remedy.rstrip("."), host, getattr(diagnosis, "sqlstate", None) or "")


def connect_as_login(module: AnsibleModule) -> Connection:
    """Connect with the module's login options. Raises ClusterError."""
    ensure_required_libs(module)
    _check_secrets(module.params["connect_params"] or {})
    # Only the login options: get_conn_params() would take a data node's "database" for the one to log in to.
    login = {name: module.params[name] for name in login_argument_spec()}
    parameters = get_conn_params(module, login, warn_db_default=False)
    name = f"{parameters.get('host', 'local socket')}:{parameters.get('port', 5432)}/{parameters.get('dbname')}"
    raw, reason = connect_to_db(_Quiet(module), parameters, autocommit=True, fail_on_conn=False)
    if raw is None:
        reason = _one_line(reason).rstrip(".")
        raise ClusterError("access node", f"no connection as role {parameters.get('user')}: {reason}", login_remedy(reason), name)
    connection = Connection(raw, name)
    if module.params.get("session_role"):
        _switch_role(connection, module.params["session_role"])
    return connection


def _check_secrets(connect_params: dict[str, Any]) -> None:
    """Raise where there are any: Ansible takes dictionaries for harmless, and has these in its results and on the host in the log."""
    for name, remedy in (("password", "give login_password"), ("sslpassword", "let ssl_key have no passphrase, and be readable for its owner alone")):
        if name in connect_params:
            raise ClusterError(f"option connect_params, {name}", "it would be shown in results and logs", remedy)


def _switch_role(connection: Connection, role: str) -> None:
    """Not by connect_to_db(), which takes no name with quotes."""
    try:
        connection.run(Statement("SET ROLE {role}", {"role": role}), f'session_role "{role}"')
    except ClusterError as error:
        connection.close()
        remedy = error.remedy or "create the role, or make the role that logs in its member"
        raise ClusterError(error.subject, error.cause, remedy, error.host) from error


def require_driver(module: AnsibleModule) -> None:
    """Fail where there is no driver, with its name."""
    ensure_required_libs(module)


def connect_with(module: AnsibleModule, parameters: dict[str, Any]) -> tuple[Connection | None, str]:
    """Connect with libpq parameters of our own: (connection, "") or (None, why not). Never raises; safe in threads."""
    name = f"{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    raw, reason = connect_to_db(_Quiet(module), dict(parameters), autocommit=True, fail_on_conn=False)
    return (Connection(raw, name), "") if raw is not None else (None, _one_line(reason))


class _Quiet:
    """The face of AnsibleModule that connect_to_db() uses, without its warning: our callers report failures themselves."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params: dict[str, Any] = {}
        self.fail_json = module.fail_json

    def warn(self, message: str) -> None:
        """Say nothing."""


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
