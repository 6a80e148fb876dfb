# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What is wrong with a declaration of roles, schemas, extensions and distributed hypertables, before a host is asked. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, noting
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_declarations import wanted_roles
from ansible_collections.timescaledb.multinode.plugins.module_utils._role_options import extension_list, role_list, schema_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._wanted_hypertables import hypertable_list, wanted_hypertables

Declared = Sequence[Mapping[str, Any]]


def declaration_findings(declared: Declared, schemas: Declared, extensions: Declared, hypertables: Declared = ()) -> list[list[str]]:
    """Subject, cause and remedy of what is wrong with the declaration itself, without anything secret."""
    spec = dict(roles=role_list(), schemas=schema_list(), extensions=extension_list(), hypertables=hypertable_list())
    given = dict(roles=list(declared), schemas=list(schemas), extensions=list(extensions), hypertables=list(hypertables))
    parameters = ArgumentSpecValidator(spec).validate(given).validated_parameters
    errors: list[ClusterError] = []
    noting(errors, lambda: wanted_roles(parameters), None)
    noting(errors, lambda: wanted_hypertables(parameters["hypertables"]), [])
    return [[error.subject, error.cause, error.remedy] for error in errors]
