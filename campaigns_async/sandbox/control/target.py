"""What the control needs of a sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..app import DeleteMethod, UpdateMethod
from ..clock import Clock
from ..faults import Fault, Rule
from ..journal import RecordedRequest
from ..keys import Auth
from ..limiter import RateLimit
from ..schema import Wire


class Target(Protocol):
    """What the control needs of a sandbox."""

    @property
    def url(self) -> str:
        """Where it listens, with the prefix."""
        ...

    @property
    def host(self) -> str:
        """The address that it is bound to."""
        ...

    @property
    def api_key(self) -> str:
        """The key that it asks for."""
        ...

    @property
    def requests(self) -> Sequence[RecordedRequest]:
        """What arrived."""
        ...

    @property
    def created(self) -> list[Wire]:
        """What was created, as it was then."""
        ...

    @property
    def campaigns(self) -> list[Wire]:
        """The campaigns that exist now."""
        ...

    @property
    def messages(self) -> list[Wire]:
        """What went out to each person."""
        ...

    @property
    def faults(self) -> tuple[Rule, ...]:
        """The rules that were added."""
        ...

    @property
    def clock(self) -> Clock:
        """Its time."""
        ...

    @property
    def rate_limit(self) -> RateLimit | None:
        """How many requests a second are served."""
        ...

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | float | None) -> None: ...

    @property
    def update_method(self) -> UpdateMethod:
        """Under which verb updates are served."""
        ...

    @property
    def delete_method(self) -> DeleteMethod:
        """Under which verb deletes are served."""
        ...

    @property
    def auth(self) -> Auth:
        """In which way the key is taken."""
        ...

    def assert_no_double_send(self) -> None:
        """Raise an AssertionError if anyone would be texted twice."""
        ...

    def add(self, campaign: Mapping[str, Any], contacts: Iterable[Mapping[str, Any]] = ()) -> None:
        """Put a campaign in as it is given."""
        ...

    def add_fault(self, fault: Fault) -> Rule:
        """Add a fault."""
        ...

    def reset(self) -> None:
        """Go back to what it was built with."""
        ...
