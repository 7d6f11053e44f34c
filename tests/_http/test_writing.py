"""Writing is strict, and names what cannot be sent by its Python path, without quoting it."""

from __future__ import annotations

import enum
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import orjson
import pytest
from hypothesis import given, strategies as st
from support.properties import more_examples

from campaigns_async import (
    Campaign,
    CampaignUpdate,
    Contact,
    InvalidArgumentError,
    NewCampaign,
    NewContact,
)
from campaigns_async._field_rules import format_start
from campaigns_async._http import codec

START = datetime(2023, 6, 27, 3, 10, 4, 492000, UTC)
GROUP = UUID("3fa85f64-5717-4562-b3fc-2c963f66afa6")
NEW = NewCampaign(START, "Golf", "Hi", [NewContact("1"), NewContact("2"), NewContact("3"), NewContact("4")])
UPDATE = CampaignUpdate(START, "Golf", "Hi")
CONTACT = NewContact("447700900123", "Ann")


def encode(value: NewCampaign | CampaignUpdate) -> Any:
    """Return the JSON value that is sent for a model."""
    return orjson.loads(codec.encode_model(value))


def refusal(model: NewCampaign | CampaignUpdate | NewContact, **fields: Any) -> str:
    """Return the message that refuses a model with these fields. Assert that the error is chained to none."""
    with pytest.raises(InvalidArgumentError) as caught:
        attrs.evolve(model, **fields)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert str(caught.value).startswith(f"{caught.value.parameter} ")
    return str(caught.value)


def with_contact(**fields: Any) -> NewCampaign:
    """Return a campaign whose fourth contact has these fields."""
    return attrs.evolve(NEW, contacts=[*NEW.contacts[:3], attrs.evolve(NEW.contacts[3], **fields)])


def test_a_campaign_is_written_in_the_wires_spelling_field_by_field() -> None:
    contact = NewContact("447700900123", "Ann", "a", "b", GROUP)
    assert encode(NewCampaign(START, "Golf", "Hi", [contact], 7, "https://x.example")) == {
        "startDateTime": "2023-06-27T03:10:04.492Z",
        "sender": "Golf",
        "message": "Hi",
        "contacts": [
            {
                "phoneNumber": "447700900123",
                "name": "Ann",
                "custom1": "a",
                "custom2": "b",
                "contactGroupId": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            }
        ],
        "optOutLinkId": 7,
        "trackLinkUrl": "https://x.example",
    }


def test_an_update_is_written_without_contacts() -> None:
    assert encode(attrs.evolve(UPDATE, opt_out_link_id=7, track_link_url="https://x.example")) == {
        "startDateTime": "2023-06-27T03:10:04.492Z",
        "sender": "Golf",
        "message": "Hi",
        "optOutLinkId": 7,
        "trackLinkUrl": "https://x.example",
    }


def test_none_is_left_out_and_what_is_merely_empty_is_not() -> None:
    assert encode(UPDATE).keys() == {"startDateTime", "sender", "message"}
    assert encode(with_contact())["contacts"][3] == {"phoneNumber": "4"}
    assert encode(NewCampaign(START, "Golf", "Hi", [NewContact("1", "", "", "")], 0)) == {
        "startDateTime": "2023-06-27T03:10:04.492Z",
        "sender": "Golf",
        "message": "Hi",
        "contacts": [{"phoneNumber": "1", "name": "", "custom1": "", "custom2": ""}],
        "optOutLinkId": 0,
    }
    assert encode(CampaignUpdate(START, "", "", 0, "")) == {
        "startDateTime": "2023-06-27T03:10:04.492Z",
        "sender": "",
        "message": "",
        "optOutLinkId": 0,
        "trackLinkUrl": "",
    }


