"""What a demo run came to, counted on either side, and where the two sides differ. Pure."""

from __future__ import annotations

from attrs import field, frozen


@frozen
class Counts:
    """What one side counted; None where it has no way to count that."""

    requests: int | None
    throttled: int | None
    """Answers with 429 or 503."""
    dropped: int | None
    """Requests whose connection ended without an answer."""


@frozen
class Readback:
    """Something that was read back, against the plan."""

    expected: int
    got: int
    same: bool
    """Whether it was the very rows."""


@frozen
class Report:
    """All figures of a run. Rows of the plan are counted from 0."""

    planned: int
    ids: tuple[str, ...] = field(repr=False)
    """Of what the client holds for created, one for each row."""
    failures: tuple[tuple[str, int], ...]
    """Rows that failed without being in doubt: the error's class, and how many."""
    calls: int
    """Creates that the client finished, each with however many requests."""
    retried: int
    """Requests that the client sent again by itself."""
    doubts: int
    """How often the client could not know whether a create was carried out."""
    found: int
    """Doubts settled because it was on the server."""
    absent: int
    """Doubts settled because it was certainly not there: sent again."""
    left: int
    """Doubts that were not settled."""
    client: Counts
    server: Counts
    server_ids: tuple[str, ...] = field(repr=False)
    """Of what the server has created in this run."""
    copies: tuple[int, ...] = field(repr=False)
    """How often each row is on the server, by content."""
    strangers: int
    """Campaigns that the server created in this run and that are no row of the plan."""
    listings: tuple[Readback, ...]
    """Campaigns of a sender, through a filter."""
    streams: tuple[Readback, ...]
    """Contacts of a campaign."""
    creating: float
    """Seconds from the first create to the end of the fan-out."""
    elapsed: float
    """Seconds in all."""

    @property
    def rate(self) -> float:
        """Campaigns a second during the fan-out."""
        return self.planned / self.creating if self.creating > 0 else 0.0


def discrepancies(report: Report) -> tuple[str, ...]:
    """Every figure that is off, in a sentence each; none when all is well."""
    return (
        *_created(report),
        *_doubts(report),
        *_both_sides(report),
        *_read_back("campaigns listed back", report.listings),
        *_read_back("contacts streamed", report.streams),
    )


def _created(report: Report) -> list[str]:
    planned, held, stored = report.planned, len(report.ids), len(report.server_ids)
    ids, server_ids = set(report.ids), set(report.server_ids)
    failed, why = sum(count for _, count in report.failures), ", ".join(name for name, _ in report.failures)
    handed_in = planned + report.absent
    missing, many = report.copies.count(0), sum(copies > 1 for copies in report.copies)
    return _off(
        (failed, f"created: {failed} of {planned} rows failed ({why})"),
        (held != planned, f"created: the client holds {held} ids for {planned} rows"),
        (held != len(ids), f"created: {held - len(ids)} ids were given out twice"),
        (ids - server_ids, f"created: {len(ids - server_ids)} of the client's ids are not on the server"),
        (server_ids - ids, f"created: the client knows nothing of {len(server_ids - ids)} ids on the server"),
        (stored != planned, f"created: the server counts {stored}, the plan {planned}"),
        (report.calls != handed_in, f"created: {report.calls} calls were made for {handed_in} rows"),
        (len(report.copies) != planned, f"content: {len(report.copies)} of {planned} rows were compared"),
        (missing, f"content: {missing} rows of the plan are not on the server"),
        (many, f"content: {many} rows of the plan are on the server more than once"),
        (report.strangers, f"content: {report.strangers} campaigns on the server are no row of the plan"),
    )


def _doubts(report: Report) -> list[str]:
    settled = report.found + report.absent + report.left
    return _off(
        (report.left, f"in doubt: {report.left} could not be settled; they were not sent again"),
        (report.doubts != settled, f"in doubt: {report.doubts} arose, {settled} are accounted for"),
    )


def _both_sides(report: Report) -> list[str]:
    pairs = (
        ("requests", report.client.requests, report.server.requests),
        ("throttled answers", report.client.throttled, report.server.throttled),
        ("connections dropped", report.client.dropped, report.server.dropped),
    )
    return [
        f"{what}: the client counted {client}, the server {server}"
        for what, client, server in pairs
        if client is not None and server is not None and client != server
    ]


def _read_back(what: str, found: tuple[Readback, ...]) -> list[str]:
    expected, got = sum(one.expected for one in found), sum(one.got for one in found)
    different = sum(not one.same or one.expected != one.got for one in found)
    return _off(
        (not found, f"{what}: nothing was read back"),
        (different, f"{what}: {got} rows for {expected}; {different} of {len(found)} reads differ from the plan"),
    )


def _off(*checks: tuple[object, str]) -> list[str]:
    return [sentence for is_off, sentence in checks if is_off]
