# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

from __future__ import annotations


class ModuleDocFragment:
    """Options of the connection, and what the modules that use it need.

    The login options are community.postgresql's, without the aliases that its own fragment documents: C(host) and C(port) are a data
    node's here.
    """

    DOCUMENTATION = r"""
options:
  login_user:
    description:
      - Role to log in with on the access node.
    type: str
    default: postgres
  login_password:
    description:
      - Password of that role, where its login needs one.
    type: str
    default: ''
  login_host:
    description:
      - Host of the access node's server. Without it the login goes through the Unix domain socket.
    type: str
    default: ''
  login_unix_socket:
    description:
      - Directory of the Unix domain socket.
    type: str
    default: ''
  login_port:
    description:
      - Port of the access node's server.
    type: int
    default: 5432
  ssl_mode:
    description:
      - Whether and how the connection is encrypted and the server verified, as libpq's C(sslmode).
    type: str
    default: prefer
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
  ca_cert:
    description:
      - File with the certificates of the authorities that may have signed the server's certificate.
    type: str
  ssl_cert:
    description:
      - File with the client certificate.
    type: path
  ssl_key:
    description:
      - File with the private key of the client certificate.
    type: path
  connect_params:
    description:
      - More parameters of libpq. They take precedence over the other options.
      - C(password) and C(sslpassword) are refused here, because Ansible would show them in results and in the host's log.
    type: dict
    default: {}
  login_db:
    description:
      - Database of the access node in which the extension C(timescaledb) is installed.
    type: str
    required: true
  session_role:
    description:
      - Switch to this role after the login. Data nodes are then reached as this role as well.
    type: str
requirements:
  - psycopg2 or psycopg >= 3.1 on the host that executes the module
  - TimescaleDB 2.0 to 2.13 on PostgreSQL 15 or older
notes:
  - Every multi-node call of TimescaleDB 2.13 warns that multi-node is deprecated. The modules leave that one warning out.
  - Data nodes are asked as the access node itself comes to them. That is as the same role, or as the one in its user mapping for the data node,
    else in that of C(PUBLIC), with the password of the mapping, else the one in the file that C(timescaledb.passfile) names. Of the mapping of
    C(PUBLIC) only superusers and the owner of the data node's entry may see the options. To others such a node may be unreachable.
  - Each step is a transaction of its own, because C(add_data_node) refuses a transaction block. A task that was interrupted is
    finished by running it again.
"""
