# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Chunk intervals as people read them. No I/O."""

from __future__ import annotations

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_TIME_TYPES = ("timestamp without time zone", "timestamp with time zone", "date")
_INTEGER_MAXIMA = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}

# Without chunk_time_interval the server takes 7 days (get_default_interval() in src/dimension.c) and wants a value for integers.
DEFAULT_CHUNK_INTERVAL = 7 * _DAY


def is_time(column_type: str) -> bool:
    """Whether a dimension of this type is counted in microseconds."""
    return column_type in _TIME_TYPES


def is_integer(column_type: str) -> bool:
    """Whether a dimension of this type is counted in its own units."""
    return column_type in _INTEGER_MAXIMA


def maximum(column_type: str) -> int:
    """The longest interval that a dimension of this type can have, in its units."""
    return _INTEGER_MAXIMA.get(column_type, _INTEGER_MAXIMA["bigint"])


def shown(units: int, column_type: str) -> str:
    """604800000000 microseconds -> C(7 days); integers as they are."""
    if is_integer(column_type):
        return str(units)
    days, rest = divmod(units, _DAY)
    parts = [f"{days} day{'s' if days != 1 else ''}"] if days else []
    if rest or not parts:
        seconds, fraction = divmod(rest, _SECOND)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        parts.append(f"{clock}.{fraction:06}" if fraction else clock)
    return " ".join(parts)
