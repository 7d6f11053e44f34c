"""The code blocks, tables, headings and links of the README and the guides, as data.

An HTML comment in the line before a block, which readers do not see, says what the block is:

- `<!-- block: NAME -->`: Python that a test runs by its name; `<!-- block: NAME, after setup -->`: Python that goes on
  from the block `setup`, and is run as it would be typed.
- `<!-- output of NAME -->`, `<!-- output of NAME, in any order -->`: what the block NAME prints.
- `<!-- file: NAME -->`: a file that the shell commands of the document find in their directory.
- `<!-- exits: CODE -->`: shell commands, the last of which ends with this code.
- `<!-- mark: NAME -->`: a block that a test of its own uses.

A shell block without a comment is run: see `test_shell.py`.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from attrs import field, frozen

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_NAMED = re.compile(r"block: (\w+)(?:, after (\w+))?")
_OUTPUT = re.compile(r"output of (\w+)(?:, in any order)?")
_CELL = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@frozen
class Block:
    """A fenced block.

    Attributes:
        document: The name of the document that has the block, such as "web.md".
        line: The number of its first line of code, from 1.
    """

    document: str
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
        """The code on the document's line numbers, so that a traceback names the right line."""
        return "\n" * (self.line - 1) + self.text


@frozen
class Document:
    """The README or a guide.

    Attributes:
        name: The file's name, such as "web.md".
        prose: The text without its blocks.
    """

    name: str
    text: str
    blocks: list[Block] = field(init=False)
    prose: str = field(init=False)

    @blocks.default
    def _find_blocks(self) -> list[Block]:
        return [
            Block(
                self.name,
                found["mark"] or "",
                found["language"],
                found["text"],
                self.text.count("\n", 0, found.start("text")) + 1,
            )
            for found in _BLOCK.finditer(self.text)
        ]

    @prose.default
    def _leave_out_blocks(self) -> str:
        return _BLOCK.sub("", self.text)

    @property
    def headings(self) -> list[str]:
        """The texts of the headings."""
        return _HEADING.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """The anchors of the headings, as GitHub derives them."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in self.headings}

    @property
    def links(self) -> list[str]:
        """The targets of the links."""
        return [target for _, target in _LINK.findall(self.prose)]

    @property
    def flat(self) -> str:
        """The prose with each line break as a space."""
        return " ".join(self.prose.split())


README = Document("README.md", (ROOT / "README.md").read_text("utf-8"))
GUIDES = {
    file.name: Document(file.name, file.read_text("utf-8"))
    for file in sorted(files("campaigns_async").joinpath("guides").iterdir(), key=lambda file: file.name)
    if file.name.endswith(".md")
}
DOCUMENTS = [README, *GUIDES.values()]
BLOCKS = [block for document in DOCUMENTS for block in document.blocks]
PYTHON = {block.name: block for block in BLOCKS if block.name is not None}
OUTPUTS = {block.output_of: block for block in BLOCKS if block.output_of is not None}


def find_block(mark: str) -> Block:
    """Return the only block with a mark."""
    (block,) = (block for block in BLOCKS if block.mark == mark)
    return block


def table(first_cell: str) -> list[list[str]]:
    """Return the rows of the only table whose heading starts with this cell, as Markdown without links."""
    (rows,) = tables(first_cell)
    return rows


def tables(first_cell: str) -> list[list[list[str]]]:
    """Return the rows of each table whose heading starts with this cell."""
    return [rows for document in DOCUMENTS for rows in _find_tables(document.prose, first_cell)]


def _find_tables(text: str, first_cell: str) -> list[list[list[str]]]:
    lines = text.split("\n")
    headed = (number for number, line in enumerate(lines) if line.startswith("|---"))
    tables: list[list[list[str]]] = []
    for start in (number for number in headed if lines[number - 1].startswith(f"| {first_cell} |")):
        tables.append([])
        for line in lines[start + 1 :]:
            if not line.startswith("|"):
                break
            tables[-1].append([_LINK.sub(r"\1", cell).strip() for cell in _CELL.split(line)[1:-1]])
    return tables


def code(cell: str) -> list[str]:
    """Return the texts between backticks."""
    return re.findall(r"`([^`]+)`", cell)
