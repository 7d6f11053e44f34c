"""Tools such as Sentry show the local variables of a traceback: those of the package hold no number, text or name.

The frames of constructors that attrs generates are not among them, since they only have the caller's own arguments.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.made import client_of, rows

import campaigns_async
from campaigns_async import (
    CampaignsClient,
    CampaignsError,
    CampaignUpdate,
    DecodeError,
    FilterIgnoredError,
    InvalidArgumentError,
    NewCampaign,
    NewContact,
    OutcomeUnknownError,
    ReconcilePolicy,
    Timeouts,
    query,
)
from campaigns_async.jobs import PlanError, contacts_plan, ndjson_plan, send
from campaigns_async.sandbox import Sandbox

PACKAGE = str(Path(campaigns_async.__file__).parent)
SECRET = "sEcReT +447700900987"
START = datetime(2031, 1, 1, tzinfo=UTC)
LONE = "\ud83c"


def list_errors(error: BaseException | None, seen: frozenset[int] = frozenset()) -> Iterator[BaseException]:
    """Yield an error, and all that led to it."""
    if error is not None and id(error) not in seen:
        yield error
        for other in (error.__cause__, error.__context__):
            yield from list_errors(other, seen | {id(error)})


def find_leaks(error: BaseException) -> list[str]:
    """Return the local variables of the package's frames that show the secret."""
    return [
        f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}: {name} = {value!r}"
        for each in list_errors(error)
        for frame, _ in traceback.walk_tb(each.__traceback__)
        if frame.f_code.co_filename.startswith(PACKAGE)
        for name, value in frame.f_locals.items()
        if SECRET in repr(value)
    ]


def new_campaign(**changes: Any) -> NewCampaign:
    return NewCampaign(
        **{"start_date_time": START, "sender": SECRET, "message": SECRET, "contacts": contacts(), **changes}
    )


def contacts() -> list[NewContact]:
    return [NewContact(SECRET, SECRET)]


class Shown:
    """A value that shows the secret, and is no iterable."""

    def __repr__(self) -> str:
        return SECRET


def spoil(model: Any, name: str, value: object) -> Any:
    """Return a model that was changed after its check."""
    object.__setattr__(model, name, value)
    return model


