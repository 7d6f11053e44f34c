"""Methods that take what their argument is made of."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


def takes(make: Callable[P, T]) -> Callable[[Callable[[S, T], R]], Callable[Concatenate[S, P], R]]:
    """Have a method that takes a thing take the thing's own arguments instead, with their types."""
    parameters = inspect.signature(make).parameters.values()

    def decorate(method: Callable[[S, T], R]) -> Callable[Concatenate[S, P], R]:
        def with_arguments(self: S, /, *args: P.args, **named: P.kwargs) -> R:
            return method(self, make(*args, **named))

        functools.update_wrapper(with_arguments, method)
        own = inspect.signature(method)
        first, *_ = own.parameters.values()
        # For `help`, which would show the thing as the argument.
        with_arguments.__signature__ = own.replace(parameters=[first, *parameters])  # type: ignore[attr-defined]
        return with_arguments

    return decorate
