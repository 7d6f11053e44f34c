"""One notation for phone numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from campaigns_async._phone_numbers import is_complete, may_be_mobile, suffix_of, to_international

SAME_NUMBER = [
    "447700900123",
    "+447700900123",
    "00447700900123",
    "+00447700900123",
    "07700900123",
    "4407700900123",
    "+4407700900123",
    "004407700900123",
    "+44 (0)7700 900123",
    "+44(0)7700900123",
    "+44 [0] 7700 900123",
    "0044 (0) 7700 900123",
    "44(0)7700900123",
    "(+44) 7700 900123",
    "(0)7700 900123",
    "(07700) 900123",
    "{07700} 900123",
    "07700-900-123",
    "07700 - 900 - 123",
    "07700.900.123",
    "07700/900123",
    "07700\N{EN DASH}900\N{NON-BREAKING HYPHEN}123",
    "07700\N{MINUS SIGN}900123",
    " 07700\t900\n123 ",
    "07700\N{NO-BREAK SPACE}900\N{THIN SPACE}123",
    "\N{LEFT-TO-RIGHT EMBEDDING}+44 7700 900123\N{POP DIRECTIONAL FORMATTING}",
    "07700\N{ZERO WIDTH SPACE}900123\x00",
    "\N{FULLWIDTH PLUS SIGN}４４（０）７７００．９００１２３",
    "٠٧٧٠٠ ٩٠٠١٢٣",
    "۰۷۷۰۰۹۰۰۱۲۳",
    "०७७००९००१२३",
]
UNREADABLE = [
    "",
    " ",
    "+",
    "()",
    "0",
    "00",
    "000",
    "44",
    "n/a",
    "07700***123",
    "07700XXX123",
    "07700---123",
    "07700 - - - 123",
    "07700...123",
    "07700\N{HORIZONTAL ELLIPSIS}123",
    "07700()123",
    "07700•••123",
    "07700 900123 x5",
    "tel:+447700900123",
    "07700900123;07700900124",
    "07700900123/07700900124",
    "07700900123\N{SUPERSCRIPT TWO}",
    "+07700900123",
    "07700+900123",
    "0800 FLOWERS",
    "1234567890123456",
]


@pytest.mark.parametrize("text", SAME_NUMBER, ids=ascii)
def test_a_number_comes_to_one_notation_however_it_is_written(text: str) -> None:
    assert to_international(text) == "447700900123"


@pytest.mark.parametrize("text", UNREADABLE, ids=ascii)
def test_a_text_that_may_hold_another_number_than_its_digits_is_not_read(text: str) -> None:
    assert to_international(text) is None


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("+33 6 12 34 56 78", "33612345678"),
        ("+49 (0)171 1234567", "491711234567"),
        ("49 (0)171 1234567", "491711234567"),
        ("0039 06 1234567", "39061234567"),
        ("1 (202) 555-0123", "12025550123"),
        ("12345", "12345"),
        ("020 7946 0123", "442079460123"),
        ("02079(0)460123", "4420790460123"),
        ("123456789012345", "123456789012345"),
    ],
)
def test_other_numbers_keep_their_digits(text: str, digits: str) -> None:
    assert to_international(text) == digits


@pytest.mark.parametrize(
    ("number", "possible"),
    [
        ("447700900123", True),
        ("44770090012", False),
        ("4477009001234", False),
        ("441632960123", False),
        ("33612345678", True),
        ("1234567", False),
        ("12345678", True),
        ("123456789012345", True),
    ],
)
def test_a_number_is_possible_when_a_server_may_take_it_for_a_mobile_phones(number: str, possible: bool) -> None:
    assert may_be_mobile(number) is possible


@pytest.mark.parametrize(
    ("number", "whole"),
    [
        ("447700900123", True),
        ("441632960123", True),
        ("44163296012", True),
        ("447700123", False),
        ("4477009001", False),
        ("4477009001234", False),
        ("1234567", False),
        ("12345678", True),
    ],
)
def test_a_number_is_whole_when_nothing_seems_to_be_cut_from_it(number: str, whole: bool) -> None:
    assert is_complete(number) is whole


@pytest.mark.parametrize(
    ("national", "abroad"), [("0612345678", "+33612345678"), ("012345", "+50012345"), ("612345678", "+34612345678")]
)
def test_a_number_of_another_country_ends_alike_in_its_national_notation(national: str, abroad: str) -> None:
    one, two = to_international(national), to_international(abroad)
    assert one is not None
    assert two is not None
    assert one != two
    assert two.endswith(suffix_of(one))
    assert 0 < len(suffix_of(one)) <= 7


@given(st.text())
def test_any_text_is_read_or_not_and_what_is_read_stays_as_it_is(text: str) -> None:
    number = to_international(text)
    if number is not None:
        assert number.isascii()
        assert number.isdigit()
        assert 1 <= len(number) <= 15
        assert number[0] != "0"
        if not number.startswith("440"):
            assert (
                to_international(number) == to_international("+" + number) == to_international("00" + number) == number
            )


@given(st.text(alphabet="0123456789+-. ()", max_size=20))
def test_blanks_and_marks_of_direction_change_nothing(text: str) -> None:
    assert to_international(f"\u202a {text}\u200b\u202c ") == to_international(text)
