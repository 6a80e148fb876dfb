# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

from dataclasses import replace

import pytest
from _build import access_node, data_node, endpoint, look, node_parameters
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection
from ansible_collections.timescaledb.multinode.plugins.module_utils._data_node_plan import looks_needed, plan_data_nodes
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_declarations import wanted_roles
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES, role_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_plan import plan_roles
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import NodeState, Role
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Secret, Statement
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_nodes import wanted_nodes

PASSWORD = "hunter2"


def test_secret_has_no_repr():
    assert PASSWORD not in repr(Secret(PASSWORD))
    assert PASSWORD not in f"{Statement('x', values=(Secret(PASSWORD),))!r} {[Secret(PASSWORD)]}"


def test_statement_without_secrets():
    statement = Statement("SELECT %s, %s", {"a": "b"}, ("kept", Secret(PASSWORD)))
    assert statement.without_secrets() == Statement("SELECT %s, %s", {"a": "b"}, ("kept", "********"))


def test_nothing_of_the_plan_shows_the_password():
    wanted = wanted_nodes([node_parameters(node_name="dn1", host="dn1.example", password=PASSWORD)])
    an = access_node()
    plan = plan_data_nodes(wanted, an, {endpoint("dn1"): look()}, [])
    requests = looks_needed(wanted, an)
    assert plan.steps[0].statement.values[-1] == PASSWORD
    assert requests[0].password == PASSWORD
    assert PASSWORD not in f"{wanted} {plan} {requests}"


def test_nothing_shows_the_password_of_a_user_mapping():
    node = data_node("dn1", endpoint=replace(endpoint("dn1"), login={"user": "x", "password": Secret(PASSWORD)}))
    an = access_node(node)
    requests = looks_needed(wanted_nodes([node_parameters(node_name="dn1", host="elsewhere")]), an)
    assert requests[0].endpoint.login["password"] == PASSWORD and requests[0].endpoint.host == "elsewhere"
    assert PASSWORD not in f"{an} {node.shown()} {requests} {node.endpoint} {node.endpoint.login}"


@pytest.mark.parametrize("superuser, password, warned", [(False, PASSWORD, True), (False, None, False), (True, PASSWORD, False)])
def test_warning_about_the_log_that_only_superusers_can_hush(superuser, password, warned):
    wanted = wanted_nodes([node_parameters(node_name="dn1", host="dn1.example", password=password)])
    plan = plan_data_nodes(wanted, access_node(superuser=superuser), {endpoint("dn1"): look()}, [])
    assert any("password out of the access node's log" in warning for warning in plan.warnings) is warned


class _Raw:
    """A driver's connection that renders without a server."""

    def cursor(self, **dummy):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *dummy):
        return None

    def mogrify(self, query, values):
        return f"{query} {values}"


def test_rendered_statement_has_no_password():
    assert PASSWORD not in Connection(_Raw(), "an").render(Statement("SELECT %s", values=(Secret(PASSWORD),)))


@pytest.mark.parametrize("password", [None, ""])
def test_no_password_is_none(password):
    assert wanted_nodes([node_parameters(node_name="dn1", password=password)])[0].password is None


def test_nothing_of_a_role_shows_password_or_verifier():
    row = {name: option.get("default") for name, option in role_list()["options"].items()}
    wanted = wanted_roles(dict(roles=[dict(row, name="r", password=PASSWORD)], schemas=None, extensions=None))
    node = NodeState("access node", None, "s", "db", "postgres", roles={"r": Role(dict.fromkeys(ATTRIBUTES, False), verifier=Secret("old verifier"))})
    plan = plan_roles(wanted, [node], [], make=lambda password: f"verifier of {password}")
    assert plan.steps[0].statement.values == (f"verifier of {PASSWORD}",)
    assert PASSWORD not in f"{wanted} {plan} {node}" and "verifier of" not in f"{plan}" and "old verifier" not in f"{node} {plan}"
    assert PASSWORD not in Connection(_Raw(), "an").render(plan.steps[0].statement)
