"""One notation for phone numbers."""

from __future__ import annotations

import sys
from contextlib import suppress

import phonenumbers
import pytest
from hypothesis import example, given, strategies as st

from campaigns_async._phone_numbers import (
    are_british_mobiles,
    is_complete,
    is_region,
    localize,
    may_be_mobile,
    read_numbers,
    suffix_of,
    to_international,
)

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
    "7700900123",
    "7700 900 123",
    "'+447700900123",
    '="07700900123"',
    "tel:+447700900123",
    "Mob: 07700 900123",
    "07700900123;",
    "07700900123,",
    "`07700900123'",
    '"07700 900123"',
    "\N{LEFT SINGLE QUOTATION MARK}07700900123\N{RIGHT SINGLE QUOTATION MARK}",
    "Mobile No.: 07700 900123",
    "TEL +44 (0)7700 900123",
    "WhatsApp:+447700900123",
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
    "not 07700900123",
    "4.47701E+11",
    "447700900123.0",
    "4,47701E+11",
    "4.47701e11",
    "1.23E+5",
    "447701E+6",
    "447700900123,0",
    "447700900123.00",
    "07700900123.0",
    "447 700 900 123.0",
    "+447700900123.0",
    "4.47701",
    "#######",
    "#REF!",
    "#N/A",
    "NULL",
    "nan",
    "None",
    "TRUE",
    "-",
    "12/05/2024",
    "2024-05-12",
    "12.05.24",
    "01-Jan-24",
    "2024-05-12 00:00:00",
    "+44 447700900123",
    "0447700900123",
    "+7700900123",
    "007700900123",
    "2079460123",
    "fax 07700900123",
    "STOP 07700900123",
    "07700900123 (work)",
    "07700900123 07700900124",
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
    ("one", "two"),
    [
        ("+49 0171 1234567", "+49 171 1234567"),
        ("+7 8912 345 67 89", "+7 912 345 67 89"),
        ("+52 1 55 1234 5678", "+52 55 1234 5678"),
        ("+54 9 11 2345 6789", "+54 11 2345 6789"),
        ("+54 11 15 2345 6789", "+54 9 11 2345 6789"),
        ("+36 06 20 123 4567", "+36 20 123 4567"),
        ("+375 8 029 123 45 67", "+375 29 123 45 67"),
        ("+370 8 612 34567", "+370 612 34567"),
        ("+20 010 1234 5678", "+20 10 1234 5678"),
        ("+353 (0)87 123 4567", "+353 087 123 4567"),
        ("0161 496 0123", "1614960123"),
    ],
)
def test_a_digit_that_some_write_and_others_leave_out_makes_no_second_person(one: str, two: str) -> None:
    assert to_international(one) == to_international(two) is not None


@pytest.mark.parametrize(("one", "two"), [("+39 06 1234567", "+39 6 1234567"), ("+1 202 555 0123", "+1 202 555 0124")])
def test_digits_that_belong_to_a_number_stay(one: str, two: str) -> None:
    assert to_international(one) != to_international(two)


PREFIXES = st.sampled_from(["0", "44", "+44", "0044", "440", "+440", "+44 (0)", "", "'+44", "tel:+44", "Mob: 0", '="0'])
GAPS = st.sampled_from(["", " ", "-", ".", "\N{NO-BREAK SPACE}", "\N{THIN SPACE}"])
ENDS = st.sampled_from(["", " ", ";", '"', "\u200e", ","])


@given(st.integers(0, 10**9 - 1), PREFIXES, GAPS, st.integers(1, 9), ENDS, st.sampled_from(["0", "٠", "\uff10"]))
def test_every_spelling_of_a_british_mobile_is_the_same_number_and_no_other(
    rest: int, prefix: str, gap: str, cut: int, end: str, zero: str
) -> None:
    digits = f"7{rest:09}"
    national = digits[:cut] + gap + digits[cut:]
    text = prefix + national.translate({ord("0") + at: ord(zero) + at for at in range(10)}) + end
    if prefix != "" or gap not in {".", "-"}:
        assert to_international(text) == "44" + digits
    else:
        assert to_international(text) in {"44" + digits, None}


@given(st.text(alphabet="0123456789+ ()-./,;'=", max_size=20))
def test_a_number_in_one_notation_stays_as_it_is(text: str) -> None:
    number = to_international(text)
    if number is not None and not number.startswith("440"):
        assert to_international("+" + number) == number
        assert to_international(number) in {number, None}


@given(
    st.lists(st.lists(st.sampled_from(["07700900001", "447700900002", "\n", " "]), max_size=4).map("".join), max_size=4)
)
@example(["07700900001\n07700900002"])
def test_numbers_are_read_together_as_each_alone(texts: list[str]) -> None:
    assert list(read_numbers(texts)) == [to_international(text) or "" for text in texts]
    assert are_british_mobiles(texts) <= all(map(to_international, texts))


@given(st.integers(10_000_000, 10**13), st.integers(10_000_000, 10**13) | st.integers(1, 9))
def test_two_valid_numbers_are_never_joined(one: int, other: int) -> None:
    two = other if other > 9 else one + other
    valid: set[str] = set()
    for each in (one, two):
        with suppress(phonenumbers.NumberParseException):
            parsed = phonenumbers.parse(f"+{each}")
            if phonenumbers.is_valid_number(parsed):
                valid.add(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    assert len(set(map(to_international, valid))) == len(valid)


@pytest.mark.parametrize(
    ("text", "region", "sent"),
    [
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("612345678", "FR", "+33612345678"),
        ("33612345678", "FR", "+33612345678"),
        ("+44 7700 900123", "FR", "+44 7700 900123"),
        ("0044 7700 900123", "FR", "0044 7700 900123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("6598765432", "US", ""),  # also one of Singapore
        ("12", "FR", ""),
        ("N/A", "FR", ""),
        ("447700900123.0", "FR", ""),
    ],
)
def test_a_number_of_another_region_is_sent_with_its_code(text: str, region: str, sent: str) -> None:
    assert localize(text, region) == sent


def test_without_phonenumbers_other_countries_keep_their_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    assert to_international("+49 0171 1234567") == "4901711234567"
    assert to_international("+7 8912 345 67 89") == "79123456789"
    assert is_region("GB")
    assert not is_region("FR")


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
            assert to_international("+" + number) == to_international("00" + number) == number


@given(st.text(alphabet="0123456789+-. ()", max_size=20))
def test_blanks_and_marks_of_direction_change_nothing(text: str) -> None:
    assert to_international(f"\u202a {text}\u200b\u202c ") == to_international(text)
