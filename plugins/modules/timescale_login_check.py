#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_login_check
short_description: Prove that a node of a multi-node TimescaleDB can log in to the data nodes, and that others can not
version_added: 0.1.0
description:
  - Logs in from the host it runs on to each data node as each role, all at once, with the very connection options that TimescaleDB would use.
  - Also tries what has to be turned away at each data node, which is a role that nobody declared, each role with a wrong password, or without a
    certificate, with that of another role and without TLS where the nodes log in by certificate, and each role at a database that nobody declared.
    Each of these leaves a line in the data node's log.
  - A line of C(pg_hba.conf) that lets a role into other databases as well is a warning, for it may be wanted. What comes from an address outside
    of the cluster cannot be shown from a host of the cluster.
  - It changes nothing, and fails with all findings in one message.
options:
  name:
    description:
      - Name of this host in messages.
    type: str
    required: true
  nodes:
    required: true
  database:
    required: true
  roles:
    description:
      - The roles that log in.
    type: list
    elements: str
    required: true
  auth_method:
    description:
      - How they do.
    type: str
    choices: [password, certificate]
    default: password
  passfile:
    description:
      - The file that C(timescaledb.passfile) names.
    type: path
    required: true
  ssl_dir:
    description:
      - The folder that C(timescaledb.ssl_dir) names. Required with O(auth_method=certificate).
    type: path
extends_documentation_fragment:
  - timescaledb.multinode._addresses
  - timescaledb.multinode._addresses.patience
  - timescaledb.multinode._attributes
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Prove that this node reaches the data nodes
  timescaledb.multinode.timescale_login_check:
    name: "{{ inventory_hostname }}"
    nodes:
      - {node_name: dn1, host: dn1.example.org}
      - {node_name: dn2, host: dn2.example.org}
    database: metrics
    roles: [postgres]
    auth_method: certificate
    passfile: /etc/timescaledb-multinode.passfile
    ssl_dir: /etc/timescaledb-multinode.ssl
  become: true
  become_user: postgres
"""

RETURN = r"""
accepted:
  description: How many logins succeeded, as they had to.
  returned: success
  type: int
  sample: 2
refused:
  description: How many logins were turned away, as they had to be.
  returned: success
  type: int
  sample: 6
"""

from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._addresses import address_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import connect_with, require_driver
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._login_check import Login, Method, wider_rules

_AT_ONCE = 16


def refusal(module: AnsibleModule, login: Login) -> str:
    """Why the login failed; empty where it did not."""
    connection, reason = connect_with(module, login.parameters)
    if connection is None:
        return reason or "no connection"
    connection.close()
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type="str", required=True),
            nodes=address_list(required=True),
            database=dict(type="str", required=True),
            roles=dict(type="list", elements="str", required=True),
            auth_method=dict(type="str", choices=["password", "certificate"], default="password"),
            passfile=dict(type="path", required=True),
            ssl_dir=dict(type="path"),
            connect_timeout=dict(type="int", default=10),
        ),
        required_if=[("auth_method", "certificate", ("ssl_dir",))],
        supports_check_mode=True,
    )
    require_driver(module)
    options = module.params
    method = Method(options["auth_method"], options["passfile"], options["ssl_dir"] or "", options["connect_timeout"])
    logins = method.logins(options["nodes"], options["database"], options["roles"])
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        reasons = list(pool.map(lambda login: refusal(module, login), logins))
    for warning in wider_rules(zip(logins, reasons)):
        module.warn(warning)
    try:
        raise_all([error for error in (login.judged(options["name"], reason) for login, reason in zip(logins, reasons)) if error])
    except ClusterError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, accepted=sum(login.accepted for login in logins), refused=sum(not login.accepted for login in logins))


if __name__ == "__main__":
    main()
