"""A server that simulates the provider's API, for tests and experiments.

    async with Sandbox(campaigns=[{"id": "c1", ...}]) as sandbox:
        sandbox.fault(operation="create", times=1, status=504, act=True)
        ...  # a client of sandbox.url, with sandbox.api_key
        assert len(sandbox.created) == 1

The sandbox imports nothing of the client, so that one mistake cannot be on both sides. Its names are imported on first
use, so that the pytest plugin, which is a module of this package, costs nothing in test runs that do not use it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import presets
    from ._campaign_store import DoubleSend
    from ._clock import Clock, Lifecycle
    from ._request_log import RecordedRequest
    from ._routing import Auth, Operation
    from ._settings import Quirks, RateLimit
    from .faults import Fault, Rule
    from .server import Sandbox
    from .threaded import ThreadedSandbox

_MODULES = {
    "Auth": "_routing",
    "Clock": "_clock",
    "DoubleSend": "_campaign_store",
    "Fault": "faults",
    "Lifecycle": "_clock",
    "Operation": "_routing",
    "Quirks": "_settings",
    "RateLimit": "_settings",
    "RecordedRequest": "_request_log",
    "Rule": "faults",
    "Sandbox": "server",
    "ThreadedSandbox": "threaded",
}


def __getattr__(name: str) -> object:
    """Import a name on first use (PEP 562)."""
    from importlib import import_module

    if name == "presets":
        return import_module(f"{__name__}.presets")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


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
    "ThreadedSandbox",
    "presets",
]
