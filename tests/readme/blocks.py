"""The README's code blocks and tables, as data.

An HTML comment in the line before a block, which readers do not see, says what the block is:
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
    """A fenced block.

    Attributes:
        line: The number of its first line of code, from 1.
    """

    mark: str
    language: str
    text: str
    line: int

    @property
    def name(self) -> str | None:
        """The name of a block of Python that runs; None for any other block."""
        found = _NAMED.fullmatch(self.mark)
        return found[1] if found else None

    @property
    def after(self) -> str | None:
        """The name of the block that runs before this one."""
        found = _NAMED.fullmatch(self.mark)
        return found[2] if found else None

    @property
    def output_of(self) -> str | None:
        """The name of the block whose output this one shows."""
        found = _OUTPUT.fullmatch(self.mark)
        return found[1] if found else None

    @property
    def source(self) -> str:
        """The code on the README's line numbers, so that a traceback names the right line."""
        return "\n" * (self.line - 1) + self.text


BLOCKS = [
    Block(found["mark"] or "", found["language"], found["text"], TEXT.count("\n", 0, found.start("text")) + 1)
    for found in _BLOCK.finditer(TEXT)
]
PYTHON = {block.name: block for block in BLOCKS if block.name is not None}
OUTPUTS = {block.output_of: block for block in BLOCKS if block.output_of is not None}


def table(first_cell: str) -> list[list[str]]:
    """Return the rows of the table whose heading starts with this cell, as Markdown without links."""
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
    """Return the texts between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def anchors() -> set[str]:
    """Return the anchors of the headings, as GitHub derives them."""
    prose = _BLOCK.sub("", TEXT)
    headings: list[str] = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> set[str]:
    """Return the anchors that the README links to."""
    return set(re.findall(r"\]\(#([^)]+)\)", TEXT))
