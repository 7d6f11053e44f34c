"""The assignment of campaigns to creates, over all unknown rows at once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from attrs import evolve
from hypothesis import given, strategies as st
from support.made import START
from support.properties import more_examples

from campaigns_async._reconcile.assignment import Assignment
from campaigns_async._reconcile.matching import Absent, Candidate, Found, SearchTarget, Unknown, Verdict
from campaigns_async.models import Campaign, CampaignStatus, Contact, NewCampaign, NewContact


def new(*numbers: str, message: str = "See you.", hours: float = 0) -> NewCampaign:
    return NewCampaign(START + timedelta(hours=hours), "Golf", message, [NewContact(number) for number in numbers])


def number(person: int) -> str:
    return f"07700900{person:03}"


def store(campaign_id: str, sent: NewCampaign) -> Candidate:
    """Return the candidate that the server has for a campaign."""
    contacts = tuple(Contact(f"{campaign_id}-{i}", each.phone_number) for i, each in enumerate(sent.contacts))
    campaign = Campaign(
        campaign_id, sent.start_date_time, sent.sender, len(contacts), sent.message, CampaignStatus.PENDING
    )
    return Candidate(campaign, contacts, complete=True)


def assign(rows: list[NewCampaign], candidates: list[Candidate]) -> dict[int, Verdict]:
    """Return the verdicts by the rows' indexes in the list."""
    assignment = Assignment({index: SearchTarget(each) for index, each in enumerate(rows)})
    for candidate in candidates:
        assignment.add(candidate)
    return assignment.decide()


def test_two_hundred_rows_with_one_text_each_find_their_own() -> None:
    rows = [new(number(person), f"+44 7700 901{person:03}") for person in range(200)]
    candidates = [store(f"c{index}", each) for index, each in enumerate(rows) if index % 3]
    found = assign(rows, candidates[::-1])

    assert found == {index: Found(f"c{index}") if index % 3 else Absent() for index in range(200)}


def test_rows_that_are_equal_are_found_when_their_counts_match() -> None:
    twin = new(number(1))
    assert set(assign([twin, twin], [store("a", twin), store("b", twin)]).values()) == {Found("a"), Found("b")}
    assert assign([twin, twin], []) == {0: Absent(), 1: Absent()}


def test_of_equal_rows_as_many_are_found_as_there_are_campaigns() -> None:
    twin = new(number(1))
    assert assign([twin, twin], [store("a", twin)]) == {0: Found("a"), 1: Absent()}
    more = [store(name, twin) for name in "abc"]
    unknown = Unknown(tuple(each.campaign for each in more))
    assert assign([twin, twin], more) == {0: unknown, 1: unknown}


def test_of_equal_rows_those_that_were_certainly_carried_out_are_found_first() -> None:
    twin = new(number(1))
    assignment = Assignment({0: SearchTarget(twin), 1: SearchTarget(twin, is_applied=True)})
    assignment.add(store("a", twin))
    assert assignment.decide() == {0: Absent(), 1: Found("a")}


def test_two_texts_to_the_same_people_are_both_found_when_both_are_there() -> None:
    rows = [new(number(1)), new(number(1), message="Bring your clubs.")]
    candidates = [store("a", rows[0]), store("b", rows[1])]

    assert assign(rows, candidates) == {0: Found("a"), 1: Found("b")}


def test_a_campaign_that_is_another_row_s_is_no_match_whatever_they_share() -> None:
    rows = [new(number(1)), new(number(1), message="Bring your clubs.")]
    assert assign(rows, [store("a", rows[0])]) == {0: Found("a"), 1: Absent()}

    # There are more of them than creates of that content: one of them may be the other's, altered.
    both = [store("a", rows[0]), store("b", rows[0])]
    unknown = Unknown(tuple(each.campaign for each in both))
    assert assign(rows, both) == {0: unknown, 1: unknown}


