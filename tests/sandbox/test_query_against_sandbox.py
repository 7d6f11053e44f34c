"""The client's filters and sorts find the right rows of the sandbox, over a real socket.

What must come is said by plain predicates here, which share nothing with the client's own reader of filters and
nothing with the sandbox's. The sandbox refuses what the provider's server would drop in silence, so that a dropped
filter fails even where all rows happen to fit it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from attrs import frozen
from hypothesis import event, example, given, reject, strategies as st
from support.made import client_of

from campaigns_async import CampaignsClient, query
from campaigns_async.errors import QueryError
from campaigns_async.models import CampaignStatus
from campaigns_async.sandbox import Quirks, Sandbox

C: Any = query.campaign
K: Any = query.contact
Text = str | None
Holds = Callable[[Text], bool]

# Said here once more, so that no list of the package's own is taken on trust.
OPERATORS = [negated + kind + star for kind in ("@=", "_=", "_-=") for negated in ("", "!") for star in ("", "*")] + [
    "==",
    "==*",
    "!=",
    "!=*",
    "<",
    "<=",
    ">",
    ">=",
]
BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
NO_BLANKS = "\x1c\x1f\u200b\u2060\ufeff"
# One character for one, as Unicode's simple mapping has it, but for what .NET leaves as it is.
UPPER = dict(zip("éöσςµÿǆǅᾳ𐐨ιαμ\u0345", "ÉÖΣΣΜŸǄǄᾼ𐐀ΙΑΜΙ", strict=True)) | dict(
    zip("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", strict=True)
)
LETTERS = "abnulNULxX09éÉöÖσςΣßẞİıſµΜÿŸǆǅǄŉﬁᾳᾼ\u212a𐐨𐐀\u0301\u0307\u0345"
SIGNS = "\\\\\\\\,,||()()**==!<>@_-~&+%#?/;:'\"$.`[]{}"
OTHERS = f"{BLANKS}{NO_BLANKS}\0\x01\x1b\x7f\x9f\u202e\ufffd\uffff😀👩\u200d🏽日ї"
PIECES = [*OPERATORS, "null", "NULL", "Null", "\\null", "\\", "\\\\", ",", "|", "\\,", "\\|", "(", ")", " ", "*", "a"]
CHARACTERS = LETTERS + SIGNS + OTHERS
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=12),
    st.lists(st.sampled_from([*PIECES, "ß", "İ", "e\u0301", "\0", "😀"]), max_size=7).map("".join),
)
ANY_TEXTS = TEXTS | st.text(max_size=20)


def is_blank_outside(text: str) -> bool:
    return text != "" and (text[0] in BLANKS or text[-1] in BLANKS)


def may_be_unsayable(text: str) -> bool:
    """Return True for the three kinds of text that the server's language cannot express; some of the third it can."""
    return (
        is_blank_outside(text)
        or text.lower() == "\\null"
        or any("\\" + operator in text and text.count(operator) > 2 for operator in OPERATORS)
    )


def upper(text: str) -> str:
    return "".join(UPPER.get(character, character) for character in text)


def near_misses(text: str) -> Iterator[str]:
    """Yield the texts that a mistake in escaping or parsing would confuse with a text."""
    yield from ("", "null", "NULL", "\\null", "x", "*", "\\", " ")
    for extra in (" ", "\xa0", "\\", "*", "x", ",", "|", "==", "(", ")", "\0", "null"):
        yield from (text + extra, extra + text)
    yield from (f" {text} ", f"({text})", f"x{text}x", f'"{text}"', text * 2, text.strip())
    yield from (text.upper(), text.lower(), text.swapcase(), text.title(), text.casefold())
    yield from (text[:at] + text[at + 1 :] for at in range(min(len(text), 12)))
    yield from (text[:at] + text[at] + text[at:] for at in range(min(len(text), 12)))
    for sign in ("\\", ",", "|", "(", ")", "*", " ", *OPERATORS):
        yield from (text.replace(sign, "\\" + sign), text.replace(sign, ""), text.replace("\\" + sign, sign))
    yield from (piece for sign in (",", "|", "==", "@=", "<") for piece in text.split(sign))


