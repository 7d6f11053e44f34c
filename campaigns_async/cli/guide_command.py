"""`campaigns-async guide` shows the guides in the terminal; `completion` prints a script for a shell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import click

from campaigns_async._similar_names import suggest
from campaigns_async.cli.console import PROGRAM, get_invocation, is_terminal, print_output, print_rich
from campaigns_async.cli.options import Command

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.markdown import Markdown

_COMMENT = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\((?:([\w-]+)\.md)?(?:#[^)]*)?\)")
_VARIABLE = f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE"
"""The variable by which the script asks the program for completions; click's `main` reads it."""
_FEW_COLUMNS = 3
_WIDE = 100
_CODE_OR_HEADING = re.compile(r"^```.*?^```$|^(#+) ([^\n]+)\n", re.MULTILINE | re.DOTALL)


def load_guides() -> dict[str, str]:
    """Return the text of each guide by its topic, without the comments that name blocks for tests."""
    from importlib.resources import files

    found = (file for file in files("campaigns_async").joinpath("guides").iterdir() if file.name.endswith(".md"))
    texts = {file.name.removesuffix(".md"): _COMMENT.sub("", file.read_text("utf-8")) for file in found}
    return dict(sorted(texts.items(), key=lambda item: (item[0] != "quickstart", item[0])))


def split_sections(text: str) -> list[tuple[int, str, str]]:
    """Return the level, heading and text of each section of a guide; blocks of code have no headings."""
    headings = [found for found in _CODE_OR_HEADING.finditer(text) if found[1]]
    ends = [*(found.start() for found in headings[1:]), len(text)]
    return [(len(found[1]), found[2], text[found.start() : end]) for found, end in zip(headings, ends, strict=True)]


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [topic for topic in load_guides() if topic.startswith(incomplete)]


@click.command("guide", cls=Command)
@click.argument("words", metavar="[TOPIC]", nargs=-1, shell_complete=_complete)
def guide(words: Sequence[str]) -> None:
    """Show the guides, or list their topics and headings.

    TOPIC is a guide, such as limits, or words of a heading, such as "rate limit".
    """
    guides = load_guides()
    topic = " ".join(words)
    if not words:
        for name, text in guides.items():
            (_, title, _), *sections = split_sections(text)
            print_output(f"{name}: {title}")
            for level, heading, _ in sections:
                print_output(f"{'  ' * (level - 1)}{heading.replace('`', '')}")
        return
    wanted = topic.lower()
    text = guides.get(wanted, "") or "".join(
        each if level == 1 else part
        for each in guides.values()
        for level, heading, part in split_sections(each)
        if wanted in heading.replace("`", "").lower()
    )
    if not text:
        raise click.UsageError(f"no guide or heading is {topic!r}{suggest(topic, list(guides), 'topics')}")
    if not is_terminal():
        print_output(text, newline=False)
        return
    shown = _LINK.sub(lambda found: f"{found[1]} (see: guide {found[2]})" if found[2] else found[1], text)
    print_rich(_make_markdown(shown))


def _make_markdown(text: str) -> Markdown:
    from rich.markdown import Markdown, TableElement
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    class WholeTable(TableElement):
        """A table whose words are never cut off. One with many columns is a list in a narrow terminal."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            (table,) = super().__rich_console__(console, options)
            assert isinstance(table, Table)
            if len(table.columns) <= _FEW_COLUMNS or options.max_width >= _WIDE:
                for column in table.columns:
                    column.overflow = "fold"
                table.columns[0].no_wrap = not any(" " in str(cell) for cell in table.columns[0].cells)
                yield table
                return
            for row in zip(*(column.cells for column in table.columns), strict=True):
                yield ""
                yield row[0]
                for column, cell in zip(table.columns[1:], row[1:], strict=True):
                    if isinstance(cell, Text) and cell.plain:
                        yield Padding(Text(f"{column.header}: ") + cell, (0, 0, 0, 2))

    class WholeMarkdown(Markdown):
        elements: ClassVar = {**Markdown.elements, "table_open": WholeTable}

    return WholeMarkdown(text, code_theme="bw" if get_invocation().no_color else "ansi_dark")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands in your shell.

    To install it in bash, add this line to ~/.bashrc, and open a new shell:

        source <(campaigns-async completion bash)

    In zsh, add the same line with "zsh" to ~/.zshrc, after compinit. In fish, write the script to
    ~/.config/fish/completions/campaigns-async.fish.
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    if script is not None:
        print_output(script(context.find_root().command, {}, PROGRAM, _VARIABLE).source(), newline=False)
