"""Reading is lenient, and says where it could not be."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import orjson
import pytest
from cattrs import Converter
from hypothesis import given, strategies as st
from support.wire_rows import BAD_DATES, FULL, PERSON, UTC_DATES, json_values

from campaigns_async import Campaign, CampaignStatus, Contact, DecodeError
from campaigns_async._http import codec


def campaign(**wire: Any) -> Campaign:
    """Read a campaign with an id and these fields."""
    return codec.read_model({"id": "a", **wire}, Campaign)


def fault(value: object, cls: type = Campaign, where: str | None = None) -> DecodeError:
    """Return the error of reading a value. Assert that it is chained to none."""
    with pytest.raises(DecodeError) as caught:
        _ = codec.read_model(value, cls) if where is None else codec.read_models([value], cls, where=where)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


def test_every_field_of_a_campaign_is_read() -> None:
    start = datetime(2023, 6, 27, 3, 4, 1, 374000, UTC)
    expected = Campaign("abc", start, "Golf", 12, "Hi", CampaignStatus.PAUSED, 7, "https://x.example")
    assert codec.read_model(FULL, Campaign) == expected


def test_every_field_of_a_contact_is_read() -> None:
    assert codec.read_model(PERSON, Contact) == Contact("p1", "447700900123", "Ann", "a", "b")


@pytest.mark.parametrize(("wire", "cls"), [(FULL, Campaign), (PERSON, Contact)])
def test_any_field_but_the_id_may_be_null_or_missing(wire: dict[str, Any], cls: Any) -> None:
    whole = codec.read_model(wire, cls)
    for name, attribute in zip(wire, attrs.fields(cls), strict=True):
        if name == "id":
            continue
        without = attrs.evolve(whole, **{attribute.name: None})
        assert codec.read_model({**wire, name: None}, cls) == without
        assert codec.read_model({key: value for key, value in wire.items() if key != name}, cls) == without
    assert codec.read_model({"id": "x"}, cls) == cls("x")


@pytest.mark.parametrize(("wire", "cls"), [(FULL, Campaign), (PERSON, Contact)])
def test_fields_that_nobody_knows_are_ignored(wire: dict[str, Any], cls: Any) -> None:
    odd = {**wire, "": 1, "new": {"deep": [None]}, "start_date_time": 5, "Id": None}
    assert codec.read_model(odd, cls) == codec.read_model(wire, cls)


@pytest.mark.parametrize(("text", "microsecond"), UTC_DATES.items())
def test_a_date_is_read_as_utc_with_z_an_offset_or_none_and_up_to_seven_digits(text: str, microsecond: int) -> None:
    moment = campaign(startDateTime=text).start_date_time
    assert moment == datetime(2023, 6, 27, 3, 4, 1, microsecond, UTC)
    assert moment is not None
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0001-01-01T00:00:00", datetime.min),
        ("0001-01-01T00:00:00Z", datetime.min),
        ("0001-01-01T00:00:00+01:00", datetime.min),
        ("0001-01-01T00:00:00-01:00", datetime(1, 1, 1, 1)),
        ("9999-12-31T23:59:59.9999999", datetime.max),
        ("9999-12-31T23:59:59.9999999-05:00", datetime.max),
        ("9999-12-31T23:59:59.9999999+01:00", datetime.max - timedelta(hours=1)),
    ],
)
def test_the_ends_of_dotnets_calendar_are_read_as_utc_with_any_offset(text: str, expected: datetime) -> None:
    moment = campaign(startDateTime=text).start_date_time
    assert moment == expected.replace(tzinfo=UTC)
    assert moment is not None
    assert moment.tzinfo is UTC


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.integers(0, 7),
)
def test_any_moment_is_read_whatever_its_offset_and_its_digits(moment: datetime, minutes: int, digits: int) -> None:
    ticks = f"{moment.microsecond:06}0"[:digits]
    cut = moment.replace(microsecond=int(f"{ticks:0<6}"[:6]))
    local = cut.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    text = local.strftime("%Y-%m-%dT%H:%M:%S") + (f".{ticks}" if ticks else "") + local.isoformat()[-6:]
    assert campaign(startDateTime=text).start_date_time == cut.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "value", [*BAD_DATES, "2023-06-27T03:04:01+25:00", "/Date(1687835041374)/", "２０２３-06-27", 0, 1.5, True, [], {}]
)
def test_what_is_no_date_is_named_with_its_place(value: object) -> None:
    error = fault({"id": "a", "startDateTime": value}, where="$.items")
    assert str(error) == "$.items[0].startDateTime: expected an ISO 8601 date"
    assert error.where == "$.items[0].startDateTime"


@pytest.mark.parametrize("number", range(6))
def test_a_known_status_is_read_from_its_number_its_text_and_its_name(number: int) -> None:
    status = CampaignStatus(number)
    for value in (number, str(number), status.name, status.name.title(), status.name.lower()):
        assert campaign(status=value).status is status


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_unknown_status_survives_a_round_trip_as_its_number(number: int) -> None:
    body = orjson.dumps({"id": "a", "status": number})
    status = codec.read_model(orjson.loads(body), Campaign).status
    assert status is not None
    assert orjson.dumps({"id": "a", "status": status}) == body
    for again in (pickle.loads(pickle.dumps(status)), copy.copy(status), copy.deepcopy(status)):
        assert (type(again), int(again)) == (CampaignStatus, number)


@pytest.mark.parametrize("value", ["-7", "1000", "999999999"])
def test_an_unknown_status_may_be_numeric_text(value: str) -> None:
    assert campaign(status=value).status == int(value)


@pytest.mark.parametrize(
    "value", ["", "Gone", "1.5", "٣", "1" * 10, "1_0", " 1", 1.0, True, False, [], {}, 2.0**70, 2**63, -(2**70)]
)
def test_what_is_no_status_is_named_with_its_place(value: object) -> None:
    error = fault({"id": "a", "status": value}, where="$.items")
    assert str(error) == "$.items[0].status: expected a status number"
    assert error.where == "$.items[0].status"


@pytest.mark.parametrize("wire", ["sender", "message", "trackLinkUrl"])
@pytest.mark.parametrize("value", [1.5, True, [], {}, ["a"]])
def test_what_is_no_text_is_named_in_the_wires_spelling(wire: str, value: object) -> None:
    error = fault({"id": "a", wire: value})
    assert (str(error), error.where) == (f"$.{wire}: expected text", f"$.{wire}")


@pytest.mark.parametrize("wire", ["recipientCount", "optOutLinkId"])
@pytest.mark.parametrize("value", ["5", 1.5, 2.0**64, 2**63, True, [], {}])
def test_what_is_no_whole_number_is_named_in_the_wires_spelling(wire: str, value: object) -> None:
    error = fault({"id": "a", wire: value})
    assert (str(error), error.where) == (f"$.{wire}: expected a whole number", f"$.{wire}")


@pytest.mark.parametrize("wire", ["phoneNumber", "name", "custom1", "custom2"])
def test_a_contacts_field_is_named_in_the_wires_spelling(wire: str) -> None:
    error = fault({"id": "a", wire: {}}, Contact, "$.items")
    assert error.where == f"$.items[0].{wire}"


@pytest.mark.parametrize("number", [0, 5, -5, 2**64 - 1])
def test_an_id_and_a_text_may_be_kept_as_a_whole_number_by_the_server(number: int) -> None:
    found = codec.read_model({"id": number, "phoneNumber": number}, Contact)
    assert found == Contact(str(number), str(number))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "$.items[0].id: missing"),
        ({"id": None}, "$.items[0].id: expected text"),
        ({"id": True}, "$.items[0].id: expected text"),
        ({"id": 1.0}, "$.items[0].id: expected text"),
        ({"id": {}}, "$.items[0].id: expected text"),
        ({"ID": "a"}, "$.items[0].id: missing"),
        (None, "$.items[0]: expected an object"),
        ([], "$.items[0]: expected an object"),
        ("abc", "$.items[0]: expected an object"),
        (5, "$.items[0]: expected an object"),
        (False, "$.items[0]: expected an object"),
    ],
)
@pytest.mark.parametrize("cls", [Campaign, Contact])
def test_a_row_without_an_id_is_named_with_its_place(cls: type, value: object, said: str) -> None:
    error = fault(value, cls, "$.items")
    assert str(error) == said
    assert error.where == said.partition(":")[0]


def test_of_many_rows_the_first_that_cannot_be_read_is_named() -> None:
    rows: list[object] = [FULL, FULL, {"id": "a", "status": "?"}, None]
    with pytest.raises(DecodeError, match=r"\A\$\.items\[2\]\.status: expected a status number\Z"):
        codec.read_models(rows, Campaign, where="$.items")


@given(json_values, st.sampled_from([Campaign, Contact]))
def test_any_json_is_a_model_or_a_decode_error_that_points_at_a_field(value: object, cls: type) -> None:
    try:
        [found] = codec.read_models([value], cls, where="$.items")
    except DecodeError as error:
        names = {"$.items[0]"} | {f"$.items[0].{name}" for name in (*FULL, *PERSON)}
        assert error.where in names
        assert error.__context__ is None
    else:
        assert isinstance(found, cls)


def test_a_fault_of_the_reader_itself_is_still_a_decode_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Converter:
        raise MemoryError

    monkeypatch.setattr(codec, "_build_reader", fail)
    with pytest.raises(DecodeError, match=r"\A\$: cannot be read\Z"):
        codec.read_model(FULL, Campaign)
