"""The size of the package is counted as documented, and stays below its ceilings."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from support.benchmarks import load_benchmark

LINES = 26_000
CODE = 15_500

lines = load_benchmark("lines")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", set()),
        ("x = 1  # a comment\n\n# a comment\ny = 2\n", {1, 4}),
        ('"""A docstring\n\nof three lines."""\n\nx = """A text\nof two lines."""\n', {5, 6}),
        ('class A:\n    """A docstring."""\n\n    b: int\n    """An attribute\'s docstring."""\n', {1, 4}),
        ("import a\nfrom b import (\n    c,\n    d,\n)\n\n\ndef f():\n    import e\n\n    return e\n", {8, 11}),
        ("f(\n    1,\n    # a comment\n    2,\n)\n", {1, 2, 4, 5}),
    ],
    ids=["nothing", "comments and blanks", "docstrings", "attributes", "imports", "brackets"],
)
def test_docstrings_comments_blanks_and_imports_are_no_lines_of_code(source: str, code: set[int]) -> None:
    assert lines.find_code_lines(source) == code


def test_the_table_names_the_largest_modules_and_the_largest_file(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "part" / "small.py").write_text("import os\n\nx = os.sep\n")
    (tmp_path / "part" / "large.py").write_text("x = 1\n" * 1_200)
    (tmp_path / "data.json").write_bytes(b" " * 10_000)
    assert list(lines.format_table(lines.measure_modules(tmp_path), lines.find_largest_file(tmp_path))) == (
        textwrap.dedent("""\
            3 modules, 1,203 lines, 1,201 of them code
            largest file: data.json, 10,000 bytes
              lines   code  module
              1,200  1,200  part/large.py
                  3      1  part/small.py
                  0      0  __init__.py
        """).splitlines()
    )


def test_the_package_stays_below_its_ceilings() -> None:
    modules = lines.measure_modules(lines.find_package())
    assert len(modules) > 50
    assert lines.sum_lines(modules) <= LINES
    assert lines.sum_code(modules) <= CODE


def test_the_largest_file_of_the_package_is_code() -> None:
    path, _ = lines.find_largest_file(lines.find_package())
    assert path.suffix == ".py"