def values_near(*texts: Text) -> list[Text]:
    """Return the texts themselves, null, and every near miss."""
    said = [text for text in texts if text is not None]
    return list(dict.fromkeys([*said, None, *(miss for text in said for miss in near_misses(text))]))


@frozen
class Search:
    """A sandbox and a client of it, which stay open from one example to the next."""

    runner: asyncio.Runner
    sandbox: Sandbox
    client: CampaignsClient

    def campaigns(self, rows: Iterable[dict[str, Any]], **search: Any) -> list[str]:
        """Return the ids of a list, from a sandbox with exactly these campaigns."""
        self.sandbox.reset()
        for row in rows:
            self.sandbox.add(row)
        return self.runner.run(_ids(self.client.campaigns.list(**self._paging(search))))

    def contacts(self, rows: Iterable[dict[str, Any]], **search: Any) -> list[str]:
        """Return the ids of a campaign's contacts, from a sandbox with exactly these contacts."""
        self.sandbox.reset()
        self.sandbox.add({"id": "c"}, rows)
        return self.runner.run(_ids(self.client.campaigns.contacts("c", **self._paging(search))))

    @staticmethod
    def _paging(search: dict[str, Any]) -> dict[str, Any]:
        return {"page_size": 10_000, **search}

    def texts(self, column: str, values: Sequence[Text], filters: query.Expression) -> list[Text]:
        """Return the values of the rows that are found, among rows with one value each."""
        found = (self.campaigns if column in ("message", "sender") else self.contacts)(
            ({"id": f"r{at}", column: value} for at, value in enumerate(values)), filters=filters
        )
        return [values[int(key[1:])] for key in found]


async def _ids(rows: Any) -> list[str]:
    return [row.id async for row in rows]


@pytest.fixture(scope="module")
def search() -> Iterator[Search]:
    with asyncio.Runner() as runner:
        sandbox = Sandbox(seed=1, quirks=Quirks(strict_filters=True))
        runner.run(sandbox.start())
        client = runner.run(_enter(client_of(sandbox)))
        yield Search(runner, sandbox, client)
        runner.run(client.aclose())
        runner.run(sandbox.stop())


async def _enter(client: CampaignsClient) -> CampaignsClient:
    return await client.__aenter__()


FIELDS = {"message": C.message, "sender": C.sender, "name": K.name, "custom1": K.custom1}
WAYS: dict[str, tuple[str, Callable[[str, str], bool]]] = {
    "equals": ("equals", lambda have, text: have == text),
    "contains": ("contains", lambda have, text: text in have),
    "startswith": ("startswith", lambda have, text: have[: len(text)] == text),
    "endswith": ("endswith", lambda have, text: have[len(have) - len(text) :] == text and len(have) >= len(text)),
}


def predicate(way: str, text: str, *, ignore_case: bool = False, negate: bool = False) -> Holds:
    """Return the server's test of a condition: null meets neither a condition nor its negation."""
    test = WAYS[way][1]

    def holds(have: Text) -> bool:
        if have is None:
            return False
        found = test(upper(have), upper(text)) if ignore_case else test(have, text)
        return found is not negate

    return holds


def build_or_none(build: Callable[[], query.Expression], *texts: Text) -> query.Expression | None:
    """Return the filter; None if it is refused, which is right for few texts only."""
    try:
        return build()
    except QueryError as error:
        given_texts = [text for text in texts if text is not None]
        # Alternatives are first parsed as one text, so one can break the other.
        assert any(map(may_be_unsayable, [*given_texts, "|".join(given_texts)])), str(error)
        return None


def build_or_reject(build: Callable[[], query.Expression], *texts: Text) -> query.Expression:
    """Return the filter, or end the example if it is refused."""
    expression = build_or_none(build, *texts)
    event("refused" if expression is None else "sent")
    return reject() if expression is None else expression


