# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._errors import remedy_for


@pytest.mark.parametrize("text", ["connection already closed", "server closed the connection unexpectedly This probably means the server terminated"])
def test_a_session_that_the_server_has_ended(text):
    assert "run the task again" in remedy_for(text)


def test_nothing_better_is_known():
    assert remedy_for("division by zero") == ""
