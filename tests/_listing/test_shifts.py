"""Rows that come and go while a listing is read: each that stays comes once, or it raises."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle

import pytest
from support.shifting import Shifting

from campaigns_async import Checkpoint, Page, PageShiftedError, PagingError
from campaigns_async._listing.prefetch import Pages, Source
from campaigns_async._listing.window import Window
from campaigns_async.paging import Paginator, read_at_full_speed

SEEDS = int(os.environ.get("PAGING_SEEDS", "150"))


@pytest.mark.parametrize("prefetch", [0, 1, 4])
async def test_each_row_that_is_not_deleted_comes_once_or_it_raises(prefetch: int) -> None:
    exact = raised = moved = 0
    for seed in range(SEEDS):
        server = Shifting(120, seed, change=[0.05, 0.2, 0.5][seed % 3])
        listing = server.listing(page_size=[1, 7, 10, 50][seed % 4], prefetch=prefetch)
        seen: list[str] = []
        try:
            async for row in listing:
                seen.append(row)
        except PageShiftedError as error:
            raised += 1
            assert error.checkpoint.rows == len(seen)
        else:
            exact += 1
            assert [row for row in seen if row in set(server.stable)] == server.stable, f"seed {seed}"
        assert len(seen) == len(set(seen)), f"seed {seed}: a row came twice"
        moved += len(server.stable) < 120
    assert exact > SEEDS * 0.85, (exact, raised)
    assert moved > SEEDS * 0.5, "the histories were too quiet to show anything"


@pytest.mark.parametrize("keep_full", [False, True])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.slow
async def test_by_the_page_each_row_that_is_not_deleted_comes_once_or_it_raises(prefetch: int, keep_full: bool) -> None:
    exact = 0
    for seed in range(SEEDS):
        server = Shifting(120, seed, change=[0.05, 0.2, 0.5][seed % 3])
        listing = server.listing(page_size=[1, 7, 10, 50][seed % 4], prefetch=prefetch)
        seen: list[str] = []
        try:
            async for page in read_at_full_speed(listing) if keep_full else listing.pages():
                seen.extend(page.items)
                assert listing.checkpoint.rows == len(seen)
        except PageShiftedError as error:
            assert error.checkpoint.rows == len(seen)
        else:
            exact += 1
            assert [row for row in seen if row in set(server.stable)] == server.stable, f"seed {seed}"
        assert len(seen) == len(set(seen)), f"seed {seed}: a row came twice"
    assert exact > SEEDS * (0.8 if keep_full else 0.85)


class Held:
    """A listing of 40 pages, each of which is answered when the test says so."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.waiting: dict[int, asyncio.Future[None]] = {}

    async def fetch(self, index: int, size: int) -> Page[str]:
        self.asked.append(index)
        self.waiting[index] = asyncio.get_running_loop().create_future()
        await self.waiting[index]
        return Page(index, 40, 40 * size, tuple(f"{index}.{row}" for row in range(size)))

    async def answer(self, *indexes: int) -> None:
        """Answer all of them in the same iteration of the loop."""
        for index in indexes:
            self.waiting.pop(index).set_result(None)
        await settle()

    def pages(self, prefetch: int, *, keep_full: bool) -> Pages[str]:
        listing = Paginator(Source(self.fetch, list), Checkpoint("test", 5), prefetch=prefetch)
        return read_at_full_speed(listing) if keep_full else listing.pages()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def walk(pages: Pages[str], taken: list[int | None]) -> None:
    async for page in pages:
        taken.append(page.index)
        await asyncio.sleep(0)  # such as a write


@pytest.mark.parametrize("keep_full", [False, True])
@pytest.mark.parametrize("prefetch", [2, 5])
async def test_pages_that_arrive_together_leave_the_window_full(prefetch: int, keep_full: bool) -> None:
    server, taken = Held(), []
    walking = asyncio.create_task(walk(server.pages(prefetch, keep_full=keep_full), taken))
    await settle()
    await server.answer(1)
    for _ in range(5):
        assert len(server.waiting) == prefetch, server.asked
        await server.answer(*server.waiting)
    assert taken == list(range(1, 2 + 5 * prefetch))
    walking.cancel()
    await asyncio.wait([walking])


@pytest.mark.parametrize("prefetch", [2, 5])
async def test_pages_that_arrive_one_by_one_leave_the_window_full(prefetch: int) -> None:
    server, taken = Held(), []
    walking = asyncio.create_task(walk(server.pages(prefetch, keep_full=True), taken))
    await settle()
    await server.answer(1)
    for index in range(2, 30):
        assert len(server.waiting) == prefetch, server.asked
        await server.answer(index)
        # Those that were on their way with it have come when `prefetch - 1` more have.
        assert taken == list(range(1, max(2, index - prefetch + 2)))
    assert server.asked == list(range(1, 30 + prefetch))
    walking.cancel()
    await asyncio.wait([walking])


