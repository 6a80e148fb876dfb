# GPL-3.0-or-later (see LICENSE)
"""What is refused before the first change, with host, object, cause and remedy."""

from __future__ import annotations

import pytest
from _servers import SECURED


def grant(**more) -> dict:
    return dict(roles=[dict(name="r", grants=[more])])


@pytest.mark.parametrize(
    "wanted, cause",
    [
        (dict(roles=[dict(name="pg_mine")]), "the name is PostgreSQL's own"),
        (dict(roles=[dict(name="public")]), "the name is PostgreSQL's own"),
        (dict(roles=[dict(name="")]), "the name is empty"),
        (dict(roles=[dict(name="ä" * 32)]), "longer than 63 bytes"),
        (dict(schemas=[dict(name="x" * 64)]), "longer than 63 bytes"),
        (dict(roles=[dict(name="r"), dict(name="r")]), "it is listed 2 times"),
        (dict(roles=[dict(name="r", connection_limit=-2)]), "connection_limit is -2"),
        (dict(roles=[dict(name="r", member_of=["r"])]), "a member of itself"),
        (dict(roles=[dict(name="r", member_of=["nobody"])]), 'role "nobody" on data node "dn1"'),
        (dict(roles=[dict(name="r", member_of=["g"]), dict(name="g", state="absent")]), 'role "g", which is to be removed'),
        (dict(roles=[dict(name="r", reassign_owned_to="postgres")]), "only goes with state=absent"),
        (dict(schemas=[dict(name="m", owner="nobody")]), 'is owner of schema "m"'),
        (dict(extensions=[dict(name="timescaledb")]), "it is what makes a node"),
        (grant(type="table", schema="public", privs=["EXECUTE"]), "there is no privilege EXECUTE on table"),
        (grant(type="table", privs=["SELECT"]), "needs a schema"),
        (grant(type="schema", privs=["USAGE"]), "names its schemas in objs"),
        (grant(type="schema", privs=["USAGE"], objs=["nowhere"]), 'data node "dn2" at 127.0.0.1:'),
        (grant(type="table", schema="nowhere", privs=["SELECT"]), 'schema "nowhere" is missing there'),
        (grant(type="table", schema="public", privs=["SELECT"], objs=["nothing"]), 'table "public"."nothing" is missing there'),
        (grant(type="default_privs", privs=["SELECT"], objs=["TABLES"]), "target_roles"),
        (grant(type="default_privs", privs=["SELECT"], objs=["TABLES"], target_roles=["nobody"]), 'role "nobody"'),
        (dict(roles=[dict(name="r", distributed_hypertables_in=["nowhere"])]), "list it in schemas"),
    ],
)
def test_bad_declarations(roles, wanted, cause):
    assert "Remedy:" in roles.refuse(cause, **wanted)


def test_all_reasons_in_one_message(roles):
    message = roles.refuse(
        'role "r" on the access node', 'role "r" on data node "dn3"', 'extension "none"', roles=[dict(name="r", distributed_hypertables_in=["m"])],
        extensions=[dict(name="none")],
    )  # fmt: skip
    assert len(message.splitlines()) == 8


def test_nothing_to_do_is_no_task(roles):
    assert "one of the following is required: roles, schemas, extensions" in roles.run()["msg"]


def test_login_that_is_no_superuser(roles):
    roles.refuse("role app is no superuser", "log in as a superuser", roles=[dict(name="r")], login_user="app")


def test_login_that_is_no_superuser_on_one_node(roles):
    roles.everywhere("CREATE ROLE boss SUPERUSER LOGIN")
    roles.on("dn2", "ALTER ROLE boss NOSUPERUSER")
    message = roles.refuse('data node "dn2"', "role boss is no superuser there", roles=[dict(name="r")], login_user="boss")
    assert "dn1" not in message


def test_login_that_a_data_node_does_not_let_in(roles):
    roles.refuse(f"no connection as role {SECURED}", 'data node "dn1"', 'data node "dn3"', roles=[dict(name="r")], login_user=SECURED)


def test_timeout_that_is_none(roles):
    roles.refuse("option connect_timeout: it is 0", roles=[dict(name="r")], connect_timeout=0)


def test_data_node_that_is_down(roles, mortal):
    mortal.stop()
    roles.refuse('data node "mortal"', "no connection as role postgres", "start the node", roles=[dict(name="r")])


def test_access_node_without_data_nodes(cluster):
    result = cluster.succeed("timescale_role", roles=[dict(name="lonely")])
    assert [step["object"] for step in result["steps"]] == ['role "lonely" on the access node']
    assert cluster.succeed("timescale_role", roles=[dict(name="lonely", state="absent")])["changed"]
