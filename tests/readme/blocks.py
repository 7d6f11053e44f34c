"""The README's code blocks and tables, as data.

A mark in the line before a block says what it is; readers do not see it:
`<!-- block: NAME -->`, `<!-- block: NAME, after SETUP -->`, `<!-- output of NAME -->`.
"""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_NAMED = re.compile(r"block: (\w+)(?:, after (\w+))?")
_OUTPUT = re.compile(r"output of (\w+)(?:, in any order)?")
_CELL = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@frozen
class Block:
    """A fenced block."""

    mark: str
    language: str
    text: str
    line: int
    """Of its first line of code, from 1."""

    @property
    def name(self) -> str | None:
        """None for what is no Python that runs."""
        found = _NAMED.fullmatch(self.mark)
        return found[1] if found else None

    @property
    def after(self) -> str | None:
        """The block that it goes on from."""
        found = _NAMED.fullmatch(self.mark)
        return found[2] if found else None

    @property
    def output_of(self) -> str | None:
        """The block whose output it shows."""
        found = _OUTPUT.fullmatch(self.mark)
        return found[1] if found else None

    @property
    def source(self) -> str:
        """Its code on the README's own lines, so that a traceback tells the right one."""
        return "\n" * (self.line - 1) + self.text


BLOCKS = [
    Block(found["mark"] or "", found["language"], found["text"], TEXT.count("\n", 0, found.start("text")) + 1)
    for found in _BLOCK.finditer(TEXT)
]
PYTHON = {block.name: block for block in BLOCKS if block.name is not None}
OUTPUTS = {block.output_of: block for block in BLOCKS if block.output_of is not None}


def table(first_cell: str) -> list[list[str]]:
    """The rows of the table whose heading begins with this cell, without links, as Markdown."""
    lines = TEXT.split("\n")
    headed = (number for number, line in enumerate(lines) if line.startswith("|---"))
    (start,) = (number - 1 for number in headed if lines[number - 1].startswith(f"| {first_cell} |"))
    rows: list[list[str]] = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([_LINK.sub(r"\1", cell).strip() for cell in _CELL.split(line)[1:-1]])
    return rows


def code(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def anchors() -> set[str]:
    """What a link within the README can lead to, as GitHub makes it of the headings."""
    prose = _BLOCK.sub("", TEXT)
    headings: list[str] = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> set[str]:
    """The anchors that the README links to."""
    return set(re.findall(r"\]\(#([^)]+)\)", TEXT))
