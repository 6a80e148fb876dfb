# GPL-3.0-or-later (see LICENSE)
"""A small cluster for one example, with all that a task may declare of it."""

from __future__ import annotations

from typing import Any

from _build import UUID, node_parameters, table_parameters
from _job_model import Jobs
from _model import Model
from _place_model import Place, Registered
from _role_examples import defaults
from _table_model import ModelTable
from ansible_collections.timescaledb.multinode.plugins.module_utils._privileges import PRIVILEGES, Object
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import ATTRIBUTES, role_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_state import ACCESS_NODE, Relation, Role
from ansible_collections.timescaledb.multinode.plugins.module_utils._step import Endpoint

TABLE = Object("table", "public", "a")


def endpoint(name: str) -> Endpoint:
    return Endpoint(f"{name}.example", 5432, f"of_{name}")


def small_cluster(owner: str = "postgres", **table: Any) -> Model:
    """dn1 and dn2, the roles r and q on all servers, and the table public.a, by itself an empty one on both nodes."""
    data_nodes = [Place(name, endpoint(name), name, f"of_{name}", "postgres") for name in ("dn1", "dn2")]
    places = [Place(ACCESS_NODE, None, ACCESS_NODE, "metrics", "postgres"), *data_nodes]
    found = ModelTable(**{**dict(nodes=["dn1", "dn2"], indexes={("time",)}), **table})
    for place in places:
        place.make()
        place.roles = {name: Role(dict.fromkeys(ATTRIBUTES, False) | {"login": True}) for name in "rq"}
        place.roles["postgres"] = Role(dict.fromkeys(ATTRIBUTES, True))
        if place.endpoint is None or place.name in (found.nodes or ()):
            place.relations[TABLE] = Relation(owner, frozenset(found.nodes) if found.nodes and place.endpoint is None else None)
            place.held(TABLE, owner).grant(frozenset(PRIVILEGES["table"]))
            place.parts = {TABLE} if place.endpoint else set()
        if place.endpoint:
            place.member_of = UUID
    return Model(places, {name: Registered(endpoint(name)) for name in ("dn1", "dn2")}, {("public", "a"): found}, Jobs())


def task(**more: Any) -> dict[str, Any]:
    """The parameters of timescale_cluster: nothing but what is given."""
    nothing = dict.fromkeys(("roles", "schemas", "extensions", "analyze_job", "heal_job"))
    return {**nothing, "data_nodes": [], "hypertables": [], "prune": False, "drop_data": False, **more}


def node(name: str, **more: Any) -> dict[str, Any]:
    place = endpoint(name)
    return node_parameters(**{**dict(node_name=name, host=place.host, port=place.port, database=place.database), **more})


def table(**more: Any) -> dict[str, Any]:
    return table_parameters(**{**dict(schema="public", relation="a"), **more})


def role(name: str, **more: Any) -> dict[str, Any]:
    return {**defaults(role_list()), "name": name, **more}
