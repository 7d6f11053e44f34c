"""The matching rules: a create is found, absent or unknown."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
import pytest

from campaigns_async import Campaign, CampaignStatus, Contact, NewCampaign, NewContact
from campaigns_async._reconcile.assignment import Assignment
from campaigns_async._reconcile.matching import (
    Absent,
    Candidate,
    Found,
    SearchTarget,
    Unknown,
    Verdict,
    compare,
)
from campaigns_async._reconcile.recipients import Match

OTHER, MAYBE, OURS = Match
START = datetime(2031, 1, 11, 16, 0, 0, 492_000, tzinfo=UTC)
TEXT = "Nail trim, ears and a biscuit: £9, no appointment. Café’s open.\nReply STOP to opt out."
ANN, BEN, CAT = "07700900101", "07700900202", "07700900303"
GROUP = UUID(int=7)


def decide(of: SearchTarget, candidates: Iterable[Candidate]) -> Verdict:
    """Return the verdict on one create."""
    assignment = Assignment({0: of})
    for each in candidates:
        assignment.add(each)
    return assignment.decide()[0]


def target(*numbers: str | NewContact, ignore: bool | None = None, **fields: Any) -> SearchTarget:
    """Return a create of a campaign to these numbers."""
    contacts = [number if isinstance(number, NewContact) else NewContact(number) for number in numbers]
    new = NewCampaign(START, "PawsParlour", TEXT, contacts)  # type: ignore[arg-type]
    return SearchTarget(attrs.evolve(new, **fields), ignore)


def server_contacts(*numbers: str | Contact | None) -> tuple[Contact, ...]:
    """Return contacts as the server lists them."""
    return tuple(n if isinstance(n, Contact) else Contact(str(at), n) for at, n in enumerate(numbers))


def image(of: SearchTarget, **fields: Any) -> Campaign:
    """Return the campaign as a server lists it, with some fields changed."""
    new = of.new
    campaign = Campaign(
        "c1",
        new.start_date_time,
        new.sender,
        None,
        new.message,
        CampaignStatus.PENDING,
        new.opt_out_link_id,
        new.track_link_url,
    )
    return attrs.evolve(campaign, **fields)


def match(
    of: SearchTarget, contacts: Iterable[str | Contact | None] | None = None, *, complete: bool = True, **fields: Any
) -> Match:
    """Compare its image with these contacts, or with those that were sent. The server counts what it lists."""
    theirs = server_contacts(*([contact.phone_number for contact in of.new.contacts] if contacts is None else contacts))
    return compare(of, Candidate(image(of, **{"recipient_count": len(theirs), **fields}), theirs, complete))


# Fields


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, OURS),
        (-0.492, OURS),
        (1, OURS),
        (-1, OURS),
        (1.001, MAYBE),
        (-30, MAYBE),  # rounded to the minute
        (7 * 60, MAYBE),  # it had passed when the server read it
        (-3600, MAYBE),
        (7 * 86_400, MAYBE),
    ],
)
def test_a_start_within_a_second_is_ours_and_any_other_is_a_possible_match(seconds: float, expected: Match) -> None:
    assert match(target(ANN), start_date_time=START + timedelta(seconds=seconds)) is expected
    assert match(target(ANN), [BEN], start_date_time=START + timedelta(seconds=seconds)) is OTHER


@pytest.mark.parametrize("theirs", [None, datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1)], ids=str)
def test_a_start_that_is_missing_is_a_possible_match_whatever_the_text(theirs: datetime | None) -> None:
    assert match(target(ANN), start_date_time=theirs) is MAYBE
    assert match(target(ANN), start_date_time=theirs, message="Pizza") is MAYBE


def test_starts_are_compared_as_moments_and_one_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    of = target(ANN, start_date_time=START.astimezone(timezone(timedelta(hours=2))))
    assert match(of, start_date_time=START) is OURS
    assert match(of, start_date_time=START.replace(tzinfo=None)) is OURS
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("theirs", [None, " ", "PAWSPARLOUR", " PawsParlour", "PawsParl", "+447700900000", "CasaTapas"])
def test_another_sender_is_a_possible_match(theirs: str | None) -> None:
    assert match(target(ANN), sender=theirs) is MAYBE
    assert match(target(ANN), [BEN], sender=theirs) is OTHER


SAME_TEXT = [TEXT.replace("é", "e\u0301"), TEXT.replace("\n", "\r\n"), TEXT.replace("\n", "\r")]
ALTERED_TEXT = [
    TEXT + " STOP to 60123",
    TEXT[:40],
    TEXT.replace("’", "'").replace("é", "e"),
    TEXT.upper(),
    TEXT.strip() + " ",
    TEXT.replace("Nail trim", "Ear clip"),
    "****",
    "",
]
OTHER_TEXT = "Two large, one garlic bread, delivered Monday. Hot, or the next one’s free!"


@pytest.mark.parametrize("theirs", SAME_TEXT, ids=ascii)
def test_a_text_is_the_same_whatever_its_line_ends_and_composition(theirs: str) -> None:
    assert match(target(ANN), message=theirs) is OURS


@pytest.mark.parametrize("theirs", [None, *ALTERED_TEXT, OTHER_TEXT], ids=ascii)
def test_another_text_to_the_same_people_at_the_same_time_is_a_possible_match(theirs: str | None) -> None:
    assert match(target(ANN), message=theirs) is MAYBE
    assert match(target(ANN), [BEN], message=theirs) is OTHER


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [(None, 0, OURS), (0, None, OURS), (5, 5, OURS), (None, 5, MAYBE), (5, None, MAYBE), (5, 0, MAYBE), (5, 6, MAYBE)],
)
def test_no_opt_out_link_is_0_and_another_one_is_a_possible_match(
    ours: int | None, theirs: int | None, expected: Match
) -> None:
    assert match(target(ANN, opt_out_link_id=ours), opt_out_link_id=theirs) is expected


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (None, "", OURS),
        ("https://p.example/a", "https://p.example/a", OURS),
        ("https://p.example/a", "https://s.example/x", MAYBE),
        ("https://p.example/a", None, MAYBE),
        (None, "https://s.example/x", MAYBE),
    ],
)
def test_another_link_is_a_possible_match(ours: str | None, theirs: str | None, expected: Match) -> None:
    assert match(target(ANN, track_link_url=ours), track_link_url=theirs) is expected


def test_a_cancelled_campaign_may_be_an_earlier_one() -> None:
    expected = dict.fromkeys([None, *CampaignStatus], OURS) | {CampaignStatus.CANCELLED: MAYBE}
    assert {status: match(target(ANN), status=status) for status in expected} == expected


# People


@pytest.mark.parametrize("ignore", [None, True, False])
@pytest.mark.parametrize(
    "theirs",
    [[ANN, BEN], [BEN, ANN], [ANN, BEN, ANN], ["+44 (0)7700 900202", "447700900101"]],
    ids=["as sent", "in another order", "with one twice", "in another notation"],
)
def test_the_same_people_are_ours(theirs: list[str], ignore: bool | None) -> None:
    assert match(target(ANN, BEN, BEN, ignore=ignore), theirs) is OURS


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([ANN], [BEN]),
        ([ANN], [BEN, BEN]),
        ([ANN, "n/a"], [BEN, CAT]),
        ([ANN, "n/a", "n/a "], [BEN, CAT]),
        (["07700900101; 07700900202"], [CAT, "07700900404", "07700900505"]),
        ([ANN], ["+33612345678"]),
        ([ANN], ["020 7946 0123"]),
        ([ANN], [f"0770012{number:04}" for number in range(60)]),  # a few of them have a run of zeros
    ],
)
def test_a_campaign_to_nobody_of_ours_is_another_one_if_all_of_its_recipients_are_shown(
    ours: list[str], theirs: list[str]
) -> None:
    of = target(*ours)
    assert match(of, theirs) is OTHER
    assert match(of, theirs, complete=False) is MAYBE
    assert match(of, theirs, recipient_count=len(theirs) + 1) is MAYBE
    assert match(of, theirs, recipient_count=None) is MAYBE
    for hidden in (None, "", "***", "07700***404", "0770090", "8f2e11", "447700000000"):
        assert match(of, [*theirs[:8], hidden]) is MAYBE


def test_a_campaign_to_some_of_ours_is_a_possible_match() -> None:
    assert match(target(ANN), [ANN, BEN]) is MAYBE  # a monitor's number was added
    assert match(target(ANN, BEN), [BEN, CAT]) is MAYBE
    assert match(target(ANN), [ANN, None, "***", BEN]) is MAYBE


STRANGERS = [f"07701234{number:03}" for number in range(100, 180)]


@pytest.mark.parametrize(
    ("sent", "added", "ignore", "expected"),
    [
        (1, 10, None, MAYBE),
        (1, 11, None, OTHER),
        (80, 11, None, OTHER),
        (400, 20, None, MAYBE),
        (400, 21, None, OTHER),
    ],
)
def test_with_another_text_and_many_strangers_it_is_another_one(
    sent: int, added: int, ignore: bool | None, expected: Match
) -> None:
    ours = [f"07705555{number:03}" for number in range(sent)]
    of = target(*ours, ignore=ignore)
    theirs = [*ours, *STRANGERS[:added]]
    assert match(of, theirs, message=OTHER_TEXT) is expected
    assert match(of, theirs) is MAYBE
    assert match(of, theirs, message=None) is MAYBE
    assert match(of, theirs, message="****") is MAYBE
    assert match(of, theirs, message=TEXT + " STOP to 60123") is MAYBE
    assert match(of, [*theirs, None], message=OTHER_TEXT) is MAYBE


@pytest.mark.parametrize("ignore", [True, None, False])
def test_with_another_text_and_less_than_half_of_ours_it_is_another_one(ignore: bool | None) -> None:
    of = target(ANN, BEN, CAT, ignore=ignore)
    assert match(of, [ANN], message=OTHER_TEXT) is OTHER
    assert match(of, [ANN, BEN], message=OTHER_TEXT) is MAYBE
    assert match(of, [ANN]) is MAYBE
    # A server may have left out invalid numbers, unless it was to refuse them.
    of = target(ANN, "12345", "12346", "12347", ignore=ignore)
    assert match(of, [ANN], message=OTHER_TEXT) is (OTHER if ignore is False else MAYBE)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["0612345678"], ["+33612345678"]),  # French, taken for British
        (["+33612345678"], ["0612345678"]),
        (["012345"], ["+50012345"]),  # the Falklands have five digits
        ([ANN], ["07700***101"]),
        ([ANN], ["07700...101"]),
        ([ANN], [None]),
        ([ANN], ["*"]),
        ([ANN], ["0202"]),  # cut, or withheld
        ([ANN], ["07700 202"]),
        ([ANN], [ANN, ""]),
        ([ANN, "n/a"], [ANN, BEN, BEN]),
        (["n/a"], [ANN]),  # who knows what a server reads in what we cannot
        ([ANN], ["447700000000"]),  # hidden by zeros
        (["0800 FLOWERS"], ["0800 3569377"]),
    ],
)
def test_a_number_that_may_be_ours_in_disguise_is_a_possible_match(ours: list[str], theirs: list[str | None]) -> None:
    assert match(target(*ours), theirs) is MAYBE


def test_a_number_that_cannot_be_read_is_ours_when_it_comes_back_as_it_was() -> None:
    assert match(target(ANN, "n/a"), [ANN, " N/A "]) is OURS


BAD = ["12345", "n/a", "020 7946 0123", "0770090010", "1234567890123456"]


@pytest.mark.parametrize("bad", BAD, ids=ascii)
@pytest.mark.parametrize(("ignore", "expected"), [(True, OURS), (None, OURS), (False, MAYBE)])
def test_only_invalid_numbers_may_be_left_out_and_not_where_they_were_to_be_refused(
    bad: str,
    ignore: bool | None,
    expected: Match,
) -> None:
    assert match(target(ANN, bad, ignore=ignore), [ANN]) is expected
    assert match(target(ANN, bad, ignore=ignore), [ANN, bad]) is OURS
    assert match(target(ANN, BEN, bad, ignore=ignore), [ANN]) is MAYBE


@pytest.mark.parametrize("ignore", [None, True, False])
@pytest.mark.parametrize("missing", [BEN, "+33612345678", "12345678"])
def test_a_possible_number_that_is_missing_is_a_possible_match(missing: str, ignore: bool | None) -> None:
    assert match(target(ANN, missing, ignore=ignore), [ANN]) is MAYBE


@pytest.mark.parametrize(
    ("ours", "ignore", "count", "expected"),
    [
        ([ANN], None, 0, MAYBE),  # listed later
        ([ANN, *BAD], True, 0, MAYBE),
        (BAD, True, 0, OURS),
        (BAD, None, 0, OURS),
        (BAD, False, 0, MAYBE),
        (BAD, True, None, MAYBE),
        (BAD, True, 3, MAYBE),
    ],
)
def test_no_people_are_ours_only_where_none_can_be_and_the_server_counts_none(
    ours: list[str],
    ignore: bool | None,
    count: int | None,
    expected: Match,
) -> None:
    assert match(target(*ours, ignore=ignore), [], recipient_count=count) is expected


@pytest.mark.parametrize(("count", "expected"), [(None, OURS), (0, OURS), (2, OURS), (3, OURS), (4, MAYBE)])
def test_a_count_above_all_that_was_sent_is_a_possible_match_as_the_list_may_lag(
    count: int | None, expected: Match
) -> None:
    assert match(target(ANN, BEN, BEN), [ANN, BEN], recipient_count=count) is expected
    assert match(target(ANN, BEN, BEN), [ANN, CAT], recipient_count=count) is MAYBE


PERSON = NewContact(ANN, "Zoë O’Hara", "Gold", None)


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (Contact("1", ANN, "Zoë O’Hara", "Gold", None), OURS),
        (Contact("1", ANN, " ZOE\u0308  O’Hara", "gold ", ""), OURS),
        (Contact("1", ANN, None, None, None), OURS),
        (Contact("1", ANN, " ", "Gold", None), OURS),
        (Contact("1", ANN, "Zoë", "Gold", None), MAYBE),
        (Contact("1", ANN, "Zoë O’Hara", "Silver", None), MAYBE),
        (Contact("1", ANN, "Zoë O’Hara", "Gold", "Circle"), MAYBE),
        (Contact("1", ANN, "Gold", "Zoë O’Hara", None), MAYBE),
    ],
)
def test_the_same_number_under_another_name_is_a_possible_match(theirs: Contact, expected: Match) -> None:
    assert match(target(PERSON), [theirs]) is expected


def test_of_two_rows_with_one_number_a_server_may_keep_either() -> None:
    of = target(NewContact(ANN, "Ann"), NewContact(ANN, "Anna"))
    assert [match(of, [Contact("1", ANN, name)]) for name in ("Ann", "Anna", "Ben")] == [OURS, OURS, MAYBE]


def test_what_was_not_read_to_its_end_is_a_possible_match() -> None:
    of = target(ANN, BEN)
    assert match(of, [ANN, BEN], complete=False) is MAYBE
    assert match(of, [], complete=False) is MAYBE
    assert compare(of, Candidate(image(of))) is MAYBE
    assert compare(of, Candidate(image(of), None, complete=True)) is MAYBE


def test_where_a_group_was_named_strangers_are_others_only_if_the_numbers_that_were_sent_are_missing() -> None:
    of = target(NewContact(ANN, contact_group_id=GROUP), NewContact("12345"), NewContact(BEN))
    assert match(of, [ANN, BEN, CAT]) is MAYBE
    assert match(of, STRANGERS, message=OTHER_TEXT) is OTHER
    assert match(of, [ANN, *STRANGERS], message=OTHER_TEXT) is MAYBE
    assert match(target(NewContact("12345", contact_group_id=GROUP)), [CAT]) is MAYBE


# The decision


def candidate(of: SearchTarget, campaign_id: str, *numbers: str, **fields: Any) -> Candidate:
    fields = {"recipient_count": len(numbers), **fields}
    return Candidate(image(of, id=campaign_id, **fields), server_contacts(*numbers), complete=True)


def ids(verdict: object) -> list[str]:
    assert isinstance(verdict, Unknown)
    return [campaign.id for campaign in verdict.candidates]


def test_one_that_is_ours_is_found_among_others() -> None:
    of = target(ANN)
    others = [candidate(of, "b", BEN), candidate(of, "s", CAT, sender="CasaTapas")]
    assert decide(of, [*others, candidate(of, "a", ANN)]) == Found("a")


def test_it_is_absent_when_all_are_others_or_there_are_none() -> None:
    of = target(ANN)
    assert decide(of, []) == Absent()
    assert decide(of, [candidate(of, "b", BEN), candidate(of, "c", CAT)]) == Absent()


def test_a_possible_match_leaves_it_unknown() -> None:
    of = target(ANN)
    assert ids(decide(of, [candidate(of, "b", BEN), candidate(of, "a", ANN, message=OTHER_TEXT)])) == ["a"]


def test_two_certain_matches_leave_it_unknown() -> None:
    of = target(ANN)
    assert ids(decide(of, [candidate(of, "b", ANN), candidate(of, "a", ANN)])) == ["a", "b"]


def test_a_certain_beside_a_possible_match_leaves_it_unknown_and_comes_first() -> None:
    of = target(ANN)
    both = [candidate(of, "a", ANN, message=None), candidate(of, "b", ANN), candidate(of, "c", BEN)]
    assert ids(decide(of, both)) == ["b", "a"]


def test_a_campaign_listed_twice_is_one() -> None:
    of = target(ANN)
    assert decide(of, [candidate(of, "a", ANN), candidate(of, "a", ANN, status=None)]) == Found("a")
    assert decide(of, [candidate(of, "a", BEN), candidate(of, "a", CAT)]) == Absent()


def test_two_readings_of_one_campaign_that_differ_leave_it_unknown() -> None:
    of = target(ANN)
    changing = [candidate(of, "a", ANN), candidate(of, "a", BEN), candidate(of, "a", ANN, status=None)]
    assert ids(decide(of, changing)) == ids(decide(of, changing[::-1])) == ["a"]
    assert decide(of, changing) == decide(of, changing[::-1])


# Beside the rules


def test_the_work_grows_with_the_number_of_contacts_and_not_with_its_square() -> None:
    assert steps(2000) < 2.5 * steps(1000)


def steps(count: int) -> int:
    """Count the function calls, of Python and C, that a comparison of `count` similar contacts takes."""
    ours = [NewContact(f"0612{at:07}", "Ann") for at in range(count)]  # each ends like one of theirs, none is equal
    theirs = [Contact(str(at), f"+33612{at:07}") for at in range(count)]
    ours += [NewContact(ANN, f"Name {at}") for at in range(count)]
    theirs += [Contact(str(at), ANN, f"Name {count - at}") for at in range(count)]
    calls = 0

    def count_calls(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_calls)
    try:
        found = match(target(*ours), theirs)
    finally:
        sys.setprofile(before)
    assert found is MAYBE
    return calls


def test_nothing_shows_numbers_names_or_texts() -> None:
    of = target(PERSON, "n/a secret")
    one = Candidate(image(of), (Contact("1", ANN, "Zoë"),), complete=True)
    verdict = decide(of, [one, attrs.evolve(one, campaign=image(of, id="c2"))])
    shown = "".join(
        f"{value!r}{value}" for value in (of, of.recipients, one, attrs.evolve(one, contacts=None), verdict)
    )
    for secret in (ANN, "7700900101", "Zoë", "zoe", "Gold", "gold", "secret", "Nail", "Paws", "0900101"):
        assert secret not in shown
    assert "contacts=<1>" in shown
    assert "contacts=None" in shown
