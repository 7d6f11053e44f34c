"""A server that plays the provider's API, to try things out and to test against.

    async with Sandbox(campaigns=[{"id": "c1", ...}]) as sandbox:
        sandbox.fault(operation="create", times=1, status=504, act=True)
        ...  # a client of sandbox.url, with sandbox.api_key
        assert len(sandbox.created) == 1

It imports nothing of the client, so that a mistake cannot be on both sides. Its names are imported on first use,
so that the pytest plugin, which is one of its modules, costs nothing where no test uses it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import presets
    from ._clock import Clock, Lifecycle
    from ._request_log import RecordedRequest
    from ._routing import Auth, Operation
    from ._settings import Quirks, RateLimit
    from ._store import DoubleSend
    from .faults import Fault, Rule
    from .server import Sandbox
    from .threaded import ThreadedSandbox

_MODULES = {
    "_clock": ("Clock", "Lifecycle"),
    "_request_log": ("RecordedRequest",),
    "_routing": ("Auth", "Operation"),
    "_settings": ("Quirks", "RateLimit"),
    "_store": ("DoubleSend",),
    "faults": ("Fault", "Rule"),
    "server": ("Sandbox",),
    "threaded": ("ThreadedSandbox",),
}


def __getattr__(name: str) -> object:
    """Import a name on first use (PEP 562)."""
    from importlib import import_module

    if name == "presets":
        return import_module(f"{__name__}.presets")
    for module, names in _MODULES.items():
        if name in names:
            value: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
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