class Moment(datetime):
    """A subclass, as some libraries return it."""


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2023, 6, 27, 3, 10, 4, tzinfo=UTC), "2023-06-27T03:10:04.000Z"),
        (datetime(2023, 6, 27, 3, 10, 4, 999999, UTC), "2023-06-27T03:10:04.999Z"),
        (datetime(2023, 6, 27, 3, 10, 4, 1000, timezone.utc), "2023-06-27T03:10:04.001Z"),  # noqa: UP017
        (datetime(2023, 6, 27, 4, 10, 4, tzinfo=ZoneInfo("Europe/London")), "2023-06-27T03:10:04.000Z"),
        (datetime(2023, 12, 27, 4, 10, 4, tzinfo=ZoneInfo("Europe/London")), "2023-12-27T04:10:04.000Z"),
        (datetime(2023, 10, 29, 1, 30, tzinfo=ZoneInfo("Europe/London")), "2023-10-29T00:30:00.000Z"),
        (datetime(2023, 10, 29, 1, 30, fold=1, tzinfo=ZoneInfo("Europe/London")), "2023-10-29T01:30:00.000Z"),
        (datetime(2023, 6, 27, tzinfo=timezone(timedelta(hours=-5, minutes=-30))), "2023-06-27T05:30:00.000Z"),
        (datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
        (Moment(2023, 6, 27, 3, 10, 4, tzinfo=UTC), "2023-06-27T03:10:04.000Z"),
    ],
)
def test_a_date_is_written_as_utc_cut_to_milliseconds_with_z(moment: datetime, text: str) -> None:
    assert format_start(moment) == text
    assert encode(attrs.evolve(UPDATE, start_date_time=moment))["startDateTime"] == text


class NoZone(tzinfo):
    """A time zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        return None


class Broken(tzinfo):
    """A time zone that fails, quoting a secret."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        raise KeyError("SECRET")


EAST, WEST = timezone(timedelta(hours=1)), timezone(timedelta(hours=-1))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (datetime(2023, 6, 27, 3, 10), "has no time zone, so it could mean any hour"),
        (datetime(2023, 6, 27, 3, 10, tzinfo=NoZone()), "has no time zone"),
        (datetime(2023, 6, 27, 3, 10, tzinfo=Broken()), "has a time zone that fails"),
        (datetime.min.replace(tzinfo=EAST), "is out of range in UTC"),
        (datetime.max.replace(tzinfo=WEST), "is out of range in UTC"),
        (START.date(), "must be a datetime, not date"),
        ("2023-06-27T03:10:04.492Z", "must be a datetime, not str"),
        (1687835404, "must be a datetime, not int"),
        (None, "must be a datetime, not NoneType"),
    ],
    ids=["naive", "no offset", "broken zone", "before year 1", "after year 9999", "date", "text", "number", "none"],
)
@pytest.mark.parametrize("model", [NEW, UPDATE], ids=["create", "update"])
def test_a_start_that_is_no_certain_moment_is_refused_by_name(model: Any, value: Any, why: str) -> None:
    said = refusal(model, start_date_time=value)
    assert said.startswith(f"start_date_time {why}")
    assert "SECRET" not in said


def no_text(value: object) -> str:
    """Return the reason why a value is refused as a text."""
    return "is missing" if value is None else f"must be text, in quotes, not {type(value).__name__}"


NO_TEXT: list[Any] = [5, 5.0, True, b"SECRET", ["SECRET"], {"SECRET": 1}, object(), START]


