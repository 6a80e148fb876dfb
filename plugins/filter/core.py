# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All filters of the collection; each is documented in the file of its name beside this one.

Ansible loads all files of a collection's filters as soon as one filter is used, and in each worker, that is for each host and task anew. So there is one
file, which by itself loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

_PLUGINS = "ansible_collections.timescaledb.multinode.plugins"
# Filter -> module and function.
_FILTERS = {
    "certificates_due": ("plugin_utils._certificates", "certificates_due"),
    "cluster_findings": ("plugin_utils._preflight", "cluster_findings"),
    "cluster_members": ("plugin_utils._members", "cluster_members"),
    "conninfo": ("plugin_utils._members", "conninfo"),
    "declaration_findings": ("plugin_utils._declaration", "declaration_findings"),
    "extended_hypertables": ("plugin_utils._growth", "extended_hypertables"),
    "findings_message": ("plugin_utils._preflight", "as_message"),
    "hardening_table": ("plugin_utils._hardening", "as_table"),
    "hardening_with_modes": ("plugin_utils._hardening", "with_modes"),
    "hba_rules": ("plugin_utils._members", "hba_rules"),
    "host_findings": ("plugin_utils._preflight", "host_findings"),
    "member_variables": ("plugin_utils._members", "member_variables"),
    "node_passwords": ("plugin_utils._node_roles", "node_passwords"),
    "node_roles": ("plugin_utils._node_roles", "node_roles"),
    "parse_probe": ("plugin_utils._probe", "parse_probe"),
    "passfile": ("module_utils._passfile", "passfile"),
    "passfile_digest": ("plugin_utils._passfile_digest", "passfile_digest"),
    "promotion_findings": ("plugin_utils._promotion", "promotion_findings"),
    "replication_rules": ("plugin_utils._members", "replication_rules"),
    "scram_verifier": ("plugin_utils._verifier", "scram_verifier"),
    "server_settings": ("plugin_utils._settings", "server_settings_of"),
    "source_addresses": ("plugin_utils._members", "source_addresses"),
    "standby_slots": ("plugin_utils._members", "standby_slots"),
    "standbys_of": ("plugin_utils._members", "standbys_of"),
    "unknown_members": ("plugin_utils._members", "unknown_members"),
    "verifier_digest": ("plugin_utils._verifier", "verifier_digest"),
    "wanted_certificates": ("plugin_utils._certificates", "wanted_certificates"),
}


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {name: _lazy(*place) for name, place in _FILTERS.items()}


def _lazy(module: str, function: str) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(f"{_PLUGINS}.{module}"), function)(*arguments, **options)

    return call
