#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_replica_check
short_description: Compare the copies of chunks on the data nodes of a multi-node TimescaleDB
version_added: 0.1.0
description:
  - Runs against the access node. Reads all rows of all copies of each chunk, on all data nodes at once, and compares their numbers and a checksum of
    everything that is in them. TimescaleDB itself never does.
  - Writers go on. Where copies differ, because they are being written to or because they really do, these chunks are read once more while
    the writers of their hypertable wait.
  - It changes nothing, and fails with all findings in one message.
options:
  nodes:
    description:
      - Only look at chunks with a copy on one of these data nodes. At all chunks where not given.
    type: list
    elements: str
  lock_timeout:
    description:
      - Seconds to wait for the end of transactions that write to a hypertable with copies that differ.
    type: int
    default: 5
extends_documentation_fragment:
  - timescaledb.multinode._addresses.patience
  - timescaledb.multinode._attributes
  - timescaledb.multinode._login
notes:
  - Copies on data nodes that are marked unavailable are left out.
  - It takes as long as it takes to read these chunks from the disks. Compressed ones are unfolded.
seealso:
  - module: timescaledb.multinode.timescale_rebalance
  - module: timescaledb.multinode.timescale_heal
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Prove that a data node that was away has what the others have
  timescaledb.multinode.timescale_replica_check:
    login_db: metrics
    nodes: [dn2]
"""

RETURN = r"""
chunks:
  description: How many chunks with several copies were compared.
  returned: success, and when copies differ
  type: int
  sample: 24
rows:
  description: The rows of one copy of each of them.
  returned: success
  type: int
  sample: 86400
differing:
  description: The chunks whose copies differ.
  returned: success, and when copies differ
  type: list
  elements: dict
  sample:
    - hypertable: public.conditions
      chunk: _timescaledb_internal._dist_hyper_1_1_chunk
      copies:
        - {node_name: dn1, rows: 3600, checksum: "-871231231", reason: null}
        - {node_name: dn2, rows: 3599, checksum: "981231231", reason: null}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._access_node import AccessNode, observe_access_node
from ansible_collections.timescaledb.multinode.plugins.module_utils._connection import Connection, connect_as_login, login_argument_spec
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import ClusterError, raise_all
from ansible_collections.timescaledb.multinode.plugins.module_utils._replicas import Compared, Comparison


def check_options(module: AnsibleModule, access_node: AccessNode) -> None:
    """Raise for what can be told from the options."""
    options, known = module.params, access_node.data_nodes
    errors = [
        ClusterError("option nodes", f'data node "{name}" is not registered', f"choose of {', '.join(sorted(known))}")
        for name in sorted(set(options["nodes"] or ()) - set(known))
    ]
    errors += [
        ClusterError("option nodes", f'data node "{name}" is marked unavailable', "make it available first")
        for name in sorted(set(options["nodes"] or ()) & set(known))
        if not known[name].available
    ]
    for name in ("lock_timeout", "connect_timeout"):
        if options[name] < 1:
            errors.append(ClusterError(f"option {name}", f"it is {options[name]}", "choose 1 or more seconds"))
    raise_all(errors)


def compare(module: AnsibleModule, connection: Connection) -> list[Compared]:
    """Compare what the options ask for."""
    access_node = observe_access_node(connection)
    check_options(module, access_node)
    comparison = Comparison(module, connection, access_node)
    nodes = access_node.data_nodes if module.params["nodes"] is None else module.params["nodes"]
    return comparison.compare(comparison.chunks(nodes))


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login_argument_spec(),
            nodes=dict(type="list", elements="str"),
            lock_timeout=dict(type="int", default=5),
            connect_timeout=dict(type="int", default=10),
        ),
        supports_check_mode=True,
    )
    compared: list[Compared] = []
    try:
        connection = connect_as_login(module)
        try:
            compared = compare(module, connection)
        finally:
            connection.close()
    except ClusterError as error:
        module.fail_json(msg=str(error))
    differing = [one for one in compared if not one.equal]
    try:
        raise_all([one.error() for one in differing])
    except ClusterError as error:
        module.fail_json(msg=str(error), chunks=len(compared), differing=[one.shown() for one in differing])
    rows = sum(next(iter(one.copies.values())).rows or 0 for one in compared)
    module.exit_json(changed=False, chunks=len(compared), rows=rows, differing=[])


if __name__ == "__main__":
    main()