class TestText:
    @given(text=ANY_TEXTS, column=st.sampled_from(list(FIELDS)), way=st.sampled_from(list(WAYS)), negate=st.booleans())
    @example("", "message", "equals", False)
    @example("", "name", "contains", True)
    @example("null", "message", "equals", False)
    @example("NULL", "name", "equals", True)
    @example("null", "message", "startswith", False)
    @example("\\null", "message", "endswith", False)
    @example("*x", "name", "equals", False)
    @example("(x)", "name", "equals", False)
    @example("a)==(b", "message", "contains", False)
    @example("\\", "message", "endswith", False)
    @example("a\\,b|c==d", "message", "equals", False)
    @example("%2C+&filters=x#\0", "message", "equals", False)
    @example("-=*", "name", "startswith", True)
    def test_finds_its_rows_and_no_others(self, search: Search, text: str, column: str, way: str, negate: bool) -> None:
        build = getattr(FIELDS[column], way)
        expression = build_or_reject(lambda: ~build(text) if negate else build(text), text)
        values = values_near(text)

        found = search.texts(column, values, expression)

        assert found == list(filter(predicate(way, text, negate=negate), values))

    @given(
        text=st.text(LETTERS + "\\,|=* ", max_size=8),
        column=st.sampled_from(list(FIELDS)),
        way=st.sampled_from(list(WAYS)),
        negate=st.booleans(),
    )
    @example("straße", "message", "equals", False)
    @example("null", "message", "equals", False)
    @example("*İi", "name", "contains", False)
    @example("\u212a", "name", "equals", True)
    def test_case_is_ignored_one_character_for_one(
        self, search: Search, text: str, column: str, way: str, negate: bool
    ) -> None:
        build = functools.partial(getattr(FIELDS[column], way), ignore_case=True)
        expression = build_or_reject(lambda: ~build(text) if negate else build(text), text)
        values = values_near(text)

        found = search.texts(column, values, expression)

        assert found == list(filter(predicate(way, text, ignore_case=True, negate=negate), values))

    @given(texts=st.lists(st.none() | TEXTS, min_size=1, max_size=4), column=st.sampled_from(list(FIELDS)))
    @example(["a", None, ""], "message")
    @example([None], "name")
    @example(["null", None], "message")
    @example(["x", " inner ", "y"], "name")
    @example(["a|b", "a", "b"], "name")
    def test_in_finds_each_of_its_values_and_its_contrary_all_others(
        self, search: Search, texts: list[Text], column: str
    ) -> None:
        expression = build_or_reject(lambda: FIELDS[column].in_(*texts), *texts)
        values = values_near(*texts)

        assert search.texts(column, values, expression) == [value for value in values if value in texts]
        contrary = build_or_none(lambda: ~expression, *texts)
        if contrary is not None:
            others = [value for value in values if value is not None and value not in texts]
            assert search.texts(column, values, contrary) == others

    @given(text=TEXTS, other=TEXTS, way=st.sampled_from(list(WAYS)))
    def test_two_conditions_both_hold(self, search: Search, text: str, other: str, way: str) -> None:
        expression = build_or_reject(lambda: (C.message == text) & ~getattr(C.sender, way)(other), text, other)
        pairs = [(text, miss) for miss in values_near(other)] + [(miss, "y") for miss in values_near(text)]
        rows = [{"id": f"r{at}", "message": one, "sender": two} for at, (one, two) in enumerate(pairs)]
        contrary = predicate(way, other, negate=True)

        found = search.campaigns(rows, filters=expression)

        assert found == [f"r{at}" for at, (one, two) in enumerate(pairs) if one == text and contrary(two)]

    @given(text=TEXTS, way=st.sampled_from(list(WAYS)), negate=st.booleans())
    @example("(x)", "equals", False)
    @example("a)", "contains", True)
    def test_any_of_several_fields(self, search: Search, text: str, way: str, negate: bool) -> None:
        either = query.any_of(K.name, K.custom1)
        expression = build_or_reject(
            lambda: ~getattr(either, way)(text) if negate else getattr(either, way)(text), text
        )
        misses = values_near(text)
        pairs = [*((text, miss) for miss in misses), *((miss, text) for miss in misses), *((m, "y") for m in misses)]
        rows = [{"id": f"r{at}", "name": one, "custom1": two} for at, (one, two) in enumerate(pairs)]
        holds, of = predicate(way, text, negate=negate), all if negate else any

        found = search.contacts(rows, filters=expression)

        assert found == [f"r{at}" for at, pair in enumerate(pairs) if of(map(holds, pair))]

    @given(text=TEXTS, at=st.integers(0, 12), half=st.sampled_from("\ud800\udbff\udc00\udfff"))
    def test_half_of_a_surrogate_pair_is_refused_with_the_reason(self, text: str, at: int, half: str) -> None:
        broken = text[:at] + half + text[at:]

        for way in WAYS:
            with pytest.raises(QueryError, match="contains a lone surrogate"):
                getattr(C.message, way)(broken)
        with pytest.raises(QueryError, match="contains a lone surrogate"):
            K.name.in_("a", broken)


