"""An asyncio-first SDK for sending SMS campaigns in high volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaigns_async._version import __version__ as __version__

if TYPE_CHECKING:
    from campaigns_async import query as query
    from campaigns_async._engine.instrumentation import Stats as Stats
    from campaigns_async.client import CampaignsClient as CampaignsClient
    from campaigns_async.doubt import OutcomeUnknownError as OutcomeUnknownError
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
        delivery_of as delivery_of,
    )
    from campaigns_async.events import (
        AttemptFinished as AttemptFinished,
        AttemptStarted as AttemptStarted,
        CallFinished as CallFinished,
        CallStarted as CallStarted,
        Event as Event,
        HeaderObserver as HeaderObserver,
        Observer as Observer,
        Reconciled as Reconciled,
        Waiting as Waiting,
    )
    from campaigns_async.fanout import FanOut as FanOut
    from campaigns_async.models import (
        Campaign as Campaign,
        CampaignStatus as CampaignStatus,
        CampaignUpdate as CampaignUpdate,
        Contact as Contact,
        NewCampaign as NewCampaign,
        NewContact as NewContact,
    )
    from campaigns_async.paging import Paginator as Paginator
    from campaigns_async.settings import (
        ReconcilePolicy as ReconcilePolicy,
        RetryPolicy as RetryPolicy,
        Timeouts as Timeouts,
    )
    from campaigns_async.values import (
        Action as Action,
        Auth as Auth,
        Checkpoint as Checkpoint,
        Delivery as Delivery,
        Operation as Operation,
        Outcome as Outcome,
        Page as Page,
    )
    from campaigns_async.wire.messages import Response as Response

_MODULES = {
    "_engine.instrumentation": "Stats",
    "client": "CampaignsClient",
    "doubt": "OutcomeUnknownError",
    "errors": "APIError AuthenticationError CampaignsError ClientClosedError ConfigurationError ConflictError ConnectionFailedError ConnectTimeoutError DeadlineExceededError DecodeError FilterIgnoredError InvalidArgumentError MethodNotAllowedError NotFoundError PageShiftedError PagingError PayloadTooLargeError PermissionDeniedError PoolSaturatedError Problem QueryError ReadTimeoutError ServerError ThrottledError TransportError ValidationFailedError delivery_of",
    "events": "AttemptFinished AttemptStarted CallFinished CallStarted Event HeaderObserver Observer Reconciled Waiting",
    "fanout": "FanOut",
    "models": "Campaign CampaignStatus CampaignUpdate Contact NewCampaign NewContact",
    "paging": "Paginator",
    "settings": "ReconcilePolicy RetryPolicy Timeouts",
    "values": "Action Auth Checkpoint Delivery Operation Outcome Page",
    "wire.messages": "Response",
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
