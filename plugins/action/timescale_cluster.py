# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module timescale_cluster, which has the most files, as Ansible does by itself, and hands it over to the host sooner."""

from __future__ import annotations

import gc
from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction


class ActionModule(NormalAction):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        # Ansible is about to read the task's options and to parse every file that the module imports. Meanwhile Python would look for garbage among
        # all that Ansible has loaded, again and again, for longer than the parsing takes; and there is next to none. This process is the task's own,
        # and ends with it.
        gc.disable()
