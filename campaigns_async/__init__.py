"""An asyncio-first SDK for sending SMS campaigns in high volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaigns_async._version import __version__

if TYPE_CHECKING:
    from campaigns_async import query
    from campaigns_async._engine.instrumentation import Stats
    from campaigns_async.client import CampaignsClient
    from campaigns_async.doubt import OutcomeUnknownError
    from campaigns_async.errors import (
        APIError,
        AuthenticationError,
        CampaignsError,
        ClientClosedError,
        ConfigurationError,
        ConflictError,
        ConnectionFailedError,
        ConnectTimeoutError,
        DeadlineExceededError,
        DecodeError,
        FilterIgnoredError,
        InvalidArgumentError,
        MethodNotAllowedError,
        NotFoundError,
        PageShiftedError,
        PagingError,
        PayloadTooLargeError,
        PermissionDeniedError,
        PoolSaturatedError,
        Problem,
        QueryError,
        ReadTimeoutError,
        ServerError,
        ThrottledError,
        TransportError,
        ValidationFailedError,
        delivery_of,
    )
    from campaigns_async.events import AttemptFinished, CallFinished, Event, Observer, Reconciled, Waiting
    from campaigns_async.fanout import FanOut
    from campaigns_async.models import (
        Campaign,
        CampaignStatus,
        CampaignUpdate,
        Contact,
        NewCampaign,
        NewContact,
    )
    from campaigns_async.paging.paginator import Paginator
    from campaigns_async.settings import ReconcilePolicy, RetryPolicy, Timeouts
    from campaigns_async.values import Auth, Checkpoint, Delivery, Operation, Outcome, Page
    from campaigns_async.wire.messages import Response

_HOME = {
    "client": ("CampaignsClient",),
    "doubt": ("OutcomeUnknownError",),
    "_engine.instrumentation": ("Stats",),
    "errors": (
        "APIError",
        "AuthenticationError",
        "CampaignsError",
        "ClientClosedError",
        "ConfigurationError",
        "ConflictError",
        "ConnectTimeoutError",
        "ConnectionFailedError",
        "DeadlineExceededError",
        "DecodeError",
        "FilterIgnoredError",
        "InvalidArgumentError",
        "MethodNotAllowedError",
        "NotFoundError",
        "PageShiftedError",
        "PagingError",
        "PayloadTooLargeError",
        "PermissionDeniedError",
        "PoolSaturatedError",
        "Problem",
        "QueryError",
        "ReadTimeoutError",
        "ServerError",
        "ThrottledError",
        "TransportError",
        "ValidationFailedError",
        "delivery_of",
    ),
    "events": ("AttemptFinished", "CallFinished", "Event", "Observer", "Reconciled", "Waiting"),
    "fanout": ("FanOut",),
    "models": ("Campaign", "CampaignStatus", "CampaignUpdate", "Contact", "NewCampaign", "NewContact"),
    "paging.paginator": ("Paginator",),
    "settings": ("ReconcilePolicy", "RetryPolicy", "Timeouts"),
    "values": ("Auth", "Checkpoint", "Delivery", "Operation", "Outcome", "Page"),
    "wire.messages": ("Response",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a name on first use (PEP 562), so that importing the package costs next to nothing."""
    from importlib import import_module

    if name == "query":
        value: object = import_module(f"{__name__}.query")
    elif (module := _MODULE_OF.get(name)) is not None:
        value = getattr(import_module(f"{__name__}.{module}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "APIError",
    "AttemptFinished",
    "Auth",
    "AuthenticationError",
    "CallFinished",
    "Campaign",
    "CampaignStatus",
    "CampaignUpdate",
    "CampaignsClient",
    "CampaignsError",
    "Checkpoint",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectTimeoutError",
    "ConnectionFailedError",
    "Contact",
    "DeadlineExceededError",
    "DecodeError",
    "Delivery",
    "Event",
    "FanOut",
    "FilterIgnoredError",
    "InvalidArgumentError",
    "MethodNotAllowedError",
    "NewCampaign",
    "NewContact",
    "NotFoundError",
    "Observer",
    "Operation",
    "Outcome",
    "OutcomeUnknownError",
    "Page",
    "PageShiftedError",
    "Paginator",
    "PagingError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "PoolSaturatedError",
    "Problem",
    "QueryError",
    "ReadTimeoutError",
    "ReconcilePolicy",
    "Reconciled",
    "Response",
    "RetryPolicy",
    "ServerError",
    "Stats",
    "ThrottledError",
    "Timeouts",
    "TransportError",
    "ValidationFailedError",
    "Waiting",
    "__version__",
    "delivery_of",
    "query",
]
