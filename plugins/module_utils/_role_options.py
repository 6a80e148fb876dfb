# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""The options with roles, schemas and extensions, as AnsibleModule wants them."""

from __future__ import annotations

from typing import Any

# Option -> what CREATE ROLE says for true and for false.
ATTRIBUTES = {
    "login": ("LOGIN", "NOLOGIN"),
    "inherit": ("INHERIT", "NOINHERIT"),
    "createdb": ("CREATEDB", "NOCREATEDB"),
    "createrole": ("CREATEROLE", "NOCREATEROLE"),
    "superuser": ("SUPERUSER", "NOSUPERUSER"),
}


def role_list() -> dict[str, Any]:
    """The option with a list of roles, as AnsibleModule wants it."""
    grants = dict(
        type=dict(type="str", required=True, choices=["database", "default_privs", "schema", "sequence", "table"]),
        privs=dict(type="list", elements="str", required=True),
        objs=dict(type="list", elements="str"),
        schema=dict(type="str"),
        target_roles=dict(type="list", elements="str"),
    )
    options = dict(
        name=dict(type="str", required=True),
        state=dict(type="str", choices=["absent", "present"], default="present"),
        **{name: dict(type="bool") for name in ATTRIBUTES},
        connection_limit=dict(type="int"),
        password=dict(type="str", no_log=True),
        member_of=dict(type="list", elements="str"),
        data_nodes=dict(type="list", elements="str"),
        distributed_hypertables_in=dict(type="list", elements="str"),
        grants=dict(type="list", elements="dict", options=grants),
        exclusive=dict(type="bool", default=False),
        drop_user_mappings=dict(type="bool", default=False),
        reassign_owned_to=dict(type="str"),
    )
    return dict(type="list", elements="dict", options=options)


def schema_list() -> dict[str, Any]:
    """The option with a list of schemas, as AnsibleModule wants it."""
    options = dict(
        name=dict(type="str", required=True),
        state=dict(type="str", choices=["absent", "present"], default="present"),
        owner=dict(type="str"),
        public_privs=dict(type="list", elements="str"),
    )
    return dict(type="list", elements="dict", options=options)


def extension_list() -> dict[str, Any]:
    """The option with a list of extensions, as AnsibleModule wants it."""
    options = dict(name=dict(type="str", required=True), version=dict(type="str"), schema=dict(type="str"))
    return dict(type="list", elements="dict", options=options)