WRONG: dict[str, Callable[[], object]] = {
    "a number that is no text": lambda: NewContact({SECRET: SECRET}, SECRET),  # type: ignore[arg-type]
    "half an emoji in a name": lambda: NewContact(SECRET, SECRET + LONE),
    "half an emoji in a number": lambda: NewContact(SECRET + LONE),
    "a group that is no UUID": lambda: NewContact(SECRET, SECRET, SECRET, SECRET, SECRET),  # type: ignore[arg-type]
    "half an emoji in a text": lambda: new_campaign(message=SECRET + LONE),
    "no zone": lambda: new_campaign(start_date_time=START.replace(tzinfo=None)),
    "a start that is text": lambda: new_campaign(start_date_time=SECRET),
    "a link that is none": lambda: new_campaign(track_link_url=SECRET),
    "a link id that is text": lambda: new_campaign(opt_out_link_id=SECRET),
    "contacts that are texts": lambda: new_campaign(contacts=[SECRET]),
    "contacts that are one text": lambda: new_campaign(contacts=SECRET),
    "contacts from an iterator": lambda: new_campaign(contacts=(each for each in [*contacts(), {"number": SECRET}])),
    "contacts that are no iterable": lambda: new_campaign(contacts=Shown()),
    "an update with half an emoji": lambda: CampaignUpdate(START, SECRET, SECRET + LONE),
    "an update with a start that is text": lambda: CampaignUpdate(SECRET, SECRET, SECRET),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("build", WRONG.values(), ids=WRONG)
def test_a_refused_model_leaves_no_values_in_frames(build: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        build()
    assert find_leaks(refused.value) == []


REFUSED: dict[str, Callable[[CampaignsClient], Awaitable[object]]] = {
    "a create of half an emoji": lambda client: client.campaigns.create(
        spoil(new_campaign(), "message", SECRET + LONE)
    ),
    "a create of a wrong type": lambda client: client.campaigns.create(spoil(new_campaign(), "sender", {SECRET: 1j})),
    "a create of another class": lambda client: client.campaigns.create({"message": SECRET}),  # type: ignore[arg-type]
    "an update of half an emoji": lambda client: client.campaigns.update(
        "c1", spoil(CampaignUpdate(START, SECRET, SECRET), "message", SECRET + LONE)
    ),
    "an update of another class": lambda client: client.campaigns.update("c1", {"message": SECRET}),  # type: ignore[arg-type]
    "raw JSON of a wrong type": lambda client: client.request("POST", "/api", json={SECRET: object()}),
    "raw JSON of half an emoji": lambda client: client.request("POST", "/api", json={"a": SECRET + LONE}),
    "raw parameters of a wrong type": lambda client: client.request("GET", "/api", params={SECRET: 5}),  # type: ignore[dict-item]
    "raw parameters of half an emoji": lambda client: client.request("GET", "/api", params={SECRET: SECRET + LONE}),
    "raw parameters that are no pairs": lambda client: client.request("GET", "/api", params=[(SECRET,)]),  # type: ignore[list-item]
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
async def test_a_refused_request_leaves_no_values_in_frames(
    call: Callable[[CampaignsClient], Awaitable[object]],
) -> None:
    async with CampaignsClient("http://127.0.0.1:9", "key") as client:
        with pytest.raises(InvalidArgumentError) as refused:
            await call(client)
        assert find_leaks(refused.value) == []


@pytest.mark.parametrize("many", [True, False])
async def test_an_item_of_a_fan_out_is_in_no_frame(many: bool) -> None:
    async with CampaignsClient("http://127.0.0.1:9", "key") as client:
        wrong: Any = {"message": SECRET}
        outcomes = client.campaigns.create_many([wrong]) if many else client.map(client.campaigns.create, [wrong])
        [outcome] = [outcome async for outcome in outcomes]
        assert isinstance(outcome.error, InvalidArgumentError)
        assert find_leaks(outcome.error) == []


ROW: dict[str, object] = {"id": "a", "sender": SECRET, "message": SECRET, "phoneNumber": SECRET, "name": SECRET}
BODIES: dict[str, str] = {
    "no JSON": f'{{"items": [{{"id": "a", "name": "{SECRET}"',
    "text": SECRET,
    "another value": json.dumps(SECRET),
    "another array": json.dumps([SECRET, SECRET]),
    "no items": json.dumps({"rows": [ROW]}),
    "items of a wrong type": json.dumps({"items": {"a": SECRET}}),
    "a count of a wrong type": json.dumps({"items": [ROW], "totalRecords": SECRET}),
    "a row of a wrong type": json.dumps({"items": [ROW, SECRET]}),
    "a field of a wrong type": json.dumps({"items": [ROW, {**ROW, "sender": {SECRET: 1}, "custom1": [SECRET]}]}),
    "a missing id": json.dumps({"items": [{**ROW, "id": None}]}),
    "a campaign": json.dumps({**ROW, "startDateTime": SECRET}),
    "another campaign": json.dumps({**ROW, "id": "b"}),
}
READS: dict[str, Callable[[CampaignsClient], Awaitable[object]]] = {
    "get": lambda client: client.campaigns.get("a"),
    "list": lambda client: client.campaigns.list(filters=query.campaign.sender == SECRET).collect(),
    "contacts": lambda client: client.campaigns.contacts("a", filters=query.contact.name == SECRET).collect(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("operation", READS)
async def test_a_response_that_cannot_be_read_leaves_no_values_in_frames(operation: str, body: str) -> None:
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation=operation, status=200, body=body)
        with pytest.raises(DecodeError) as unread:
            await READS[operation](client)
        assert find_leaks(unread.value) == []


@pytest.mark.parametrize("status", [200, 201, 400, 422, 500])
@pytest.mark.parametrize("body", [*BODIES.values(), json.dumps({"errors": {SECRET: [SECRET]}, "title": SECRET})])
async def test_a_create_that_is_not_answered_as_documented_leaves_no_values_in_frames(status: int, body: str) -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="create", status=status, body=body)
        with pytest.raises(CampaignsError) as failed:
            await client.campaigns.create(new_campaign())
        assert find_leaks(failed.value) == []


async def test_a_filter_is_in_no_frame() -> None:
    async with Sandbox(rows(1)) as sandbox, client_of(sandbox) as client:
        sandbox.fault(operation="list", status=200, body=json.dumps({"items": [{**ROW, "sender": "Another"}]}))
        with pytest.raises(FilterIgnoredError) as ignored:
            await client.campaigns.list(filters=query.campaign.sender == SECRET).collect()
        assert find_leaks(ignored.value) == []


async def test_what_a_raw_request_sends_is_in_no_frame() -> None:
    async with Sandbox() as sandbox, client_of(sandbox) as client:
        with pytest.raises(CampaignsError) as failed:
            await client.request("GET", "/api/none", params={"filters": SECRET})
        assert find_leaks(failed.value) == []
        with pytest.raises(CampaignsError) as failed:
            await client.request("POST", "/api/none", json={"message": SECRET})
        assert find_leaks(failed.value) == []


async def test_an_unknown_create_that_was_searched_for_leaves_no_values_in_frames(sandbox: Sandbox) -> None:
    sandbox.fault(operation="create", drop="close", act=True)
    sandbox.fault(operation="list", status=403)
    policy = ReconcilePolicy(settle=0.0, timeout=1, pause=0.02)
    async with client_of(sandbox, reconcile=policy, timeouts=Timeouts(read=0.05)) as client:
        with pytest.raises(OutcomeUnknownError) as unknown:
            await client.campaigns.create(new_campaign(contacts=[NewContact("07700900123")]), on_unknown="reconcile")
    assert find_leaks(unknown.value) == []


@pytest.mark.parametrize("text", [f"{SECRET},x\n", f"phoneNumber,{SECRET}\n07700900123,\n", "phoneNumber\n077\n077\n"])
async def test_a_refused_plan_leaves_no_contacts_and_texts_in_frames(
    sandbox: Sandbox, tmp_path: Path, text: str
) -> None:
    (tmp_path / "people.csv").write_text(text)
    async with client_of(sandbox) as client:
        with pytest.raises(PlanError) as refused:
            plan = contacts_plan(tmp_path / "people.csv", message=SECRET, sender=SECRET, start=START)
            await send(client, plan, tmp_path / "journal")
    assert find_leaks(refused.value) == []


def test_a_csv_that_is_taken_for_a_plan_leaves_no_contacts_in_frames(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(f"{SECRET},x\n")
    with pytest.raises(PlanError) as refused:
        ndjson_plan(tmp_path / "people.csv")
    assert find_leaks(refused.value) == []
