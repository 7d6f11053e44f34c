"""Errors: their family tree, what they carry, and that all of it survives pickling and copying."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import campaigns_async
from campaigns_async import Checkpoint, errors
from campaigns_async.effects import Effect
from campaigns_async.errors import CampaignsError, Problem

PARENTS: dict[str, tuple[str, ...]] = {
    "CampaignsError": ("Exception",),
    "ConfigurationError": ("CampaignsError", "ValueError"),
    "InvalidArgumentError": ("CampaignsError", "ValueError"),
    "QueryError": ("CampaignsError", "ValueError"),
    "ClientClosedError": ("CampaignsError",),
    "PoolSaturatedError": ("CampaignsError",),
    "PagingError": ("CampaignsError",),
    "PageShiftedError": ("PagingError",),
    "FilterIgnoredError": ("CampaignsError",),
    "APIError": ("CampaignsError",),
    "ValidationFailedError": ("APIError",),
    "AuthenticationError": ("APIError",),
    "PermissionDeniedError": ("APIError",),
    "NotFoundError": ("APIError",),
    "MethodNotAllowedError": ("APIError",),
    "ConflictError": ("APIError",),
    "PayloadTooLargeError": ("APIError",),
    "ThrottledError": ("APIError",),
    "ServerError": ("APIError",),
    "TransportError": ("CampaignsError",),
    "ConnectionFailedError": ("TransportError",),
    "ConnectTimeoutError": ("ConnectionFailedError", "TimeoutError"),
    "ReadTimeoutError": ("TransportError", "TimeoutError"),
    "DeadlineExceededError": ("TransportError", "TimeoutError"),
    "DecodeError": ("CampaignsError",),
    "OutcomeUnknownError": ("CampaignsError",),
}
PUBLIC: dict[str, object] = vars(errors) | {name: getattr(campaigns_async, name) for name in campaigns_async.__all__}
ALL: dict[str, type[CampaignsError]] = {
    name: value for name, value in PUBLIC.items() if isinstance(value, type) and issubclass(value, CampaignsError)
}
PROBLEM = Problem("about:blank", "Bad", 400, "…", "00-ab-cd-00", {"Contacts[3].PhoneNumber": ("not a number",)})
COPIES = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "oldest pickle": lambda error: pickle.loads(pickle.dumps(error, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def build_error(cls: type[CampaignsError]) -> CampaignsError:
    """Build an error of a class with a value in every attribute."""
    options: dict[str, Any] = {}
    if issubclass(cls, errors.APIError):
        options = {"status": 400, "problem": PROBLEM, "request_id": "r-1", "retry_after": 1.5}
    if issubclass(cls, errors.DecodeError):
        options = {"where": "$.items[3].status", "status": 200}
    if issubclass(cls, campaigns_async.OutcomeUnknownError):
        options = {"cause_type": errors.ServerError, "status": 500, "request_id": "r-1"}
    if issubclass(cls, errors.PageShiftedError):
        options = {"checkpoint": Checkpoint("a digest", 100, page=3)}
    error = cls("what happened", **options)
    if isinstance(error, errors.ValidationFailedError):
        error.errors, error.contact_errors = PROBLEM.errors, {3: ("not a number",)}
    return error.attach(method="PUT", path="/api/Campaigns/a", attempts=3, elapsed=1.25, effect=Effect.UNKNOWN)


def test_the_family_tree_is_the_documented_one() -> None:
    found = {name: tuple(base.__name__ for base in cls.__bases__) for name, cls in ALL.items()}
    assert found == PARENTS


@pytest.mark.parametrize("name", ["ConnectTimeoutError", "ReadTimeoutError", "DeadlineExceededError"])
def test_timeouts_are_caught_as_timeout_errors_too(name: str) -> None:
    with pytest.raises(TimeoutError) as caught:
        raise build_error(ALL[name])
    assert isinstance(caught.value, errors.TransportError)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", ALL)
def test_an_error_keeps_all_it_carries_when_copied(name: str, copied: Any) -> None:
    error, cause, root = build_error(ALL[name]), build_error(errors.ServerError), build_error(errors.ReadTimeoutError)
    error.__cause__, cause.__cause__ = cause, root
    error.add_note("a note")
    again = copied(error)
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert (str(again), repr(again), again.args) == (str(error), repr(error), error.args)
    assert type(again.__cause__) is errors.ServerError
    assert vars(again.__cause__) == vars(cause)
    assert type(again.__cause__.__cause__) is errors.ReadTimeoutError
    assert vars(again.__cause__.__cause__) == vars(root)
    assert again.__suppress_context__


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_of_an_error_without_a_cause_has_none(copied: Any) -> None:
    again = copied(build_error(errors.NotFoundError))
    assert again.__cause__ is None
    assert again.__suppress_context__ is False


def test_a_cause_of_the_callers_own_does_not_stand_in_the_way_of_pickling() -> None:
    error = errors.ConfigurationError("the api_key callable raised KeyError")
    error.__cause__ = KeyError(lambda: None)  # does not pickle
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("name", ALL)
def test_an_error_tells_the_request_its_attempts_its_time_and_its_effect(name: str) -> None:
    assert str(build_error(ALL[name])) == "what happened [PUT /api/Campaigns/a, 3 attempts, 1.25 s, UNKNOWN]"


def test_one_attempt_is_written_as_one() -> None:
    error = CampaignsError("no").attach(method="GET", path="/", attempts=1, elapsed=0, effect=Effect.REJECTED)
    assert str(error) == "no [GET /, 1 attempt, 0 s, REJECTED]"


@pytest.mark.parametrize(
    ("error", "effect"),
    [
        (errors.InvalidArgumentError("x"), Effect.NOT_SENT),
        (errors.ConfigurationError("x"), Effect.NOT_SENT),
        (errors.ClientClosedError("x"), Effect.NOT_SENT),
        (errors.DecodeError("x"), Effect.APPLIED),
        (errors.PagingError("x"), Effect.APPLIED),
        (campaigns_async.OutcomeUnknownError("x", cause_type=TimeoutError), Effect.UNKNOWN),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_that_no_call_has_filled_in_says_what_its_class_knows(error: CampaignsError, effect: Effect) -> None:
    assert error.effect is effect
    assert (error.method, error.path, error.attempts, error.elapsed) == (None, None, 0, 0)
    assert str(error) == "x"


def test_a_refusal_without_details_has_none_and_nobody_can_add_to_all_of_them() -> None:
    error = errors.ValidationFailedError("x", status=400)
    assert (dict(error.errors), dict(error.contact_errors)) == ({}, {})
    with pytest.raises(TypeError):
        error.errors["a"] = ("b",)  # type: ignore[index]


@pytest.mark.parametrize("name", ALL)
def test_every_error_says_what_a_web_app_needs_of_the_response(name: str) -> None:
    options: dict[str, Any] = {"status": 503} if issubclass(ALL[name], errors.APIError) else {}
    options |= {"cause_type": TimeoutError} if ALL[name] is campaigns_async.OutcomeUnknownError else {}
    options |= {"checkpoint": Checkpoint("a digest", 100)} if ALL[name] is errors.PageShiftedError else {}
    error = ALL[name]("x", **options)
    assert (error.http_status, error.retry_after, error.request_id) == (options.get("status"), None, None)
    other = errors.ThrottledError("x", status=429, request_id="r-1", retry_after=1.5)
    error.copy_response(other)
    assert (error.http_status, error.retry_after, error.request_id) == (429, 1.5, "r-1")


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())
def test_an_error_names_the_parameter_to_blame_and_a_hint(copied: Any) -> None:
    error = errors.ConfigurationError("page_size must be at least 1", parameter="page_size", hint="leave it out")
    found = copied(error)
    assert (str(found), found.parameter, found.hint) == ("page_size must be at least 1", "page_size", "leave it out")
    plain = copied(errors.ConfigurationError("no"))
    assert (plain.parameter, plain.hint) == (None, None)