@pytest.mark.parametrize("value", [*NO_TEXT, None], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", ["sender", "message"])
@pytest.mark.parametrize("model", [NEW, UPDATE], ids=["create", "update"])
def test_a_text_that_is_none_is_refused_by_name(model: Any, name: str, value: Any) -> None:
    assert refusal(model, **{name: value}) == f"{name} {no_text(value)}"


@pytest.mark.parametrize("value", NO_TEXT, ids=lambda value: type(value).__name__)
def test_an_optional_text_that_is_none_is_refused_by_name(value: Any) -> None:
    assert refusal(UPDATE, track_link_url=value) == f"track_link_url {no_text(value)}"
    for name in ("name", "custom1", "custom2"):
        assert refusal(CONTACT, **{name: value}) == f"{name} {no_text(value)}"


@pytest.mark.parametrize("value", [*NO_TEXT, "", "x.example", "ftp://x.example", "https://"])
def test_a_link_of_a_new_campaign_that_is_no_link_is_refused_by_name(value: Any) -> None:
    assert refusal(NEW, track_link_url=value) == "track_link_url must be a link that begins with http:// or https://"


@pytest.mark.parametrize("blank", ["", " ", "\n\u2003"])
def test_a_new_campaign_with_a_blank_sender_or_message_is_refused_and_an_update_is_not(blank: str) -> None:
    for name in ("sender", "message"):
        assert refusal(NEW, **{name: blank}) == f"{name} must not be blank"
        assert getattr(attrs.evolve(UPDATE, **{name: blank}), name) == blank
    assert refusal(CONTACT, phone_number=blank) == "phone_number must not be blank"


@pytest.mark.parametrize("contacts", [[], (), iter(())])
def test_a_new_campaign_without_contacts_is_refused_by_name(contacts: Any) -> None:
    assert refusal(NEW, contacts=contacts) == "contacts must contain at least one contact"


@pytest.mark.parametrize("value", NO_TEXT, ids=lambda value: type(value).__name__)
def test_a_phone_number_that_is_no_text_is_refused_by_name(value: Any) -> None:
    is_number = type(value) in {int, float}
    why = "must be text, in quotes: as a number it loses its leading zeros" if is_number else no_text(value)
    assert refusal(CONTACT, phone_number=value) == f"phone_number {why}"


def test_a_contact_without_a_number_is_refused_by_name() -> None:
    assert refusal(CONTACT, phone_number=None) == "phone_number is missing"


@pytest.mark.parametrize("text", ["\ud800", "SECRET\udfff", "\udc80\ud800"], ids=ascii)
def test_a_lone_surrogate_is_refused_by_name(text: str) -> None:
    why = "contains a lone surrogate, which UTF-8 cannot encode"
    for name in ("sender", "message", "track_link_url"):
        link = "https://x.example/" if name == "track_link_url" else ""
        for model in (NEW, UPDATE):
            assert refusal(model, **{name: link + text}) == f"{name} {why}"
    for name in ("phone_number", "name", "custom1", "custom2"):
        assert refusal(CONTACT, **{name: text}) == f"{name} {why}"


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        10**5000,
        True,
        False,
        5.0,
        "5",
        float("nan"),
    ],
    ids=["2**63", "-2**63-1", "10**5000", "True", "False", "float", "text", "nan"],
)
@pytest.mark.parametrize("model", [NEW, UPDATE], ids=["create", "update"])
def test_a_link_id_that_is_no_64_bit_integer_is_refused_by_name(model: Any, value: Any) -> None:
    why = "must be a whole number, without quotes, that fits in 64 bits"
    assert refusal(model, opt_out_link_id=value) == f"opt_out_link_id {why}"


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 0])
def test_a_link_id_may_be_any_64_bit_integer(value: int) -> None:
    assert encode(attrs.evolve(UPDATE, opt_out_link_id=value))["optOutLinkId"] == value


@pytest.mark.parametrize("value", [str(GROUP), GROUP.bytes, 5, True])
def test_a_group_that_is_no_uuid_is_refused_by_name(value: Any) -> None:
    said = f"contact_group_id must be a uuid.UUID, not {type(value).__name__}"
    assert refusal(CONTACT, contact_group_id=value) == said


@pytest.mark.parametrize(
    "contact", [{"phoneNumber": "1"}, {}, "447700900123", None, 447700900123, ("1", "Ann"), Contact("1", "2"), UPDATE]
)
def test_a_contact_that_is_no_new_contact_is_refused_by_its_index(contact: Any) -> None:
    said = f"contacts[3] must be a NewContact, not {type(contact).__name__}"
    assert refusal(NEW, contacts=[*NEW.contacts[:3], contact]) == said


@pytest.mark.parametrize("contacts", ["0770", b"0770", NewContact("0770"), None, 5])
def test_contacts_that_are_one_contact_or_none_are_refused_by_name(contacts: Any) -> None:
    said = f"contacts must be an iterable of NewContact, not {type(contacts).__name__}"
    assert refusal(NEW, contacts=contacts) == said


