# GPL-3.0-or-later (see LICENSE)
"""Has Ansible not search for garbage while it runs a playbook of the tests, which took a tenth of its processor time."""

from __future__ import annotations

import gc
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: no_garbage
type: aggregate
short_description: Do not search for garbage
description: The processes in which Ansible runs tasks inherit that.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "no_garbage"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        gc.disable()
