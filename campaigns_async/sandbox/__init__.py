"""A server that plays the provider's API, to try things out and to test against.

    async with Sandbox(campaigns=[{"id": "c1", ...}]) as sandbox:
        sandbox.fault(operation="create", times=1, status=504, act=True)
        ...  # a client of sandbox.url, with sandbox.api_key
        assert len(sandbox.created) == 1

It imports nothing of the client, so that a mistake cannot stand on both sides.
"""

from . import presets
from .app import Operation
from .clock import Clock
from .double_send import DoubleSend
from .faults import Fault, Rule
from .journal import RecordedRequest
from .keys import Auth
from .lifecycle import Lifecycle
from .limiter import RateLimit
from .quirks import Quirks
from .server import Sandbox
from .threaded import ThreadedClock, ThreadedRule, ThreadedSandbox

__all__ = [
    "Auth",
    "Clock",
    "DoubleSend",
    "Fault",
    "Lifecycle",
    "Operation",
    "Quirks",
    "RateLimit",
    "RecordedRequest",
    "Rule",
    "Sandbox",
    "ThreadedClock",
    "ThreadedRule",
    "ThreadedSandbox",
    "presets",
]
