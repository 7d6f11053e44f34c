"""Every block of the README and the guides is run by a test, and every link leads somewhere."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from support.prose import PHRASES

import campaigns_async
from guides.blocks import BLOCKS, DOCUMENTS, GUIDES, OUTPUTS, PYTHON, README, ROOT, Document, code, table

TESTED = {
    "first": "test_examples.py",
    "export": "test_examples.py",
    "durable": "test_examples.py",
    "fan_out": "test_examples.py",
    "aiohttp_app": "test_web.py",
    "fastapi_app": "test_web.py",
    "readme_app": "test_web.py",
    "django_app": "test_workers.py",
    "celery_app": "test_workers.py",
    "testing": "test_testing.py",
    "testing_plugin": "test_testing.py",
    "testing_shop": "test_testing.py",
    "readme_test": "test_testing.py",
}
"""Blocks that are programs or modules, by the file that tests them."""
MARKS = {
    "mark: sandbox",
    "mark: sandbox environment",
    "mark: live environment",
    "mark: settings of pytest",
    "mark: control",
    "mark: benchmarks",
}
OUTSIDE = {"https://keepachangelog.com/en/1.1.0/", "https://semver.org/"}
"""Links that lead to other sites."""
README_BYTES = 8192

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)


def test_every_block_of_python_is_run() -> None:
    assert all(block.name for block in BLOCKS if block.language == "python"), "a block of Python needs a name"
    assert len(PYTHON) == sum(block.language == "python" for block in BLOCKS), "two blocks have one name"
    short = {name for name, block in PYTHON.items() if block.after}
    assert {PYTHON[name].after for name in short} <= {"setup"}
    assert set(PYTHON) == {*TESTED, *short, "setup"}
    for name, file in TESTED.items():
        assert f'"{name}"' in (ROOT / "tests" / "guides" / file).read_text(), name
    assert set(OUTPUTS) <= set(PYTHON) | {"demo"}


def test_every_other_block_has_a_test() -> None:
    marks = {block.mark for block in BLOCKS if block.language not in {"python", "text", "sh"}} | {
        block.mark for block in BLOCKS if block.language == "sh"
    }
    others = {mark for mark in marks if not re.fullmatch(r"file: \S+|exits: \d+|", mark)}
    assert others == MARKS
    assert [block.document for block in BLOCKS if not block.mark and block.language != "sh"] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


def test_the_first_two_lines_of_code_are_the_demo_and_the_tests() -> None:
    first = README.blocks[0]
    assert first.language == "sh"
    demo, tests = first.text.splitlines()
    assert [part for line in (demo, tests) for part in line.split(" && ")] == [
        'python -m pip install ".[cli,sandbox]"',
        "python -m campaigns_async demo",
        "python -m pip install nox",
        "python -m nox -s tests",
    ]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not any("pyarrow" in each for extra in ("cli", "sandbox") for each in extras[extra])
    for session in (shlex.split(tests)[-1], "docs"):
        assert re.search(
            rf"^@nox\.session\b.*\n(?:@.*\n)*def {session}\(", (ROOT / "noxfile.py").read_text(), re.MULTILINE
        ), session


@each_document
def test_every_link_leads_to_a_file_or_a_heading(document: Document) -> None:
    for link in document.links:
        path, _, anchor = link.partition("#")
        if link.startswith("https:"):
            assert link in OUTSIDE
            continue
        if document is README:
            assert path, "the README links to files"
            assert (ROOT / path).exists(), link
        name = path.rpartition("/")[2]
        if name.endswith(".md") and name != "CHANGELOG.md":
            assert name in GUIDES, link
        if anchor:
            assert anchor in (GUIDES[name] if name else document).anchors, link


@each_document
def test_documents_are_written_in_plain_prose(document: Document) -> None:
    offences = [
        f"{found[0]!r} (better: {phrase.instead}) in: {document.flat[max(0, found.start() - 40) : found.end() + 30]}"
        for phrase in PHRASES
        for found in phrase.pattern.finditer(document.flat)
    ]
    assert not offences, "\n".join(offences)


@each_document
def test_a_document_has_one_title_and_no_level_is_left_out(document: Document) -> None:
    levels = [len(hashes) for hashes in re.findall(r"^(#+) ", document.prose, re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_the_core_is_ten_files_that_exist() -> None:
    package = Path(campaigns_async.__file__).parent
    names = [code(cells[0])[0] for cells in table("file")]
    assert len(names) == 10
    for name in [*names, *(each for cells in table("package") for each in code(cells[0]))]:
        assert (package / name).exists(), name
