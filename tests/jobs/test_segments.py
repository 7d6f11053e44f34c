"""SMS parts are counted as a phone's network counts them; smsutil is the judge."""

from __future__ import annotations

import pytest
import smsutil
from hypothesis import given, strategies as st

from campaigns_async.segments import Encoding, Segments, segments

BASIC = smsutil.codecs.GSM_BASIC_CHARSET.replace("\x1b", "")  # the escape is no character
EXTENSION = smsutil.codecs.GSM_EXT_CHARSET
GSM = st.one_of(st.sampled_from(BASIC), st.sampled_from(EXTENSION))
ANY = st.one_of(GSM, st.sampled_from("ç“”\u200b😀👨‍👩‍👧𝒳"), st.characters(exclude_characters="\x1b"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments(Encoding.GSM_7, 0, 0, 1)),
        ("a" * 160, Segments(Encoding.GSM_7, 160, 160, 1)),
        ("a" * 161, Segments(Encoding.GSM_7, 161, 161, 2)),
        ("a" * 306, Segments(Encoding.GSM_7, 306, 306, 2)),
        ("a" * 307, Segments(Encoding.GSM_7, 307, 307, 3)),
        ("€" * 80, Segments(Encoding.GSM_7, 80, 160, 1)),
        ("€" * 81, Segments(Encoding.GSM_7, 81, 162, 2)),
        ("€" * 153, Segments(Encoding.GSM_7, 153, 306, 3)),  # 76 pairs a part: half a pair's room stays empty
        ("a" * 152 + "€" + "a" * 152, Segments(Encoding.GSM_7, 305, 306, 3)),
        ("ç" * 70, Segments(Encoding.UCS_2, 70, 70, 1)),
        ("ç" * 71, Segments(Encoding.UCS_2, 71, 71, 2)),
        ("ç" * 134, Segments(Encoding.UCS_2, 134, 134, 2)),
        ("ç" * 135, Segments(Encoding.UCS_2, 135, 135, 3)),
        ("😀" * 35, Segments(Encoding.UCS_2, 35, 70, 1)),
        ("😀" * 67, Segments(Encoding.UCS_2, 67, 134, 3)),  # 33 pairs a part
        ("a€😀", Segments(Encoding.UCS_2, 3, 4, 1)),  # in UCS-2 an extension character is one unit
        ("\r\n", Segments(Encoding.GSM_7, 2, 2, 1)),
        ("\x1b", Segments(Encoding.UCS_2, 1, 1, 1)),
        ("\x00", Segments(Encoding.UCS_2, 1, 1, 1)),
    ],
)
def test_the_borders(text: str, expected: Segments) -> None:
    assert segments(text) == expected


def judge(text: str) -> tuple[str, int, int]:
    """Return the encoding, units and parts by smsutil."""
    if not text:  # it calls an empty text UCS-2
        return "gsm0338", 0, 1
    split = smsutil.split(text)
    septets = split.encoding == "gsm0338"
    return split.encoding, split.total_bytes // (1 if septets else 2), len(split.parts)


@given(st.one_of(st.text(GSM, max_size=700), st.text(ANY, max_size=400)))
def test_smsutil_agrees(text: str) -> None:
    expected = segments(text)
    encoding = "gsm0338" if expected.encoding is Encoding.GSM_7 else "utf_16_be"
    assert (encoding, expected.units, expected.parts) == judge(text)
    assert expected.characters == len(text)


@given(st.sampled_from("aç"), st.sampled_from("€😀"), st.integers(60, 320), st.integers(0, 200))
def test_smsutil_agrees_around_each_border(first: str, pair: str, before: int, pairs: int) -> None:
    text = first * before + pair * pairs
    expected = segments(text)
    assert (expected.units, expected.parts) == judge(text)[1:]