class TestWhatIsRefused:
    # The parts of common texts: characters of each kind, but no backslash before an operator.
    WORDS = (
        *("Sale", "20%", "off,", "today!", "Ann & Bob", "a|b", "x==y", "<b>", "(now)", "C:\\dir", "*", "null", "£5"),
        *("😀", "ß", "e-mail: a@b.example", "https://example.com/?a=1&b=2", ">=18", "—", "日本", "1_000", "!", "!="),
    )

    @pytest.mark.slow
    def test_a_common_text_never_is(self) -> None:
        chosen = random.Random(7)

        for _ in range(3000):
            text = " ".join(chosen.choices(self.WORDS, k=chosen.randint(1, 8)))
            for way in WAYS:
                getattr(C.message, way)(text)
                assert ~~getattr(K.name, way)(text, ignore_case=True) == getattr(K.name, way)(text, ignore_case=True)
            C.message.in_(text, None, "other", text)

    def test_a_common_text_finds_itself_alone(self, search: Search) -> None:
        chosen = random.Random(8)
        values = sorted({" ".join(chosen.choices(self.WORDS, k=chosen.randint(1, 8))) for _ in range(400)})

        for text in values[::10]:
            assert search.texts("message", values, C.message == text) == [text]

    def test_of_hostile_texts_few_are_and_each_is_of_a_kind_that_cannot_be_said(self) -> None:
        chosen = random.Random(9)
        texts = ["".join(chosen.choices(CHARACTERS, k=chosen.randint(0, 12))) for _ in range(2000)]
        texts += ["".join(chosen.choices(PIECES, k=chosen.randint(0, 7))) for _ in range(2000)]
        within = [text for text in texts if not is_blank_outside(text)]

        refused = [text for text in within if build_or_none(lambda text=text: C.message == text, text) is None]

        assert len(within) > 2000
        assert len(refused) / len(within) < 0.01

    @given(text=ANY_TEXTS, blank=st.sampled_from(BLANKS), at_end=st.booleans())
    def test_blanks_outside_always_are(self, text: str, blank: str, at_end: bool) -> None:
        text = text + blank if at_end else blank + text
        for way in WAYS:
            with pytest.raises(QueryError, match="blanks at its beginning or end"):
                getattr(C.message, way)(text)


COMPARED: dict[str, Callable[[int, int], bool]] = {
    "__eq__": lambda have, value: have == value,
    "__ne__": lambda have, value: have != value,
    "__lt__": lambda have, value: have < value,
    "__le__": lambda have, value: have <= value,
    "__gt__": lambda have, value: have > value,
    "__ge__": lambda have, value: have >= value,
}
INTS = st.integers(-(2**31), 2**31 - 1) | st.integers(-20, 20)


