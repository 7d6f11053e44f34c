"""The client: wiring and lifetimes, nothing else."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import copy
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Literal, Self, TypeVar, overload

from campaigns_async._checks import check_base_url, check_choice, check_instance, check_int, check_seconds
from campaigns_async._engine.call import Clock
from campaigns_async._engine.caller import Caller
from campaigns_async._engine.credentials import CredentialStore, KeySource
from campaigns_async._engine.instrumentation import Instrumentation, Stats
from campaigns_async._engine.limiter import CapacityLimiter, RateLimiter
from campaigns_async._engine.pool import Pool
from campaigns_async._engine.retry import RetryQuota
from campaigns_async._http.aiohttp_settings import check_borrowed, check_own
from campaigns_async._http.aiohttp_transport import AiohttpTransport
from campaigns_async._http.api_key import check_api_key
from campaigns_async._http.request import build_raw
from campaigns_async._http.request_headers import check_headers
from campaigns_async._http.response import Response, read_raw
from campaigns_async._paginators import Paginators
from campaigns_async._reconcile.creates import Creator
from campaigns_async._reconcile.ledger import Ledger
from campaigns_async._runtime import Runtime
from campaigns_async.campaigns import Campaigns
from campaigns_async.errors import ConfigurationError, InvalidArgumentError
from campaigns_async.fanout import FanOut, Items
from campaigns_async.settings import Auth, ReconcilePolicy, RetryPolicy, Timeouts

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp import ClientSession, Fingerprint

    from campaigns_async.events import Observer

T = TypeVar("T")
R = TypeVar("R")

_TIMEOUTS = Timeouts()
_RETRY = RetryPolicy()
_RECONCILE = ReconcilePolicy()


class Resource(Generic[R]):
    """A resource of a client: the class when read on `CampaignsClient`, so that `help` and autospecs show its methods."""

    def __init__(self, cls: type[R]) -> None:
        self._cls = cls
        self.__doc__ = cls.__doc__

    @overload
    def __get__(self, client: None, owner: type[CampaignsClient]) -> type[R]: ...
    @overload
    def __get__(self, client: CampaignsClient, owner: type[CampaignsClient]) -> R: ...
    def __get__(self, client: CampaignsClient | None, owner: type[CampaignsClient]) -> type[R] | R:
        if client is None:
            return self._cls
        raise AttributeError(f"this {owner.__name__} was not initialized")  # an initialized one has its own attribute


class CampaignsClient:
    """A client of the Campaigns API. An application needs one client in one event loop, as long as it runs.

    The client can be created anywhere. It is opened on first use in the running loop, and closed by `async with` or
    `aclose()`.

        start = datetime(2031, 6, 27, 9, 30, tzinfo=ZoneInfo("Europe/London"))
        new = NewCampaign(start, "Golf Club", "The course is closed.", [NewContact("447700900123")])
        async with CampaignsClient("https://host", "key") as client:
            campaign_id = await client.campaigns.create(new)
            campaign = await client.campaigns.get(campaign_id)

    Attributes:
        campaigns: The operations on campaigns; see `Campaigns`.

    Args:
        base_url: `https://host` or `https://host/prefix`. Without it, the environment variable CAMPAIGNS_BASE_URL.
        api_key: The key, or an async callable that returns the key and is called again once after a 401. Without it,
            the environment variable CAMPAIGNS_API_KEY.
        auth: The place of the key in a request.
        max_concurrency: The maximum number of requests in flight, from 1.
        rate_limit: The maximum number of requests per second over all calls of the client, from 0.001; None for no limit.
            Above 1, it is rounded down to a whole number.
        timeouts: The timeouts of connections, responses and calls, in seconds.
        retry: The retry policy of requests that are safe to send again.
        reconcile: The policy of a search for a create with unknown outcome, with `on_unknown="reconcile"`.
        page_size: Rows per page of a listing, from 1 to 1,000,000.
        remember: Rows of a listing whose ids are remembered, from 1, if its order can change: about 19 bytes each. With
            them, rows that others pulled to pages already read are found; without, `PageShiftedError` is raised.
        update_method: The HTTP method of updates: PUT or POST.
        delete_method: The HTTP method of deletes: DELETE or POST.
        overload: With "wait", calls queue for a slot. With "raise", a call raises `PoolSaturatedError` if `max_waiting`
            calls are already waiting.
        max_waiting: The maximum number of waiting calls with overload="raise", from 0. By default `max_concurrency`.
        observer: An object whose `on_event` receives an event for each call, attempt and wait. Its `headers`, if it has this
            method, may add headers to attempts.
        session: Your own aiohttp session. The client never closes it. Its middlewares may send each request once. The
            client's settings for timeouts, redirects and `raise_for_status` apply. A session that could harm a request is
            refused.
        trust_env: True to use the proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). An entry of
            .netrc for the proxy is used, one for the API is not.
        proxy: The URL of an HTTP proxy, with the user and password that it may need: `http://user:password@host:port`.
        ssl: As in aiohttp: an `ssl.SSLContext`, an `aiohttp.Fingerprint`, or False to accept any certificate. None for
            the trusted CAs of this machine, or of SSL_CERT_FILE and SSL_CERT_DIR in the environment.
        headers: Headers that go with every request. They may not set the key, Host, Content-* and the like.
        max_response_size: The maximum size of a decompressed response, in bytes, from 1,024. The client stops
            reading a larger response.

    Raises:
        ConfigurationError: If a setting is out of range or of the wrong type. Names the setting in `parameter`.
    """

    campaigns: Resource[Campaigns] = Resource(Campaigns)

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | KeySource | None = None,
        *,
        auth: Auth = Auth.BEARER,
        max_concurrency: int = 32,
        rate_limit: float | None = None,
        timeouts: Timeouts = _TIMEOUTS,
        retry: RetryPolicy = _RETRY,
        reconcile: ReconcilePolicy = _RECONCILE,
        page_size: int = 100,
        remember: int = 1_000_000,
        update_method: Literal["PUT", "POST"] = "PUT",
        delete_method: Literal["DELETE", "POST"] = "DELETE",
        overload: Literal["wait", "raise"] = "wait",
        max_waiting: int | None = None,
        observer: Observer | None = None,
        session: ClientSession | None = None,
        trust_env: bool = False,
        proxy: str | None = None,
        ssl: SSLContext | bool | Fingerprint | None = None,
        headers: Mapping[str, str] | None = None,
        max_response_size: int = 64 * 2**20,
    ) -> None:
        url = check_base_url("base_url", _or_environment(base_url, "base_url", "CAMPAIGNS_BASE_URL"))
        key = _or_environment(api_key, "api_key", "CAMPAIGNS_API_KEY")
        if observer is not None and not callable(getattr(observer, "on_event", None)):
            raise ConfigurationError("observer must have a method on_event(event)", parameter="observer")
        if not callable(getattr(observer, "headers", callable)):
            raise ConfigurationError("observer.headers must be a method headers(event)", parameter="observer")
        auth = check_choice("auth", auth, tuple(Auth))
        self._page_size = check_int("page_size", page_size, ge=1, le=1_000_000)
        self._remember = check_int("remember", remember, ge=1)
        self._update_method = check_choice("update_method", update_method, ("PUT", "POST"))
        self._delete_method = check_choice("delete_method", delete_method, ("DELETE", "POST"))
        self._ledger = Ledger(check_instance("reconcile", reconcile, ReconcilePolicy).remember)
        self._owns_pool = True
        self._base_url = url
        check_instance("retry", retry, RetryPolicy)
        slots = check_int("max_concurrency", max_concurrency, ge=1)
        clock, source = Clock(), random.Random()
        check_instance("trust_env", trust_env, bool)
        if session is not None:
            check_borrowed(session, url, auth, trust_env=trust_env or None, proxy=proxy, ssl=ssl)
        self._pool = Pool(
            transport=AiohttpTransport(
                url,
                session,
                network=check_own(url, trust_env, proxy, ssl) if session is None else None,
                max_response_size=check_int("max_response_size", max_response_size, ge=1024),
            ),
            credentials=CredentialStore(
                auth,
                key if callable(key) else check_api_key("api_key", key),
                timeout=check_instance("timeouts", timeouts, Timeouts).deadline,
                headers=check_headers(headers or {}),
            ),
            limiter=CapacityLimiter(
                slots,
                clock=clock,
                random=source,
                rate=None if rate_limit is None else RateLimiter(check_seconds("rate_limit", rate_limit, ge=0.001)),
                stagger=retry.base,
                max_waiting=_max_waiting(overload, max_waiting, slots),
            ),
            clock=clock,
            random=source,
            quota=RetryQuota(retry.quota),
            instrumentation=None if observer is None else Instrumentation(observer, clock),
        )
        self._use(check_instance("timeouts", timeouts, Timeouts), retry, reconcile)

    def _use(self, timeouts: Timeouts, retry: RetryPolicy, reconcile: ReconcilePolicy) -> None:
        """Set up the operations with these options."""
        self._reconcile = reconcile
        self._caller = Caller(self._pool, timeouts, retry)
        paginators = Paginators(self._caller, self._page_size, self._remember, self._ledger.seen.update)
        self._creator = Creator(self._caller, self._ledger, paginators, self._reconcile)
        self.__dict__["campaigns"] = Campaigns(  # an attribute of the instance is read without a call of the descriptor
            self._caller,
            self._ledger,
            self._creator,
            paginators,
            self._base_url,
            self._update_method,
            self._delete_method,
        )

    def _runtime(self) -> Runtime:
        rate = self._pool.limiter.rate
        return Runtime(
            clock=self._pool.clock,
            ledger=self._ledger,
            listings=self._creator.listings,
            creator=self._creator,
            rate_limit=None if rate is None else rate.rate,
            max_concurrency=self._pool.limiter.limit,
            base_url=self._base_url,
            read_timeout=self._caller.timeouts.read,
            fingerprint_key=self._pool.credentials.fingerprint,
        )

    async def __aenter__(self) -> Self:
        self._pool.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Refuse new and waiting calls, let requests in flight finish within `Timeouts.grace`, and close.

        Further calls of this method do nothing, nor does closing a view made by `with_options`. Your own session stays open.

        Raises:
            ConfigurationError: If the client was used in another event loop.
        """
        if self._owns_pool:
            await self._pool.close(self._caller.timeouts.grace)

    def with_options(
        self,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        reconcile: ReconcilePolicy | None = None,
    ) -> CampaignsClient:
        """Return a view with other options on the same pool and session. It is closed with its client.

        The view shares the client's memory of ids and its retry quota.

        Raises:
            ConfigurationError: If an option is of the wrong type.
        """
        view = copy(self)
        view._owns_pool = False
        view._use(
            self.timeouts if timeouts is None else check_instance("timeouts", timeouts, Timeouts),
            self.retry if retry is None else check_instance("retry", retry, RetryPolicy),
            self.reconcile if reconcile is None else check_instance("reconcile", reconcile, ReconcilePolicy),
        )
        return view

    @property
    def base_url(self) -> str:
        """The address of the API."""
        return self._base_url

    @property
    def max_concurrency(self) -> int:
        """The maximum number of requests in flight."""
        return self._pool.limiter.limit

    @property
    def reconcile(self) -> ReconcilePolicy:
        """The reconcile policy of this client or view."""
        return self._reconcile

    @property
    def timeouts(self) -> Timeouts:
        """The timeouts of this client or view. Use `attrs.evolve` to change one of them for `with_options`."""
        return self._caller.timeouts

    @property
    def retry(self) -> RetryPolicy:
        """The retry policy of this client or view."""
        return self._caller.retry

    def map(self, operation: Callable[[T], Awaitable[R]], items: Items[T]) -> FanOut[T, R]:
        """Run an operation over many items in parallel, as `campaigns.create_many` does.

        Args:
            operation: An async function of an item, such as `client.campaigns.get`. If it makes several requests,
                `Outcome.effect` is UNKNOWN if one that changes something is, else APPLIED, REJECTED, NOT_SENT in this
                order; reads count only if nothing else was sent.
            items: An iterable or async iterable. It is read only as fast as items are processed.

        Raises:
            InvalidArgumentError: If `items` cannot be iterated.
        """
        return FanOut(
            operation, items, limit=self._pool.limiter.limit, grace=self._caller.timeouts.grace, records_effects=True
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        json: object = None,
    ) -> Response:
        """Send any request through the same pool, with the same guarantees.

        Args:
            method: The HTTP method. GET, HEAD, OPTIONS, PUT and DELETE are retried like reads; POST and PATCH like a create.
            path: The path below `base_url`, percent-encoded: `/api/SMSMessages`.
            params: The query parameters.
            json: The body. Refused with GET, HEAD and OPTIONS.

        Returns:
            The successful response, unchanged; `.json()` returns its body. After POST, PATCH, PUT and DELETE only 201 and
            204 prove that the request was carried out: `.effect` is UNKNOWN for another success.

        Raises:
            InvalidArgumentError: If the request is invalid. Nothing was sent.
            CampaignsError: As for the other operations.
        """
        try:
            request = build_raw(method, path, params=params, json=json)
        except InvalidArgumentError as error:
            raise error.with_traceback(None) from None
        finally:
            del params, json  # tools such as Sentry show the variables of a traceback
        return await self._caller.run(request, read_raw)

    def stats(self) -> Stats:
        """Return a snapshot of the client's activity."""
        return self._pool.stats()

    def __repr__(self) -> str:
        if self._pool.closed:
            return "<CampaignsClient closed>"
        limiter, pool = self._pool.limiter, self._pool
        state = f"{limiter.in_flight}/{limiter.limit} in flight, {limiter.waiting} waiting"
        if limiter.rate is not None:
            state += f", at most {limiter.rate.rate:g} a second"
        if pause := limiter.paused_for:
            state += f", paused for {pause:.3g} s"
        return f"<CampaignsClient {state}, {pool.attempts} attempts, {pool.retries} retries>"


def runtime_of(client: CampaignsClient) -> Runtime:
    """Return the client's runtime. Internal: for other parts of the package, such as durable sends."""
    return client._runtime()  # pyright: ignore[reportPrivateUsage]  # of this module


def _max_waiting(overload: str, max_waiting: int | None, slots: int) -> int | None:
    if check_choice("overload", overload, ("wait", "raise")) == "raise":
        return slots if max_waiting is None else check_int("max_waiting", max_waiting, ge=0)
    if max_waiting is not None:
        raise ConfigurationError(
            'max_waiting has no meaning with overload="wait": pass overload="raise" too', parameter="max_waiting"
        )
    return None


def _or_environment(value: T | None, name: str, variable: str) -> T | str:
    if value is not None:
        return value
    setting = os.environ.get(variable)
    if setting is None:
        raise ConfigurationError(
            f"{name} is missing: pass it, or set {variable} in the environment",
            parameter=name,
            hint=f"set {variable} in the environment",
        )
    return setting
