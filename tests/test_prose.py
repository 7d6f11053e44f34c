"""Names, docstrings, comments and texts are plain prose, by the rules of `support/prose.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.benchmarks import ROOT as CHECKOUT
from support.prose import find_offences

import campaigns_async

ROOT = Path(campaigns_async.__file__).parent
PARTS = sorted(path.name for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())


def modules_of(part: str) -> list[Path]:
    path = ROOT / part
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def list_offences(paths: list[Path], root: Path) -> str:
    return "\n".join(
        f"{path.relative_to(root)}:{offence.line}: {offence.why}"
        for path in paths
        for offence in find_offences(path.read_text())
    )


@pytest.mark.parametrize("part", PARTS)
def test_the_package_is_written_in_plain_prose(part: str) -> None:
    assert list_offences(modules_of(part), ROOT) == ""


def test_the_benchmarks_and_sessions_are_written_in_plain_prose() -> None:
    paths = [CHECKOUT / "noxfile.py", *sorted((CHECKOUT / "benchmarks").rglob("*.py"))]
    assert list_offences(paths, CHECKOUT) == ""


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("def opened(): ...", "def open_file(): ..."),
        ("def _told(): ...", "def _seed(): ..."),
        ("async def written(): ...", "@property\ndef written(self): ..."),
        ("def wait_till(): ...", "def wait_until(): ..."),
        ("def f(whom): ...", "def f(recipient): ..."),
        ("class InDoubt: ...", "class UnknownRow: ..."),
        ("doubtful = 1", "unknown = 1"),
        ('def f():\n    """The rows."""', 'def f():\n    """Return the rows."""'),
        ('def f():\n    """Whether a row is there."""', 'def f():\n    """Return whether a row is there."""'),
        (
            'class A:\n    @property\n    def f(self):\n        """Whether it is open."""',
            'class A:\n    @property\n    def f(self):\n        """True if the file is open."""',
        ),
        (
            'class A:\n    @cached_property\n    def f(self):\n        """Return the rows."""',
            'class A:\n    @cached_property\n    def f(self):\n        """The rows, in order."""',
        ),
        ('class A:\n    """What was sent."""', 'class A:\n    """A request that was sent."""'),
        ('class A:\n    """Sends requests."""', 'class A:\n    """Records of requests."""'),
        ('"""How a request is retried."""', '"""The retry policy of requests."""'),
        ('def f():\n    """Wait.\n\n    None: any.\n    """', 'def f():\n    """Wait.\n\n    None means any.\n    """'),
        (
            'class A:\n    """A row."""\n\n    b: int\n    """The number."""',
            'class A:\n    """A row.\n\n    Attributes:\n        b: The number.\n    """\n\n    b: int',
        ),
        ("# Wait till the file is closed.", "# Wait until the file is closed."),
        ("# The row is still\n# in doubt.", "# The row is still\n# unknown."),
        ('raise E(f"{name}: the file that is meant is none")', 'raise E(f"{name}: there is no such file")'),
        ('raise E("wait " "so long")', 'raise E("wait " f"{seconds} s")'),
        ("# Should it fail, the row stays.", "# If it fails, the row stays."),
        ("# We write the file.", "# The journal writes the file."),
        ("# TODO: close it", "# The caller closes it."),
        ('"""A queue, as it stands."""', '"""A queue, unchanged."""'),
    ],
)
def test_each_rule_refuses_its_example_and_lets_the_better_one_pass(bad: str, good: str) -> None:
    assert find_offences(bad)
    assert not find_offences(good)


def test_an_offence_has_its_line_and_the_better_word() -> None:
    [offence] = find_offences("a = 1\n\n# Wait till then.\n")
    assert offence.line == 3
    assert offence.why == "'till' (better: until) in: Wait till then."