def ints_near(values: Iterable[int]) -> list[int]:
    """Return the numbers, their neighbours, their negatives and the ends of the 32-bit range."""
    near = {0, 1, -1, 2**31 - 1, -(2**31)}
    for value in values:
        near |= {value, value - 1, value + 1, -value, value * 10, value // 10, value ^ 16}
    return sorted(value for value in near if -(2**31) <= value < 2**31)


def holds_for(way: str, value: int, have: int | None, *, negate: bool) -> bool:
    return have is not None and COMPARED[way](have, value) is not negate


class TestNumbers:
    @given(
        value=INTS,
        way=st.sampled_from(list(COMPARED)),
        column=st.sampled_from(["recipientCount", "optOutLinkId"]),
        negate=st.booleans(),
    )
    def test_are_compared(self, search: Search, value: int, way: str, column: str, negate: bool) -> None:
        field = C.recipient_count if column == "recipientCount" else C.opt_out_link_id
        values = [*ints_near([value]), *([None] if column == "optOutLinkId" else [])]
        expression = getattr(field, way)(value)

        found = search.campaigns(
            [{"id": str(have), column: have} for have in values], filters=~expression if negate else expression
        )

        assert found == [str(have) for have in values if holds_for(way, value, have, negate=negate)]

    @given(chosen=st.lists(st.none() | INTS, min_size=1, max_size=5))
    def test_in_finds_each_and_its_contrary_all_others(self, search: Search, chosen: list[int | None]) -> None:
        values = [*ints_near(value for value in chosen if value is not None), None]
        rows = [{"id": str(have), "optOutLinkId": have} for have in values]
        expression = C.opt_out_link_id.in_(*chosen)

        assert search.campaigns(rows, filters=expression) == [str(have) for have in values if have in chosen]
        others = [str(have) for have in values if have is not None and have not in chosen]
        assert search.campaigns(rows, filters=~expression) == others

    @given(
        chosen=st.lists(st.sampled_from(CampaignStatus) | st.integers(-3, 70), min_size=1, max_size=4),
        negate=st.booleans(),
    )
    def test_a_status_is_one_of_its_numbers(self, search: Search, chosen: list[int], negate: bool) -> None:
        values = list(range(-4, 72))
        expression = C.status.in_(*chosen) if len(chosen) > 1 else C.status == chosen[0]

        found = search.campaigns(
            [{"id": str(have), "status": have} for have in values], filters=~expression if negate else expression
        )

        assert found == [str(have) for have in values if (have in chosen) is not negate]


MOMENTS = st.datetimes(
    dt.datetime(2, 1, 1),
    dt.datetime(9998, 12, 31),
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))),
)
YEAR_ONE = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
TICKS = 10_000_000


def ticks_of(moment: dt.datetime) -> int:
    return (moment - YEAR_ONE) // dt.timedelta(microseconds=1) * 10


def write_time(ticks: int, form: int) -> str:
    """Write a time in ticks of 100 ns since year 1, in one of the notations of rows."""
    seconds, fraction = divmod(ticks, TICKS)
    moment = YEAR_ONE + dt.timedelta(seconds=seconds)
    if form == 0:
        moment += dt.timedelta(hours=5, minutes=30)
    digits = f"{moment:%m-%dT%H:%M:%S}.{fraction:07}"
    return f"{moment.year:04}-{digits}{('+05:30', 'Z', '')[form]}"


