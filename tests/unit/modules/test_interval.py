# GPL-3.0-or-later (see LICENSE)
from __future__ import annotations

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils import _interval

DAY = 86_400_000_000
TIMESTAMP = "timestamp with time zone"


@pytest.mark.parametrize(
    "units, column_type, text",
    [
        (_interval.DEFAULT_CHUNK_INTERVAL, TIMESTAMP, "7 days"),
        (DAY, "date", "1 day"),
        (DAY + DAY // 2, "timestamp without time zone", "1 day 12:00:00"),
        (3_661_000_000, TIMESTAMP, "01:01:01"),
        (1, TIMESTAMP, "00:00:00.000001"),
        (0, TIMESTAMP, "00:00:00"),
        (100 * DAY + 1, TIMESTAMP, "100 days 00:00:00.000001"),
        (DAY, "bigint", str(DAY)),
        (10, "smallint", "10"),
    ],
)
def test_shown(units, column_type, text):
    assert _interval.shown(units, column_type) == text


@pytest.mark.parametrize("column_type, maximum", [("smallint", 32767), ("integer", 2147483647), ("bigint", 2**63 - 1), (TIMESTAMP, 2**63 - 1)])
def test_maximum(column_type, maximum):
    assert _interval.maximum(column_type) == maximum


def test_kinds_of_columns():
    assert _interval.is_time(TIMESTAMP) and _interval.is_time("date") and not _interval.is_time("text")
    assert _interval.is_integer("integer") and not _interval.is_integer("numeric")
