"""The pytest plugin: the fixture `campaigns_sandbox`.

It is active once the package is installed, in tests of any kind. It imports the sandbox only when a test uses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    import pluggy

    from ._request_log import RecordedRequest
    from .threaded import ThreadedSandbox

_MARKER: Final = "campaigns_sandbox"
_HELP: Final = (
    f"{_MARKER}(**arguments): the arguments of campaigns_async.sandbox.Sandbox for the fixture campaigns_sandbox, "
    "by name, such as rate_limit=5 or magic_recipients=True."
)
_REQUESTS: Final = pytest.StashKey[Callable[[], str]]()
_SHOWN: Final = 50
_NUMBER: Final = re.compile(r"(?<=/)(?:[+\d(). -]|%20|%2B|%28|%29){7,}(?=/|$)", re.IGNORECASE)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _HELP)


@pytest.fixture
def campaigns_sandbox(request: pytest.FixtureRequest) -> Iterator[ThreadedSandbox]:
    """Start a server that simulates the SMS Campaigns API, a new one for each test; see `campaigns_async.sandbox`.

    It runs in its own thread, so it serves tests of any kind. `@pytest.mark.campaigns_sandbox(rate_limit=5)`
    passes arguments of `Sandbox`. The marker nearest to the test wins.
    """
    try:
        from .threaded import ThreadedSandbox  # noqa: PLC0415  # not at each start of pytest
    except ModuleNotFoundError as error:
        pytest.fail(
            f"the fixture campaigns_sandbox needs {error.name}: "
            'install it with: pip install "campaigns-async[sandbox]"',
            pytrace=False,
        )
    try:
        sandbox = ThreadedSandbox(**_merge_arguments(request.node.iter_markers(_MARKER)))
        sandbox.start()
    except (TypeError, ValueError, OSError) as error:
        raise pytest.fail.Exception(f"@pytest.mark.{_MARKER}: {error}", pytrace=False) from None
    try:
        # Its requests can be read after it was stopped: fixtures set up before it are torn down after it, and may fail.
        request.node.stash[_REQUESTS] = lambda: _list_requests(sandbox)
        yield sandbox
    finally:
        sandbox.stop()


# The older kind of wrapper, which every pytest since 7 supports.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """Add the requests of its sandbox to the report of a test that fails."""
    outcome = yield
    report = outcome.get_result()
    list_requests = item.stash.get(_REQUESTS, None)
    if report.failed and list_requests is not None:
        report.sections.append(("campaigns sandbox", list_requests()))


def _merge_arguments(marks: Iterable[pytest.Mark]) -> dict[str, Any]:
    """Merge the arguments of the marks; the first mark is the nearest and wins."""
    arguments: dict[str, Any] = {}
    for mark in marks:
        if mark.args:
            raise TypeError("it takes arguments by name only, such as rate_limit=5")
        arguments = {**mark.kwargs, **arguments}
    return arguments


def _list_requests(sandbox: ThreadedSandbox) -> str:
    """Return a line for each request, without bodies, queries, headers and phone numbers."""
    try:
        lines = [_describe_request(request) for request in sandbox.requests]
    except RuntimeError as error:  # its thread is stuck
        return str(error)
    if not lines:
        return "no request arrived"
    left_out = len(lines) - _SHOWN
    return "\n".join([f"({left_out} more before)", *lines[left_out:]] if left_out > 0 else lines)


def _describe_request(request: RecordedRequest) -> str:
    path = _NUMBER.sub("(number)", request.path)
    parts = [
        str(request.status or "no answer"),
        "carried out" if request.acted else "not carried out",
        "" if request.fault is None else f"fault {request.fault}",
        request.problem,
    ]
    return f"{request.number}. {request.method} {path}: {', '.join(filter(None, parts))}"
