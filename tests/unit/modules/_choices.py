# GPL-3.0-or-later (see LICENSE)
"""Large examples out of one draw: what hypothesis draws is a row of bytes, each of which decides one thing.

A draw for each thing takes ten times as long. A byte that shrinks to zero chooses what is named first, which should be what is usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

_Value = TypeVar("_Value")
_BYTES = 1000


class Choices:
    """Where there are no bytes left, everything is as usual."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def one_of(self, values: Sequence[_Value]) -> _Value:
        return values[next(self._bytes, 0) % len(values)]

    def up_to(self, most: int, least: int = 0) -> int:
        return least + next(self._bytes, 0) % (most - least + 1)

    def one_in(self, number: int) -> bool:
        return next(self._bytes, 0) % number == number - 1

    def maybe(self) -> bool:
        return self.one_in(2)

    def some_of(self, values: Iterable[_Value], most: int = 9, least: int = 0) -> list[_Value]:
        """In any order."""
        left = list(values)
        number = self.up_to(min(most, len(left)), least)
        return [left.pop(next(self._bytes, 0) % len(left)) for _number in range(number)]


def chosen(build: Callable[..., Any], *arguments: Any) -> st.SearchStrategy:
    """What the function makes of choices."""
    return st.binary(min_size=_BYTES, max_size=_BYTES).map(lambda data: build(Choices(data), *arguments))
