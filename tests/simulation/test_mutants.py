"""Deliberate faults are caught; all of them run only if SIM_MUTANTS is set, since that takes minutes."""

from __future__ import annotations

import ast
import os

import pytest

from simulation.mutants import MUTANTS, Mutant
from simulation.mutation import run


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_fault_can_still_be_planted(mutant: Mutant) -> None:
    ast.parse(mutant.source())


@pytest.mark.skipif("SIM_MUTANTS" not in os.environ, reason="takes minutes: SIM_MUTANTS=1, or nox -s simulate")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_fault_is_caught(mutant: Mutant) -> None:
    result = run(mutant)
    assert result.caught, result.by