class TestDates:
    @given(moment=MOMENTS, way=st.sampled_from(list(COMPARED)), negate=st.booleans())
    @example(dt.datetime(2031, 5, 1, 9, 30, 0, 120_000, tzinfo=dt.UTC), "__eq__", False)
    def test_are_compared_to_the_last_digit(self, search: Search, moment: dt.datetime, way: str, negate: bool) -> None:
        wanted = ticks_of(moment)
        around = (0, 1, 10, 10_000, TICKS, 3600 * TICKS, 86_400 * TICKS, 300 * 86_400 * TICKS)
        starts = sorted({wanted + sign * step for step in around for sign in (1, -1)})
        rows = [
            {"id": f"{form}/{start}", "startDateTime": write_time(start, form)} for start in starts for form in range(3)
        ]
        expression = getattr(C.start_date_time, way)(moment)

        found = search.campaigns(
            [*rows, {"id": "none", "startDateTime": None}], filters=~expression if negate else expression
        )

        assert found == [
            f"{form}/{start}" for start in starts for form in range(3) if holds_for(way, wanted, start, negate=negate)
        ]

    @given(first=MOMENTS, length=st.timedeltas(dt.timedelta(0), dt.timedelta(days=300)))
    def test_a_range_holds_its_beginning_and_not_its_end(
        self, search: Search, first: dt.datetime, length: dt.timedelta
    ) -> None:
        begin = ticks_of(first)
        end = begin + length // dt.timedelta(microseconds=1) * 10
        starts = sorted({begin, end, begin - 1, begin + 1, end - 1, end + 1, (begin + end) // 2})
        rows = [{"id": str(start), "startDateTime": write_time(start, 1)} for start in starts]
        field = C.start_date_time

        found = search.campaigns(rows, filters=(field >= first) & (field < first + length))

        assert found == [str(start) for start in starts if begin <= start < end]


def _blind_then_lower(one: str, two: str) -> int:
    """Compare texts without regard to case. If only case differs, lower case comes first."""
    for first, second in ((upper(one), upper(two)), (re.sub("[a-z]", "!", one), re.sub("[a-z]", "!", two))):
        if first != second:
            return -1 if first < second else 1
    return 0


SORTED: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "id": (C.id, functools.cmp_to_key(_blind_then_lower)),
    "sender": (C.sender, functools.cmp_to_key(_blind_then_lower)),
    "recipientCount": (C.recipient_count, int),
    "status": (C.status, int),
    "optOutLinkId": (C.opt_out_link_id, int),
    "startDateTime": (C.start_date_time, str),
}
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "sender": st.none() | st.text("abAB", max_size=2),
            "recipientCount": st.integers(-2, 2),
            "status": st.integers(0, 6),
            "optOutLinkId": st.none() | st.integers(-1, 1),
            "startDateTime": st.none() | st.integers(0, 2).map(lambda day: f"2031-05-0{day + 1}T09:30:00.000Z"),
        }
    ),
    max_size=20,
)


def in_order(rows: list[dict[str, Any]], names: list[tuple[str, bool]]) -> list[dict[str, Any]]:
    """Sort rows by several names, the first of which has priority. Null comes before any value."""
    for name, descending in reversed(names):
        key = SORTED[name][1]
        without = [row for row in rows if row[name] is None]
        others = [row for row in rows if row[name] is not None]
        others.sort(key=lambda row, name=name, key=key: key(row[name]), reverse=descending)
        rows = others + without if descending else without + others
    return rows


class TestSorts:
    @given(
        wires=ROWS,
        names=st.lists(
            st.tuples(st.sampled_from(list(SORTED)), st.booleans()), max_size=4, unique_by=lambda one: one[0]
        ),
        page_size=st.sampled_from([1, 3, 7, 10_000]),
        chosen=st.none() | st.integers(0, 6),
    )
    def test_order_rows_that_a_filter_leaves_across_pages(
        self,
        search: Search,
        wires: list[dict[str, Any]],
        names: list[tuple[str, bool]],
        page_size: int,
        chosen: int | None,
    ) -> None:
        rows = [{"id": f"r{at:02}", **wire} for at, wire in enumerate(wires)]
        sorts = [SORTED[name][0].desc() if descending else SORTED[name][0].asc() for name, descending in names]
        filters = None if chosen is None else C.status != chosen

        found = search.campaigns(rows, filters=filters, sorts=sorts, page_size=page_size)

        kept = [row for row in rows if row["status"] != chosen]
        assert found == [row["id"] for row in in_order(kept, names)]