@pytest.mark.parametrize(("prefetch", "keep_full", "held"), [(0, True, 0), (1, True, 1), (3, False, 3), (3, True, 5)])
async def test_while_the_reader_pauses_no_more_pages_are_fetched_than_may_be_held(
    prefetch: int, keep_full: bool, held: int
) -> None:
    server = Held()
    pages = server.pages(prefetch, keep_full=keep_full)
    first = asyncio.create_task(anext(pages))
    await settle()
    await server.answer(1)
    assert (await first).index == 1
    for _ in range(10):
        await server.answer(*server.waiting)
    assert server.asked == list(range(1, 2 + held))


async def at_page_1(server: Held, pages: Pages[str]) -> None:
    first = asyncio.create_task(anext(pages))
    await settle()
    await server.answer(1)
    await first


async def test_nothing_more_is_asked_for_once_a_page_failed_or_nobody_reads() -> None:
    server = Held()
    pages = server.pages(3, keep_full=True)
    await at_page_1(server, pages)
    server.waiting.pop(2).set_exception(PagingError("gone"))
    await settle()
    assert server.asked == [1, 2, 3, 4]
    await server.answer(3)
    assert server.asked == [1, 2, 3, 4, 5, 6]
    with pytest.raises(PagingError, match="gone"):
        await anext(pages)
    await server.answer(4, 5)  # what failed is asked for again when the reader asks, not by itself
    assert server.asked == [1, 2, 3, 4, 5, 6]
    again = asyncio.create_task(anext(pages))
    await settle()
    assert server.asked == [1, 2, 3, 4, 5, 6, 2]
    await server.answer(2, 6)
    assert (await again).index == 2
    del pages, again
    gc.collect()
    await settle()
    assert all(answer.cancelled() for answer in server.waiting.values())


@pytest.mark.parametrize("keep_full", [False, True])
async def test_closed_while_a_page_is_waited_for_it_is_handed_out_and_no_other_asked_for(keep_full: bool) -> None:
    server = Held()
    pages = server.pages(3, keep_full=keep_full)
    first = asyncio.create_task(anext(pages))
    await settle()
    await server.answer(1)
    await first
    second = asyncio.create_task(anext(pages))
    await settle()
    waiting = server.waiting.copy()
    await pages.aclose()
    assert [index for index, answer in waiting.items() if answer.cancelled()] == [3, 4]
    await server.answer(2)
    assert (await second).index == 2
    await settle()
    assert server.asked == [1, 2, 3, 4]


@pytest.mark.parametrize("prefetch", [0, 3])
async def test_a_walk_resumes_exactly_though_rows_came_and_went_meanwhile(prefetch: int) -> None:
    exact = 0
    for seed in range(SEEDS):
        server = Shifting(90, seed, change=0.15)
        seen: list[str] = []
        checkpoint: Checkpoint | None = None
        try:
            for _ in range(100):
                listing = server.listing(page_size=7, prefetch=prefetch, start=checkpoint)
                stop = server.random.randrange(1, 40)
                walk = aiter(listing)
                async for row in walk:
                    seen.append(row)
                    stop -= 1
                    if not stop:
                        break
                await walk.aclose()  # what was still being read ahead is no evidence for the next walk
                checkpoint = pickle.loads(pickle.dumps(listing.checkpoint))
                assert checkpoint.rows == len(seen)
                if stop:
                    break
        except PageShiftedError:
            continue
        exact += 1
        assert [row for row in seen if row in set(server.stable)] == server.stable, f"seed {seed}"
        assert len(seen) == len(set(seen)), f"seed {seed}: a row came twice"
    assert exact > SEEDS * 0.9


@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize("cap", [1, 3, 10])
@pytest.mark.parametrize("prefetch", [0, 2])
async def test_a_server_that_caps_the_rows_taken_but_not_those_skipped_loses_none(
    cap: int, prefetch: int, totals: bool
) -> None:
    server = Shifting(47, 1, change=0.0, cap=cap, totals=totals)
    listing = server.listing(page_size=10, prefetch=prefetch)
    assert await listing.collect() == server.rows


async def test_without_a_shift_no_page_is_read_twice() -> None:
    server = Shifting(100, 1, change=0.0)
    assert len(await server.listing(page_size=10, prefetch=3).collect()) == 100
    assert server.reads == 10 + 1  # one more after a full page


async def test_a_deleted_page_in_front_of_the_place_loses_nothing() -> None:
    walk = Walk([f"r{n}" for n in range(40)], 10)
    assert walk.read() == [f"r{n}" for n in range(10)]
    del walk.rows[:8]
    assert walk.rest() == [f"r{n}" for n in range(10, 40)]


