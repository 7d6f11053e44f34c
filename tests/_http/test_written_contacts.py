"""The hook for contacts writes what the converter would write of each, and whatever is not plain it leaves to it."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, strategies as st
from support.properties import more_examples

from campaigns_async import InvalidArgumentError, NewCampaign, NewContact
from campaigns_async._http import codec

START = datetime(2023, 6, 27, 3, 10, 4, 492000, UTC)
GROUP = UUID("3fa85f64-5717-4562-b3fc-2c963f66afa6")


class Word(str):
    __slots__ = ()


class Named(enum.StrEnum):
    ANN = "Ann"


class Number(int):
    pass


class Numbered(enum.IntEnum):
    SEVEN = 7


class Id(UUID):
    pass


class Moment(datetime):
    pass


class Later(datetime):
    """Says something else of itself."""

    def replace(self, *args: Any, **kwargs: Any) -> Any:
        return super().replace(*args, **kwargs, year=2999)


@attrs.frozen
class Person(NewContact):
    """A subclass with a field of its own, which is nobody's business."""

    age: int = 7


@attrs.frozen
class Mailing(NewCampaign):
    budget: int = 7


class LooksLikeContact:
    phone_number, name, custom1, custom2, contact_group_id = "1", None, None, None, None


texts = st.text() | st.sampled_from(["Ψ 👍", '"\\\n\x00\x7f\u2028', "é"])
odd: st.SearchStrategy[Any] = st.sampled_from(
    [Word("Ann"), Named.ANN, "half \ud83d", b"Ann", bytearray(b"Ann"), 7, True, 7.0, ("Ann",), ["Ann"], GROUP, START]
)
moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]))
numbers = st.integers(-(2**63), 2**63 - 1)
odd_numbers: st.SearchStrategy[Any] = st.sampled_from(
    [Number(7), Numbered.SEVEN, True, 2**63, 2**64 - 1, -(2**63) - 1, "7", 7.0]
)
odd_moments: st.SearchStrategy[Any] = st.sampled_from(
    [
        Moment(2023, 1, 2, tzinfo=UTC),
        Later(2023, 1, 2, tzinfo=UTC),
        datetime(2023, 1, 2),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        date(2023, 1, 2),
        "2023-01-02T00:00:00Z",
        None,
    ]
)
groups = st.none() | st.uuids()
odd_groups: st.SearchStrategy[Any] = st.sampled_from([Id(GROUP.hex), str(GROUP), GROUP.int])


def contacts(text: Any, group: Any) -> Any:
    return st.builds(NewContact, text, st.none() | text, st.none() | text, st.none() | text, group)


people = contacts(texts, groups)
odd_people: st.SearchStrategy[Any] = contacts(texts | odd | st.none(), groups | odd_groups) | st.sampled_from(
    [Person("1"), Person("1", "Ann", age=8), LooksLikeContact(), None, "1", {"phone_number": "1"}]
)
plain = st.builds(NewCampaign, moments, texts, texts, st.lists(people), st.none() | numbers, st.none() | texts)


def campaigns(cls: type[NewCampaign]) -> st.SearchStrategy[NewCampaign]:
    return st.builds(
        cls,
        moments | odd_moments,
        texts | odd | st.none(),
        texts | odd | st.none(),
        st.lists(people | odd_people, max_size=3),
        st.none() | numbers | odd_numbers,
        st.none() | texts | odd,
    )


def by_the_converter(new: NewCampaign) -> bytes | None:
    """What the converter writes without a hook for contacts; None where it refuses."""
    converter = codec._writer()
    try:
        written = converter.unstructure(attrs.evolve(new, contacts=[]))
        written["contacts"] = [converter.unstructure(contact, NewContact) for contact in new.contacts]
        return codec.encode_json(written)
    except (InvalidArgumentError, TypeError, AttributeError, UnicodeEncodeError):
        return None


@given(plain)
def test_what_is_plain_is_written_as_the_converter_writes_it(new: NewCampaign) -> None:
    assert codec.encode_model(new) == by_the_converter(new)


@given(campaigns(NewCampaign) | campaigns(Mailing))
@more_examples(12)
def test_odd_values_are_written_or_refused_as_by_the_converter(new: NewCampaign) -> None:
    expected = by_the_converter(new)
    if expected is None:
        with pytest.raises(InvalidArgumentError) as caught:
            codec.encode_model(new)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    else:
        assert codec.encode_model(new) == expected


class Counting:
    """A converter that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def unstructure(self, contact: object, _: type) -> object:
        self.asked.append(contact)
        return codec._writer().unstructure(contact, NewContact)


PLAIN = [NewContact("1"), NewContact("1", "Ann", "a", "b", GROUP)]


def test_plain_contacts_never_take_the_slow_way() -> None:
    converter: Any = Counting()
    codec._write_contacts(PLAIN * 5, converter)
    assert converter.asked == []


@pytest.mark.parametrize("odd", [Person("2"), NewContact("1", custom2=Word("Ann")), NewContact("1", None, Named.ANN)])
def test_an_odd_contact_alone_is_left_to_the_converter(odd: NewContact) -> None:
    converter: Any = Counting()
    codec._write_contacts([*PLAIN, odd, *PLAIN], converter)
    assert converter.asked == [odd]


def test_two_moments_that_are_equal_are_written_alike_and_no_other() -> None:
    summer = datetime(2023, 10, 29, 0, 30, fold=1, tzinfo=UTC)
    assert codec.write_date(summer) == codec.write_date(summer.replace(fold=0)) == "2023-10-29T00:30:00.000Z"
    assert codec.write_date(summer + timedelta(milliseconds=1)) == "2023-10-29T00:30:00.001Z"
    assert codec.write_date(Later(2023, 10, 29, 0, 30, tzinfo=UTC)) == "2999-10-29T00:30:00.000Z"