def test_a_refusal_names_the_parameter_and_what_to_do() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        attrs.evolve(NEW, start_date_time=datetime(2023, 6, 27, 3, 10))
    assert caught.value.parameter == "start_date_time"
    assert caught.value.hint == "pass tzinfo=, for example zoneinfo.ZoneInfo('Europe/London')"
    with pytest.raises(InvalidArgumentError) as caught:
        with_contact(contact_group_id="x")
    assert (caught.value.parameter, caught.value.hint) == ("contact_group_id", None)


def test_of_several_faults_the_first_is_named() -> None:
    assert refusal(NEW, sender=5, opt_out_link_id=2**64).startswith("sender ")
    assert refusal(CONTACT, phone_number=5, name=5).startswith("phone_number ")


class Text(str):
    """Text of a class of its own."""

    __slots__ = ()


class Sender(enum.StrEnum):
    GOLF = "Golf"


class Number(enum.IntEnum):
    SEVEN = 7


class VipContact(NewContact):
    """A contact of a class of its own."""


class SpecialCampaign(NewCampaign):
    """A campaign of a class of its own."""


def test_text_and_numbers_of_classes_of_their_own_are_written_as_what_they_are() -> None:
    update = attrs.evolve(UPDATE, sender=Sender.GOLF, message=Text("Hi"), opt_out_link_id=Number.SEVEN)
    assert encode(update) == encode(attrs.evolve(UPDATE, opt_out_link_id=7))


def test_models_of_classes_of_their_own_are_checked_and_written_as_what_they_are() -> None:
    special = SpecialCampaign(START, "Golf", "Hi", [VipContact("1")])
    assert encode(special) == encode(NewCampaign(START, "Golf", "Hi", [NewContact("1")]))
    assert refusal(VipContact("1"), name=5) == "name must be text, in quotes, not int"
    assert refusal(special, contacts=[]) == "contacts must contain at least one contact"


def test_a_time_zone_that_fails_after_the_check_is_refused_when_it_is_sent() -> None:
    class Wavering(tzinfo):
        answers = iter([timedelta(0)] * 2)

        def utcoffset(self, _: datetime | None) -> timedelta | None:
            return next(self.answers)

    update = attrs.evolve(UPDATE, start_date_time=datetime(2023, 6, 27, tzinfo=Wavering()))
    with pytest.raises(InvalidArgumentError, match=r"\ACampaignUpdate cannot be encoded\Z") as caught:
        codec.encode_model(update)
    assert caught.value.__context__ is None


class Later(datetime):
    """A moment that `replace` moves to another year."""

    def replace(self, *args: Any, **kwargs: Any) -> Any:
        return super().replace(*args, **kwargs, year=2999)


def test_equal_moments_are_written_as_the_same_text_and_no_others() -> None:
    summer = datetime(2023, 10, 29, 0, 30, fold=1, tzinfo=UTC)
    assert format_start(summer) == format_start(summer.replace(fold=0)) == "2023-10-29T00:30:00.000Z"
    assert format_start(summer + timedelta(milliseconds=1)) == "2023-10-29T00:30:00.001Z"
    assert format_start(Later(2023, 10, 29, 0, 30, tzinfo=UTC)) == "2999-10-29T00:30:00.000Z"


odd: Any = st.sampled_from(
    [None, 7, True, 1.5, b"SECRET", "", "SECRET \ud83d", "Golf", "https://x.example", ["SECRET"], GROUP, str(GROUP)]
    + [START, 2**64, Number.SEVEN, Sender.GOLF, Text("Hi"), datetime(2031, 1, 1), datetime(1, 1, 1, tzinfo=EAST)]
    + [Moment(2031, 1, 1, tzinfo=UTC), {"phone_number": "1"}]
)


