"""`python -m benchmarks.lines`: the size of the package in lines and in lines of code, and its largest modules.

A line of code holds something other than a docstring, a comment or an import.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from attrs import frozen

LARGEST: Final = 15
"""The number of modules in the table."""
_NO_CODE: Final = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT})


@frozen
class Module:
    """The size of a module.

    Attributes:
        path: The module's path, from the package.
        lines: All of its lines.
        code: Its lines of code.
    """

    path: Path
    lines: int
    code: int


def measure_modules(package: Path) -> list[Module]:
    """Measure each module of a package, the largest first."""
    measured: list[Module] = []
    for path in package.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        measured.append(Module(path.relative_to(package), len(source.splitlines()), len(find_code_lines(source))))
    return sorted(measured, key=lambda module: (-module.code, module.path))


def find_code_lines(source: str) -> set[int]:
    """Return the numbers of the lines of code."""
    numbers: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE and token.string:
            numbers.update(range(token.start[0], token.end[0] + 1))
    return numbers.difference(_list_uncounted_lines(ast.parse(source)))


def _list_uncounted_lines(tree: ast.Module) -> Iterator[int]:
    """Yield the numbers of the lines of docstrings and imports."""
    for node in ast.walk(tree):
        docstring = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if docstring or isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(node, ast.stmt)
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def find_largest_file(package: Path) -> tuple[Path, int]:
    """Return the largest file of the wheel, and its size in bytes."""
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    largest = max(files, key=lambda path: path.stat().st_size)
    return largest.relative_to(package), largest.stat().st_size


def find_package() -> Path:
    """Return the folder of the installed package, without importing it."""
    spec = find_spec("campaigns_async")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))


def format_table(modules: Sequence[Module], largest: tuple[Path, int]) -> Iterator[str]:
    """Yield the table's lines."""
    yield f"{len(modules)} modules, {sum_lines(modules):,} lines, {sum_code(modules):,} of them code"
    path, size = largest
    yield f"largest file: {path.as_posix()}, {size:,} bytes"
    yield f"{'lines':>7}{'code':>7}  module"
    for module in modules[:LARGEST]:
        yield f"{module.lines:>7,}{module.code:>7,}  {module.path.as_posix()}"


def sum_lines(modules: Sequence[Module]) -> int:
    """Add up the lines of modules."""
    return sum(module.lines for module in modules)


def sum_code(modules: Sequence[Module]) -> int:
    """Add up the lines of code of modules."""
    return sum(module.code for module in modules)


if __name__ == "__main__":
    folder = find_package()
    print("\n".join(format_table(measure_modules(folder), find_largest_file(folder))))
