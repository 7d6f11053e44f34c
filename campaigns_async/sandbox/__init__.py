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

# Together, these modules have all of the names: their own, and those that they import.
_MODULES = ("_settings", "server", "threaded")


def __getattr__(name: str) -> object:
    """Import a name on first use (PEP 562)."""
    from importlib import import_module

    if name == "presets":
        return import_module(f"{__name__}.presets")
    if name in __all__:
        modules = [import_module(f"{__name__}.{module}") for module in _MODULES]
        return next(getattr(module, name) for module in modules if hasattr(module, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