@given(st.tuples(*[odd] * 10))
@more_examples(12)
def test_a_model_of_odd_values_is_refused_where_it_is_made_or_can_be_written(values: Any) -> None:
    start, sender, message, link_id, link, *fields = values
    try:
        contact = NewContact(*fields)
        new = NewCampaign(start, sender, message, [contact, VipContact(*fields)], link_id, link)
    except InvalidArgumentError as error:
        assert error.parameter is not None
        assert "SECRET" not in str(error)
    else:
        assert without_none(new.to_dict()) == encode(new)
    with suppress(InvalidArgumentError):
        update = CampaignUpdate(start, sender, message, link_id, link)
        assert without_none(update.to_dict()) == encode(update)


def without_none(value: Any) -> Any:
    """Return a JSON value without its nulls."""
    if isinstance(value, list):
        return [without_none(each) for each in value]
    if isinstance(value, dict):
        return {name: without_none(each) for name, each in value.items() if each is not None}
    return value


texts = st.text(st.characters(codec="utf-8"))
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones())
integers = st.integers(-(2**63), 2**63 - 1)
filled = texts.filter(str.strip)


@given(
    st.builds(
        Campaign,
        texts,
        moments,
        texts,
        st.none() | integers,
        texts,
        st.none(),
        st.none() | integers,
        st.none() | texts,
    )
)
def test_an_update_made_from_what_was_read_keeps_all_fields(campaign: Campaign) -> None:
    wire = orjson.loads(codec.encode_model(campaign.to_update()))
    again = codec.read_model({"id": campaign.id, "recipientCount": campaign.recipient_count, **wire}, Campaign)
    assert campaign.start_date_time is not None
    start = campaign.start_date_time.astimezone(UTC)
    cut = start.replace(microsecond=start.microsecond // 1000 * 1000)
    assert again == attrs.evolve(campaign, start_date_time=cut)


@pytest.mark.parametrize(
    "start",
    [
        "2023-06-27T03:10:04.492Z",
        "2023-06-27T04:10:04.492+01:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.9999999-01:00",
    ],
)
def test_whatever_start_can_be_read_can_be_written_back(start: str) -> None:
    campaign = codec.read_model({"id": "a", "startDateTime": start, "sender": "s", "message": "m"}, Campaign)
    again = codec.read_model({"id": "a", **encode(campaign.to_update())}, Campaign)
    assert again.start_date_time is not None
    assert campaign.start_date_time is not None
    assert timedelta(0) <= campaign.start_date_time - again.start_date_time < timedelta(milliseconds=1)


@given(
    st.builds(
        NewCampaign,
        moments,
        filled,
        filled,
        st.lists(
            st.builds(
                NewContact, filled, st.none() | texts, st.none() | texts, st.none() | texts, st.none() | st.uuids()
            ),
            min_size=1,
        ),
        st.none() | integers,
        st.none() | texts.map("https://x.example{}".format),
    )
)
def test_whatever_fits_the_model_is_written_whole_and_without_null(new: NewCampaign) -> None:
    wire = encode(new)
    assert wire["sender"] == new.sender
    assert wire["message"] == new.message
    assert wire.get("optOutLinkId") == new.opt_out_link_id
    assert wire.get("trackLinkUrl") == new.track_link_url
    assert wire["startDateTime"] == format_start(new.start_date_time)
    found = [
        NewContact(
            row["phoneNumber"],
            row.get("name"),
            row.get("custom1"),
            row.get("custom2"),
            UUID(row["contactGroupId"]) if "contactGroupId" in row else None,
        )
        for row in wire["contacts"]
    ]
    assert tuple(found) == new.contacts
    assert None not in [*wire.values(), *(value for row in wire["contacts"] for value in row.values())]


def test_the_first_fault_of_a_process_is_described_as_plainly_as_the_next() -> None:
    code = """
import datetime as dt
from campaigns_async import InvalidArgumentError, NewCampaign, NewContact
for _ in range(2):
    try:
        NewCampaign(dt.datetime(2031, 5, 1), "Golf", "Hello", [NewContact("07700900123")])
    except InvalidArgumentError as error:
        print(error.message.split(",")[0])
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["start_date_time has no time zone"] * 2