async def test_an_insert_far_larger_than_a_page_repeats_nothing() -> None:
    walk = Walk([f"r{n}" for n in range(40)], 10)
    walk.read()
    walk.rows[:0] = [f"n{n}" for n in range(35)]
    assert walk.rest() == [f"r{n}" for n in range(10, 40)]


async def test_an_insert_and_a_delete_between_two_reads_show_in_the_overlap() -> None:
    walk = Walk([f"r{n}" for n in range(40)], 10)
    walk.read()
    walk.rows.insert(0, "new")
    walk.rows.pop()
    assert walk.rest() == [f"r{n}" for n in range(10, 39)]


async def test_a_row_that_the_server_lists_twice_is_no_shift() -> None:
    walk = Walk(["a", "b", "c", "d", "b", "e", "f"], 3)
    assert walk.rest() == ["a", "b", "c", "d", "e", "f"]


async def test_a_row_that_is_twice_on_a_page_comes_once() -> None:
    walk = Walk(["a", "b", "a", "c", "d", "d"], 3)
    assert walk.rest() == ["a", "b", "c", "d"]


async def test_when_all_rows_handed_out_are_deleted_the_rest_still_comes() -> None:
    walk = Walk([f"r{n}" for n in range(30)], 10)
    walk.read()
    del walk.rows[:10]
    assert walk.rest() == [f"r{n}" for n in range(10, 30)]


async def test_when_more_is_gone_than_is_remembered_it_raises_with_a_checkpoint() -> None:
    walk = Walk([f"r{n}" for n in range(3000)], 100)
    seen = [row for _ in range(20) for row in walk.read()]
    assert len(seen) == 2000
    del walk.rows[:2000]
    with pytest.raises(PageShiftedError, match="none of the rows handed out last") as lost:
        walk.rest()
    assert lost.value.checkpoint.rows == 2000
    assert pickle.loads(pickle.dumps(lost.value)).checkpoint == lost.value.checkpoint


async def test_a_list_that_never_stands_still_raises() -> None:
    walk = Walk([f"r{n}" for n in range(100)], 10)
    walk.read()
    walk.restless = True
    with pytest.raises(PageShiftedError, match="faster than it can be read"):
        walk.rest()


async def test_an_empty_page_before_the_end_raises() -> None:
    window: Window[str] = Window(Checkpoint("test", 10), list)
    with pytest.raises(PagingError, match="empty page before the end"):
        window.accept(Page(1, 3, 30, ()))


async def test_a_server_that_ignores_paging_raises() -> None:
    window: Window[str] = Window(Checkpoint("test", 2), list)
    with pytest.raises(PagingError, match="ignores paging"):
        window.accept(Page(1, 1, 3, ("a", "b", "c")))


async def test_memory_stays_flat() -> None:
    window: Window[str] = Window(Checkpoint("test", 100), list)
    for index in range(1, 3000):
        list(window.accept(Page(index, 3000, 300_000, tuple(f"{index}.{n}" for n in range(100)))))
    assert window._recent._count <= 512 + 100
    assert len(window._seen) <= 1024
    assert len(pickle.dumps(window.checkpoint)) < 2000


class Walk:
    """Drives a window by hand over rows that the test moves."""

    def __init__(self, rows: list[str], size: int) -> None:
        self.rows = rows
        self.restless = False
        self.window: Window[str] = Window(Checkpoint("test", size), list)

    def read(self) -> list[str]:
        """Return the next new rows; no rows at the end."""
        while (wanted := self.window.next_request()) is not None:
            index, size = wanted
            if self.restless:
                self.rows[:0] = [f"n{len(self.rows) + more}" for more in range(25)]
            items = tuple(self.rows[(index - 1) * size : index * size])
            found = list(self.window.accept(Page(index, -(-len(self.rows) // size), len(self.rows), items)))
            if found:
                return found
        return []

    def rest(self) -> list[str]:
        """Return all rows up to the end."""
        found = self.read()
        return found + self.rest() if found else []


@pytest.mark.parametrize("rows", [1, 49, 50, 51, 80, 99, 100, 101, 250])
async def test_a_cap_shows_even_where_all_rows_would_fit_into_one_page(rows: int) -> None:
    server = Shifting(rows, 1, change=0.0, cap=50)
    assert await server.listing(page_size=100, prefetch=1).collect() == server.rows


async def test_an_iterator_is_advanced_by_one_task_at_a_time() -> None:
    walk = aiter(Shifting(30, 1, change=0.0).listing(page_size=5, prefetch=0))
    found = await asyncio.gather(*(anext(walk) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(one, RuntimeError) for one in found) == 2
    assert len([row async for row in walk]) == 29
