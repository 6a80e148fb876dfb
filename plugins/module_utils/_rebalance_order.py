# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""Numbers the chunks of a fleet by their size: who goes through them in that order then reads memory from one end to the other. No I/O.

Of a million chunks, which no cache holds, anything else takes several times as long.
"""

from __future__ import annotations

from array import array

from ansible_collections.timescaledb.multinode.plugins.module_utils._rebalance_fleet import Fleet


def biggest_first(fleet: Fleet) -> tuple[Fleet, array]:
    """The same fleet with its biggest chunk as number 0, of equal ones the oldest first; and by new number, the old one."""
    order = sorted(range(len(fleet.ids)), key=fleet.ids.__getitem__)
    order.sort(key=fleet.begins.__getitem__)
    order.sort(key=fleet.sizes.__getitem__, reverse=True)
    numbers = array("i", order)
    del order
    first, holders = fleet.first, fleet.holders
    moved, begins = array("i"), array("q", [0])
    for number in numbers:
        moved += holders[first[number] : first[number + 1]]
        begins.append(len(moved))
    ordered = Fleet(
        fleet.nodes,
        fleet.allowed,
        ids=_in(numbers, fleet.ids),
        hypertables=_in(numbers, fleet.hypertables),
        begins=_in(numbers, fleet.begins),
        sizes=_in(numbers, fleet.sizes),
        first=begins,
        holders=moved,
    )
    return ordered, numbers


def _in(order: array, values: array) -> array:
    return array(values.typecode, map(values.__getitem__, order))
