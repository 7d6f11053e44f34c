"""Frozen values at the price of open ones, for those that are made by the thousand.

A frozen attrs class sets each field of a new value by a call, which costs more than all else about making it.
"""

from __future__ import annotations

from typing import Any


def opened(cls: type) -> Any:
    """An open twin of a frozen class with slots: made without arguments, its fields are set like any other object's.

    Set each of them, and then `__class__` to the frozen class, which seals the value. No default and no check is applied.
    """
    plain = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    return type(f"Open{cls.__name__}", (cls,), {"__slots__": (), **plain})
