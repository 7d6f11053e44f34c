"""What people do to a journal between two runs, so that it no longer tells what was sent."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from attrs import evolve

from campaigns_async.effects import State
from simulation import kinds
from simulation.jobs_journal import Files, JournalOnDisk
from simulation.jobs_life import Life, Orders, Point
from simulation.jobs_script import JobScript

_SHARE: Final = 0.3
"""The share of the stories in which somebody does something to the journal before a run."""


class Meddler:
    """A person who puts back, copies or loses files of a journal.

    Args:
        dice: The source of random numbers.
        script: The script of the seed.
        counts: Counts what the person does.
    """

    def __init__(self, dice: random.Random, script: JobScript, counts: Counter[str]) -> None:
        self._dice = dice
        self._script = script
        self._counts = counts
        but = () if script.preflight else ("journal doubled", "wrong account")  # without it nothing tells
        self._names = [name for name in kinds.JOURNALS if name in kinds.DRAWN and name not in but]
        self._distrusts = False

    def meddle(self, life: Life, point: Point, orders: Orders, backups: Sequence[Files]) -> tuple[Point, Orders]:
        """Return the point from which the next life begins, and its orders.

        Args:
            life: The life before.
            point: Its end.
            orders: The orders of the next life.
            backups: What the disk held at earlier moments.
        """
        # A journal that was put back is trusted again when a run has sent all that it had to.
        is_done = point.kind == "end" and life.summary is not None and life.summary.stopped is None
        self._distrusts = self._distrusts and not is_done
        if not orders.calm and self._names and self._dice.random() < _SHARE:
            name = self._dice.choice(self._names)
            changed = self._apply(name, point, orders, backups)
            if changed is not None:
                self._counts[name] += 1
                point, orders = changed
        return point, evolve(orders, distrusts=self._distrusts)

    def _apply(self, name: str, point: Point, orders: Orders, backups: Sequence[Files]) -> tuple[Point, Orders] | None:
        """Return what is left after a kind of meddling; None where it is not possible."""
        files = point.files
        match name:
            case "journal restored":
                older = [each for each in backups if each.database and each.database != files.database]
                return self._put_back(point, self._dice.choice(older), orders) if older else None
            case "journal without its log" if files.log:
                return self._put_back(point, evolve(files, log=b""), orders)
            case "journal doubled" if self._is_quiet(point):
                self._distrusts = True
                return evolve(point, files=Files()), orders
            # A journal without rows, as an early backup is, is a new one without its lock file: only a preflight tells.
            case "lock file lost" if files.lock is not None and (point.rows or self._script.preflight):
                return evolve(point, files=evolve(files, lock=None)), orders
            case "lock file lost in a run":
                return point, evolve(orders, loses_lock=self._dice.random() ** 2 * 5.0)
            case "wrong account" if any(row.state is State.CREATED for row in point.rows.values()):
                return point, evolve(orders, elsewhere=True)
            case _:
                return None

    def _put_back(self, point: Point, copy: Files, orders: Orders) -> tuple[Point, Orders] | None:
        if point.files.lock is None and not _has_rows(copy):
            return None  # nothing tells it from a new journal
        self._distrusts = True
        return evolve(point, files=evolve(copy, lock=point.files.lock)), orders

    def _is_quiet(self, point: Point) -> bool:
        """Return True if all that was sent shows in lists, as it was sent."""
        standing = point.standing
        shows = all(made.hidden_until <= point.at for made in standing.made) and not standing.coming
        return point.kind == "end" and shows and self._script.is_plain and self._script.around.list_fault.kind is None


def _has_rows(files: Files) -> bool:
    journal = JournalOnDisk(files)
    journal.delete()
    return bool(journal.rows)