def test_a_row_whose_text_was_altered_stays_unknown() -> None:
    row = new(number(1), message="See  you .")
    altered = store("a", evolve(row, message="See you."))
    assert assign([row], [altered]) == {0: Unknown((altered.campaign,))}


def test_a_campaign_to_other_people_is_nobodys() -> None:
    rows = [new(number(1)), new(number(2))]
    assert assign(rows, [store("a", new(number(3)))]) == {0: Absent(), 1: Absent()}


def test_contacts_that_show_up_late_are_no_proof_of_absence() -> None:
    rows = [new(number(1)), new(number(2))]
    bare = Candidate(store("a", rows[0]).campaign, (), complete=True)
    assert all(isinstance(verdict, Unknown) for verdict in assign(rows, [bare]).values())


def test_a_number_that_cannot_be_read_is_compared_with_everyones() -> None:
    rows = [new("ask Ann"), new(number(2))]
    theirs = store("a", new(number(7)))
    found = assign(rows, [theirs])
    assert isinstance(found[0], Unknown)
    assert found[1] == Absent()


PEOPLE = st.frozensets(st.integers(0, 5), min_size=1, max_size=3)
ROWS = st.lists(
    st.builds(
        lambda people, message, hours: new(*map(number, sorted(people)), message=message, hours=hours),
        PEOPLE,
        st.sampled_from(["See you.", "Bring your clubs.", "Rain: we meet indoors."]),
        st.sampled_from([0, 0, 48]),
    ),
    min_size=1,
    max_size=7,
)


@more_examples(8)
@given(rows=ROWS, there=st.lists(st.booleans(), min_size=7, max_size=7), others=ROWS, order=st.randoms())
def test_no_more_rows_are_absent_than_are_not_there_and_none_is_found_twice(
    rows: list[NewCampaign], there: list[bool], others: list[NewCampaign], order: object
) -> None:
    mine = [store(f"mine-{index}", each) for index, each in enumerate(rows) if there[index]]
    foreign = [store(f"other-{index}", each) for index, each in enumerate(others) if each not in rows]
    found = assign(rows, [*foreign, *mine])

    for index, verdict in found.items():
        if isinstance(verdict, Found):
            owner = int(verdict.campaign_id.removeprefix("mine-"))
            assert rows[owner] == rows[index]
            assert there[owner]
    ids = [verdict.campaign_id for verdict in found.values() if isinstance(verdict, Found)]
    assert len(ids) == len(set(ids))
    # Of rows of one content, as many are found as are there, and no more are absent than are not there.
    for content, count in Counter(rows).items():
        indexes = [index for index, row in enumerate(rows) if row == content]
        number = sum(there[index] for index in indexes)
        assert sum(isinstance(found[index], Found) for index in indexes) in (0, number)
        assert sum(isinstance(found[index], Absent) for index in indexes) <= count - number


@given(rows=ROWS, there=st.lists(st.booleans(), min_size=7, max_size=7), order=st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(rows: list[NewCampaign], there: list[bool], order: object) -> None:
    candidates = [store(f"c{index}", each) for index, each in enumerate(rows) if there[index]]
    shuffled = candidates.copy()
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assign(rows, candidates) == assign(rows, shuffled)


@given(rows=ROWS, there=st.lists(st.booleans(), min_size=7, max_size=7))
def test_skipping_rows_by_their_people_changes_no_verdict(rows: list[NewCampaign], there: list[bool]) -> None:
    candidates = [store(f"c{index}", each) for index, each in enumerate(rows) if there[index]]

    class Thorough(Assignment):
        def _find_groups(self, candidate: Candidate) -> range:
            return range(len(self._groups))

    targets = {index: SearchTarget(each) for index, each in enumerate(rows)}
    quick, thorough = Assignment(targets), Thorough(targets)
    for candidate in candidates:
        quick.add(candidate)
        thorough.add(candidate)
    assert quick.decide() == thorough.decide()
