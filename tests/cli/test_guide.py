"""`campaigns-async guide`: lists the guides, and shows one or some sections."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path

import pytest

from .conftest import Command
from .terminal import on_terminal

TOPICS = sorted(file.name.removesuffix(".md") for file in files("campaigns_async").joinpath("guides").iterdir())


def test_every_guide_is_listed_with_its_headings(command: Command) -> None:
    ended = command("guide")
    assert (ended.code, ended.err) == (0, "")
    titles = [line for line in ended.out.splitlines() if not line.startswith(" ")]
    assert sorted(line.split(":")[0] for line in titles) == TOPICS
    assert titles[0] == "quickstart: Quick start"
    for topic in TOPICS:
        text = re.sub(r"^```.*?^```$", "", read(topic), flags=re.MULTILINE | re.DOTALL)
        for hashes, heading in re.findall(r"^(##+) (.+)$", text, re.MULTILINE):
            assert f"\n{'  ' * (len(hashes) - 1)}{heading.replace('`', '')}\n" in ended.out


def read(topic: str) -> str:
    """Return the text of a guide."""
    return files("campaigns_async").joinpath("guides", f"{topic}.md").read_text("utf-8")


@pytest.mark.parametrize("words", ["proxy", "E.164", "sender ID", "rate limit", "resume"])
def test_what_users_look_for_is_in_a_heading(words: str, command: Command) -> None:
    found = [
        line for line in command("guide").out.splitlines() if line.startswith(" ") and words.lower() in line.lower()
    ]
    assert found
    shown = command("guide", words.upper())
    assert shown.code == 0
    assert command("guide", *words.split()) == shown  # without quotes too
    assert found[0].strip() in shown.out.replace("`", "")


@pytest.mark.parametrize("topic", TOPICS)
def test_a_guide_in_a_pipe_is_its_markdown_without_the_comments(topic: str, command: Command) -> None:
    ended = command("guide", topic)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == re.sub(r"^<!-- .* -->\n", "", read(topic), flags=re.MULTILINE)


def test_a_section_ends_where_the_next_heading_begins_and_code_has_no_headings(command: Command) -> None:
    shown = command("guide", "aiohttp.web").out
    assert shown.startswith("## aiohttp.web\n")
    assert "web.run_app(app, port=8000)" in shown
    assert "## The statuses" not in shown


def test_the_title_of_a_guide_shows_all_of_it(command: Command) -> None:
    assert command("guide", "quick", "start") == command("guide", "quickstart")


def test_an_unknown_topic_is_refused_and_a_similar_one_is_suggested(command: Command) -> None:
    ended = command("guide", "limitts")
    assert (ended.code, ended.out) == (2, "")
    assert "no guide or heading is 'limitts'; did you mean 'limits'?" in ended.err
    assert "the topics are quickstart, architecture" in command("guide", "zzzz").err


@pytest.mark.slow
def test_a_terminal_shows_the_guide_without_markup(tmp_path: Path) -> None:
    ended = on_terminal(["guide", "limits"], tmp_path, os.environ, columns=100)
    assert ended.code == 0
    shown = ended.text
    assert "Limits and retries" in shown
    assert "](" not in shown
    assert "<!--" not in shown
    assert "```" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_table_of_a_guide_is_cut_off(columns: int, tmp_path: Path) -> None:
    shown = on_terminal(["guide", "settings"], tmp_path, os.environ, columns=columns).text
    assert "…" not in shown
    for name in ("max_concurrency", "Timeouts.connect", "RetryPolicy.max_retry_after", "ReconcilePolicy.search_limit"):
        assert name in shown
    assert ("default: 54000.0" in shown) == (columns < 100)
