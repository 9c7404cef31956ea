"""What series on the same time axis have in common, worked out once: within one fit, or within a call for many series.

Sharing changes no result: what is shared depends on nothing but its key, which names all that enters it.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

_MOST_RESULTS = 4
_MOST_AXES = 3

Result = TypeVar("Result")


class Shared:
    """Results by key; beyond a few, which may be as large as a history each, the least recently used one goes."""

    def __init__(self) -> None:
        self._results: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable, work: Callable[[], Result]) -> Result:
        """The result of `work`, from an earlier call with that key if it is still there."""
        if key not in self._results:
            self._results[key] = work()
        self._results.move_to_end(key)
        while len(self._results) > _MOST_RESULTS:
            self._results.popitem(last=False)
        result: Result = self._results[key]  # type: ignore[assignment]
        return result


_axes: ContextVar[OrderedDict[Hashable, Shared] | None] = ContextVar("axes", default=None)


@contextmanager
def shared_axes() -> Iterator[None]:
    """Inside, all grids on the same axis share; outside, each grid shares with itself alone."""
    token = _axes.set(OrderedDict())
    try:
        yield
    finally:
        _axes.reset(token)


def shared_on(axis: Hashable) -> Shared:
    """Where what is on that axis is shared."""
    axes = _axes.get()
    if axes is None:
        return Shared()
    shared = axes.setdefault(axis, Shared())
    axes.move_to_end(axis)
    while len(axes) > _MOST_AXES:
        axes.popitem(last=False)
    return shared
