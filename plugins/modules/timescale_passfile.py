#!/usr/bin/python
# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timescale_passfile
short_description: Keep the password file by which the nodes of a multi-node TimescaleDB log in to each other
version_added: 0.1.0
description:
  - Keeps a block of lines in the file that the PostgreSQL setting C(timescaledb.passfile) names, one for each node. Other lines of the
    file are kept, behind the block.
  - Nobody but the owner can read the file at any moment. A file that M(ansible.builtin.copy) creates can be read by all until its mode is
    set.
options:
  path:
    description:
      - The file. Directories that are missing are created for the owner alone.
    type: path
    required: true
  state:
    description:
      - V(absent) takes the block out, and removes a file that has nothing else.
    type: str
    choices: [absent, present]
    default: present
  nodes:
    description:
      - The nodes, as they are registered at the access node. Required with O(state=present). Their names are not in the file.
  database:
    description:
      - Database of the nodes that have no other one. Required with O(state=present).
  role:
    description:
      - Role that logs in. Required with O(state=present).
    type: str
  password:
    description:
      - Its password. Required with O(state=present).
    type: str
  passwords:
    description:
      - Passwords of further roles, by name.
    type: dict
    default: {}
  owner:
    description:
      - Owner of the file. libpq takes no other file than one that the server's own user can read.
    type: str
    default: postgres
  group:
    description:
      - Group of the file.
    type: str
    default: postgres
extends_documentation_fragment:
  - timescaledb.multinode._addresses
  - timescaledb.multinode._attributes
author:
  - The timescaledb.multinode maintainers (@timescaledb-multinode)
"""

EXAMPLES = r"""
- name: Let the nodes log in to each other
  timescaledb.multinode.timescale_passfile:
    path: /etc/timescaledb-multinode.passfile
    nodes:
      - host: dn1.example.org
      - host: dn2.example.org
        port: 5433
    database: metrics
    role: postgres
    password: "{{ vault_timescaledb_password }}"
  become: true

- name: Take the passwords away, for the nodes log in by certificate
  timescaledb.multinode.timescale_passfile:
    path: /etc/timescaledb-multinode.passfile
    state: absent
  become: true
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/timescaledb-multinode.passfile
"""

import contextlib
import fcntl
import grp
import os
import pwd
import tempfile
from collections.abc import Iterator

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.timescaledb.multinode.plugins.module_utils._addresses import address_list
from ansible_collections.timescaledb.multinode.plugins.module_utils._passfile import passfile, with_block, without_passwords

MODE = 0o600


def read(path: str) -> tuple[str, tuple[int, int, int] | None]:
    """The file's text, and its owner, group and mode; None where there is no file."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            status = os.fstat(file.fileno())
            return file.read(), (status.st_uid, status.st_gid, status.st_mode & 0o7777)
    except FileNotFoundError:
        return "", None


def write(path: str, text: str, owner: int, group: int) -> None:
    """Put a whole file in place at once. It is the owner's alone from its first byte on."""
    make_directory(os.path.dirname(path), owner, group)
    descriptor, scratch = tempfile.mkstemp(prefix=".passfile-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchown(file.fileno(), owner, group)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def put(path: str, text: str, attributes: tuple[int, int, int] | None) -> None:
    """The file as it must be; without attributes it must not be."""
    if attributes is None:
        os.unlink(path)
    else:
        write(path, text, attributes[0], attributes[1])


def make_directory(path: str, owner: int, group: int) -> None:
    """Create what is missing of it. Another run may do so at the same moment, for two hosts of an inventory can be one machine."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_directory(parent, owner, group)
    with _alone_in(parent):
        if os.path.isdir(path):
            return
        # It has its owner from its first moment on, whoever is interrupted.
        scratch = tempfile.mkdtemp(prefix=".passfile-", dir=parent)
        try:
            os.chown(scratch, owner, group)
            os.rename(scratch, path)
        except BaseException:
            os.rmdir(scratch)
            raise


@contextlib.contextmanager
def _alone_in(directory: str) -> Iterator[None]:
    """One run at a time: rename() replaces a directory that is empty, and who works in the replaced one finds that it is gone."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def shown(text: str, attributes: tuple[int, int, int] | None) -> str:
    """As the diff shows it."""
    if attributes is None:
        return ""
    owner, group, mode = attributes
    return f"owner {owner}, group {group}, mode 0{mode:o}\n{without_passwords(text)}"


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            path=dict(type="path", required=True),
            state=dict(type="str", choices=["absent", "present"], default="present"),
            nodes=address_list(),
            database=dict(type="str"),
            role=dict(type="str"),
            password=dict(type="str", no_log=True),
            passwords=dict(type="dict", default={}, no_log=True),
            owner=dict(type="str", default="postgres"),
            group=dict(type="str", default="postgres"),
        ),
        required_if=[("state", "present", ("nodes", "database", "role", "password"))],
        supports_check_mode=True,
    )
    options = module.params
    path = os.path.realpath(options["path"])
    try:
        block = ""
        if options["state"] == "present":
            block = passfile(options["nodes"], options["database"], options["role"], options["password"], options["passwords"])
    except ValueError as error:
        module.fail_json(msg=f"password file {path}: {error}. Remedy: choose another password or name.")
    wanted: tuple[int, int, int] | None
    try:
        wanted = (pwd.getpwnam(options["owner"]).pw_uid, grp.getgrnam(options["group"]).gr_gid, MODE)
    except KeyError as error:
        module.fail_json(msg=f"password file {path}: {error.args[0]} on this host. Remedy: install PostgreSQL first, or name an owner that is there.")
    try:
        text, attributes = read(path)
        after = with_block(text, block)
        if not after:
            wanted = None
        changed = (text, attributes) != (after, wanted)
        if changed and not module.check_mode:
            put(path, after, wanted)
    except OSError as error:
        module.fail_json(msg=f"password file {path}: {error.strerror}. Remedy: give a path that can be a file, and run the task as root.")
    module.exit_json(changed=changed, path=path, diff=dict(before=shown(text, attributes), after=shown(after, wanted), before_header=path, after_header=path))


if __name__ == "__main__":
    main()
