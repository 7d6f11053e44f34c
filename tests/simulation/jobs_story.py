"""All that can become of a job of one seed: a crash at every point of its first life, and what follows on each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

from attrs import define, evolve, field

from campaigns_async.effects import State
from campaigns_async.jobs import JournalRow, Mark
from simulation.jobs_invariants import check_last, was_put_back
from simulation.jobs_journal import Files
from simulation.jobs_lies import Meddler
from simulation.jobs_life import BIRTH, Interruption, Life, Orders, Point
from simulation.jobs_script import JobScript
from simulation.server import source

_AGAIN = 0.4
"""How often a life that began after a crash crashes, too."""
_PAUSES = (0.001, 0.05, 0.5, 3.0, 100.0)
_WILD = 4
"""Lives in which things go wrong; after those, all is calm."""
_MOST_LIVES = 12
AMONG_OTHERS = "stories with an unknown row and others' campaigns"
ALL_CREATED = "stories with an unknown row and others' campaigns that ended with all rows created"


@define
class Story:
    """One seed."""

    script: JobScript
    counts: Counter[str] = field(factory=Counter)

    def tell(self, only: str | None = None) -> Counter[str]:
        """Run all lives; return counts of what happened.

        Args:
            only: The path of a branch, to live through that alone.

        Raises:
            AssertionError: Something did not hold; says in which life, and how to live it again.
        """
        dice = source(self.script.seed, "operator")
        first = self._live(BIRTH, Orders("0", 0.0, _interruption(dice, 0.4)))
        self.counts["rows"] += len(self.script.rows)
        for number, point in enumerate(first.points):
            path = f"0.{number}"
            if only is None or only == path:
                self._go_on(first, point, path, [each.files for each in first.points[:number]])
        return self.counts

    def _go_on(self, life: Life, point: Point, path: str, backups: list[Files]) -> None:
        """Continue from a crash, or from the end of a life, until nothing changes any more."""
        meddler = Meddler(source(self.script.seed, f"meddler {path}"), self.script, self.counts)
        dice = source(self.script.seed, f"branch {path}")
        was_unknown = False
        for number in range(_MOST_LIVES):
            was_unknown |= any(row.state in (State.SENDING, State.UNKNOWN) for row in point.rows.values())
            if point.kind == "end":
                if _is_settled(life):
                    break
            else:
                self.counts["crash points"] += 1
                self.counts[f"crashes: {point.kind}"] += 1
            wild = number < _WILD
            orders = Orders(
                f"{path}+{number}",
                pause=dice.choice(_PAUSES) * (0.5 + dice.random()),
                interruption=_interruption(dice, 0.15) if wild else None,
                retry_failed=dice.random() < 0.3 or not wild,
                calm=not wild,
                looks_first=dice.random() < 0.15,
                set_back=dice.choice((1.0, 3600.0)) * (number + 1) if dice.random() < 0.2 else 0.0,
            )
            point, orders = meddler.meddle(life, point, orders, backups)
            before = point
            life = self._live(point, orders)
            point = dice.choice(life.points) if wild and dice.random() < _AGAIN else life.points[-1]
            backups += [each.files for each in life.points[: life.points.index(point)]]
            if orders.elsewhere:  # the next run is for the right account again
                point = evolve(point, kind="end", standing=before.standing, rows=before.rows)
        assert _is_settled(life), f"seed {self.script.seed}, branch {path}: it changes for ever"
        try:
            check_last(life)
        except AssertionError as error:
            error.add_note(f"seed {self.script.seed}, branch {path}")
            raise
        states, rows = life.states, life.journal.rows.values()
        if any(row.mark is Mark.HELD for row in rows):  # never sent: a person decides
            self.counts["stories with a row that is held"] += 1
        elif any(row.state is State.UNKNOWN and was_put_back(row) for row in rows):
            self.counts["stories with a row that an older copy of the journal leaves unknown"] += 1
        elif self.script.is_live and was_unknown:
            self.counts[AMONG_OTHERS] += 1
            self.counts[ALL_CREATED] += states[State.CREATED] + states[State.FAILED] == len(self.script.rows)
        looked = "reconciled" if self.script.reconcile else "not looked for"
        for state in State:
            self.counts[f"in the end {state.name}, {looked}"] += states[state]
        self.counts["in the end adopted"] += sum(row.mark is Mark.ADOPTED for row in rows)

    def _live(self, point: Point, orders: Orders) -> Life:
        life = Life(self.script, point, orders)
        try:
            life.run()
        except BaseException as error:
            error.add_note(f"seed {self.script.seed}, life {orders.path}")
            raise
        self.counts["lives"] += 1
        self.counts += life.server.kinds
        return life


def _is_settled(life: Life) -> bool:
    """Return True if all is done, or another life in fair weather would change nothing."""
    summary, before = life.summary, life.before
    if summary is None or life.orders.elsewhere:
        return False
    if summary.ok:
        return True
    fair = life.orders.calm and life.orders.interruption is None
    return fair and summary.stopped is None and _states(before.rows.values()) == _states(life.journal.rows.values())


def _states(rows: Iterable[JournalRow]) -> list[State]:
    return [row.state for row in rows]


def _interruption(dice: random.Random, share: float) -> Interruption | None:
    if dice.random() >= share:
        return None
    return Interruption("stop" if dice.random() < 0.6 else "cancel", dice.random() ** 3 * 8.0)
