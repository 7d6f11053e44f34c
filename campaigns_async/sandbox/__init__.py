"""A server that plays the provider's API, to try things out and to test against.

    async with Sandbox(campaigns=[{"id": "c1", ...}]) as sandbox:
        sandbox.fault(operation="create", times=1, status=504, act=True)
        ...  # a client of sandbox.url, with sandbox.api_key
        assert len(sandbox.created) == 1

It imports nothing of the client, so that a mistake cannot stand on both sides.
"""

from .faults import Fault, Rule
from .journal import RecordedRequest
from .quirks import Quirks
from .server import Sandbox

__all__ = ["Fault", "Quirks", "RecordedRequest", "Rule", "Sandbox"]
