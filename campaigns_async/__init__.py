"""An asyncio-first SDK for sending SMS campaigns in high volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaigns_async._version import __version__ as __version__

if TYPE_CHECKING:
    from campaigns_async import query as query
    from campaigns_async._engine.instrumentation import Stats as Stats
    from campaigns_async._http.response import Response as Response
    from campaigns_async.campaigns import Campaigns as Campaigns
    from campaigns_async.client import CampaignsClient as CampaignsClient
    from campaigns_async.effects import Effect as Effect, effect_of as effect_of
    from campaigns_async.errors import (
        APIError as APIError,
        AuthenticationError as AuthenticationError,
        CampaignsError as CampaignsError,
        ClientClosedError as ClientClosedError,
        ConfigurationError as ConfigurationError,
        ConflictError as ConflictError,
        ConnectionFailedError as ConnectionFailedError,
        ConnectTimeoutError as ConnectTimeoutError,
        DeadlineExceededError as DeadlineExceededError,
        DecodeError as DecodeError,
        FilterIgnoredError as FilterIgnoredError,
        InvalidArgumentError as InvalidArgumentError,
        MethodNotAllowedError as MethodNotAllowedError,
        NotFoundError as NotFoundError,
        PageShiftedError as PageShiftedError,
        PagingError as PagingError,
        PayloadTooLargeError as PayloadTooLargeError,
        PermissionDeniedError as PermissionDeniedError,
        PoolSaturatedError as PoolSaturatedError,
        Problem as Problem,
        QueryError as QueryError,
        ReadTimeoutError as ReadTimeoutError,
        ServerError as ServerError,
        ThrottledError as ThrottledError,
        TransportError as TransportError,
        ValidationFailedError as ValidationFailedError,
    )
    from campaigns_async.events import (
        AttemptFinished as AttemptFinished,
        AttemptStarted as AttemptStarted,
        CallFinished as CallFinished,
        CallStarted as CallStarted,
        DuplicateId as DuplicateId,
        Event as Event,
        HeaderObserver as HeaderObserver,
        Observer as Observer,
        Reconciled as Reconciled,
        Waiting as Waiting,
    )
    from campaigns_async.fanout import FanOut as FanOut, Outcome as Outcome
    from campaigns_async.models import (
        Campaign as Campaign,
        CampaignStatus as CampaignStatus,
        CampaignUpdate as CampaignUpdate,
        Contact as Contact,
        NewCampaign as NewCampaign,
        NewContact as NewContact,
        Page as Page,
    )
    from campaigns_async.outcome_unknown import OutcomeUnknownError as OutcomeUnknownError
    from campaigns_async.paging import Paginator as Paginator
    from campaigns_async.settings import (
        Auth as Auth,
        ReconcilePolicy as ReconcilePolicy,
        RetryPolicy as RetryPolicy,
        Timeouts as Timeouts,
    )
    from campaigns_async.values import Action as Action, Checkpoint as Checkpoint, Operation as Operation

_MODULES = {
    "_engine.instrumentation": "Stats",
    "campaigns": "Campaigns",
    "client": "CampaignsClient",
    "outcome_unknown": "OutcomeUnknownError",
    "effects": "Effect effect_of",
    "errors": """
        APIError AuthenticationError CampaignsError ClientClosedError ConfigurationError ConflictError
        ConnectionFailedError ConnectTimeoutError DeadlineExceededError DecodeError FilterIgnoredError
        InvalidArgumentError MethodNotAllowedError NotFoundError PageShiftedError PagingError
        PayloadTooLargeError PermissionDeniedError PoolSaturatedError Problem QueryError ReadTimeoutError
        ServerError ThrottledError TransportError ValidationFailedError
    """,
    "events": "AttemptFinished AttemptStarted CallFinished CallStarted DuplicateId Event HeaderObserver Observer Reconciled Waiting",
    "fanout": "FanOut Outcome",
    "models": "Campaign CampaignStatus CampaignUpdate Contact NewCampaign NewContact Page",
    "paging": "Paginator",
    "settings": "Auth ReconcilePolicy RetryPolicy Timeouts",
    "values": "Action Checkpoint Operation",
    "_http.response": "Response",
}
"""The public names, by the module that has them. Type checkers read the imports above; a test holds both together."""
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import a name on first use (PEP 562), so that importing the package costs next to nothing."""
    from importlib import import_module

    if name == "__all__":
        return sorted({*_MODULE_OF, "__version__", "query"})
    if name == "query":
        value: object = import_module(f"{__name__}.query")
    elif (module := _MODULE_OF.get(name)) is not None:
        value = getattr(import_module(f"{__name__}.{module}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF, "query"})
