"""A sandbox in a thread of its own, for tests of any kind."""

from .handles import ThreadedClock, ThreadedRule
from .sandbox import ThreadedSandbox

__all__ = ["ThreadedClock", "ThreadedRule", "ThreadedSandbox"]
