"""Read the rows of a CSV of contacts, as spreadsheets write it: with any separator, in UTF-8 or UTF-16."""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from io import BufferedReader
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Final, NamedTuple

from campaigns_async._field_rules import check_text
from campaigns_async._http.campaign_rules import CONTACT_NAMES, fold_name
from campaigns_async._phone_numbers import GB, is_complete, localize, read_numbers
from campaigns_async.jobs._plan_files import BadTextError, describe, read_text_lines
from campaigns_async.jobs._plan_rules import PlanRules
from campaigns_async.jobs.job_errors import BadLine, PlanError

_NOT_CSV: Final = "is not CSV from here on: is a quote never closed, or a quote inside a cell not doubled?"
_TOO_LONG: Final = "has {} cells, but the header has {}: does a cell contain a {} without quotes around it?"
_TOO_SHORT: Final = "has fewer cells than the header, {} of {}: put a {} in place of each empty cell too"
_SEPARATORS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_QUOTED: Final = re.compile('"[^"]*"')
_BLOCK: Final = 5_000


class Block(NamedTuple):
    """Rows of the file.

    Attributes:
        names: The API's names of the cells.
        rows: The cells of each row.
        lines: The line number at which each row begins, from 1.
        numbers: The phone numbers in international digits; empty if a number cannot be read.
    """

    names: Sequence[str]
    rows: list[list[str]]
    lines: Sequence[int]
    numbers: Sequence[str]


def _find_separator(lines: Iterator[str]) -> tuple[Iterator[str], str]:
    """Return the lines, and the character that separates the cells of the first line that is not blank."""
    head: list[str] = []
    for line in lines:
        head.append(line)
        if line.strip():
            break
    first = _QUOTED.sub("", head[-1]) if head else ""
    return chain(head, lines), max(_SEPARATORS, key=first.count)


def _read_header(reader: Iterator[list[str]], path: Path, columns: Mapping[str, str]) -> list[str]:
    """Return the API's names of the columns; an empty name for a column that is ignored.

    Raises:
        PlanError: If the columns are not those of contacts.
    """
    rows = (cells for cells in reader if any(cells) and cells[0].lower() != "sep=")  # Excel's `sep=;`
    cells = [cell.strip() for cell in next(rows, ())]
    while cells and not cells[-1]:
        cells.pop()
    try:
        return _name_columns(cells, describe(path), columns)
    except PlanError as error:
        del cells  # which may be a contact's: tools such as Sentry show the variables of a traceback
        raise error.with_traceback(None) from None


def _name_columns(cells: list[str], name: str, columns: Mapping[str, str]) -> list[str]:
    for known, given in columns.items():
        if cells.count(given) != 1:
            found = "twice" if given in cells else "not"
            raise PlanError(f"{given!r}, of --column {known}={given} (columns), is {found} in the header of {name}")
    by_letters = {fold_name(known): known for known in CONTACT_NAMES if known not in columns}
    names = [by_letters.get(fold_name(cell), "") for cell in cells]
    for known, given in columns.items():
        names[cells.index(given)] = known
    others = ", ".join(CONTACT_NAMES[1:])
    if "phoneNumber" not in names:
        raise PlanError(
            f"{name} must begin with a header that has the column phoneNumber, and may have {others}: name the column of "
            'the numbers with --column phoneNumber=HEADER (columns={"phoneNumber": "HEADER"})'
        )
    if "" in names and not columns:
        raise PlanError(
            f"column {names.index('') + 1} in the header of {name} is neither phoneNumber nor {others}: remove it, or name "
            "a column with --column NAME=HEADER (columns=), which ignores all that are not named"
        )
    used = list(filter(None, names))
    if len(set(used)) < len(used):
        raise PlanError(f"the header of {name} has a name twice: keep one")
    return names


def read_blocks(
    file: BufferedReader, path: Path, rules: PlanRules, columns: Mapping[str, str]
) -> Iterator[Block | BadLine]:
    """Yield the rows of a file, and its faults. The first place that is not CSV ends the rows.

    Raises:
        PlanError: If the columns are not those of contacts.
    """
    file.seek(0)
    fault: BadLine | None = None
    try:
        lines, separator = _find_separator(chain.from_iterable(read_text_lines(file)))
        reader = csv.reader(lines, delimiter=separator, strict=True)
        names = _read_header(reader, path, columns)
    except (csv.Error, BadTextError) as error:
        yield _to_fault(error, 1)
        return
    at = reader.line_num + 1
    while fault is None:
        rows: list[list[str]] = []
        try:
            rows.extend(islice(reader, _BLOCK))  # in place, so that the rows before an error are kept
        except (csv.Error, BadTextError) as error:
            fault = _to_fault(error, at, names, separator)
        if not rows:
            break
        starts: Sequence[int] = range(at, at + len(rows))
        after = at + len(rows)
        if fault is not None or reader.line_num + 1 != after:  # a cell contains a line break
            *starts, after = accumulate((1 + sum(cell.count("\n") for cell in row) for row in rows), initial=at)
            yield from _find_swallowed_rows(names, rows, starts, separator)
        at = after
        if fault is not None and fault.reason is _NOT_CSV:
            fault = BadLine(at, "", _NOT_CSV)
        if set(map(len, rows)) != {len(names)}:
            starts, rows = yield from _cut_rows(len(names), rows, starts, separator)
        if rows:
            yield from _make_block(names, rows, starts, rules)
    if fault is not None:
        yield fault


def _find_swallowed_rows(
    names: Sequence[str], rows: Sequence[list[str]], lines: Sequence[int], separator: str
) -> Iterator[BadLine]:
    """Yield a fault for each row of several lines of which two or more would be rows: a quote has swallowed them."""
    column = names.index("phoneNumber")
    for line, row in zip(lines, rows, strict=True):
        cells = [each.split(separator) for each in separator.join(row).split("\n")]
        numbers = read_numbers([each[column] for each in cells if len(each) >= len(names)]) if len(cells) > 1 else ()
        if sum(map(is_complete, numbers)) > 1:
            yield BadLine(line, "", "has two numbers: is a quote never closed? If not, write each cell on one line")


def _to_fault(error: csv.Error | BadTextError, line: int, names: Sequence[str] = (), separator: str = ",") -> BadLine:
    if not isinstance(error, BadTextError):
        return BadLine(line, "", _NOT_CSV)
    before: Sequence[str] = ()
    with suppress(csv.Error):
        before = next(csv.reader([error.before], delimiter=separator), ())
    return BadLine(error.number, names[len(before) - 1] if 0 < len(before) <= len(names) else "", error.reason)


def _make_block(
    names: Sequence[str], rows: list[list[str]], lines: Sequence[int], rules: PlanRules
) -> Iterator[Block | BadLine]:
    """Yield the faults of rows, and the rows without blank ones, contacts that are left out, and ignored columns."""
    whole = rows
    if "" in names:
        used = [index for index, name in enumerate(names) if name]
        names, rows = [names[index] for index in used], [[row[index] for index in used] for row in rows]
    column = names.index("phoneNumber")
    numbers = texts = [row[column] for row in rows]
    if rules.default_region != GB:
        numbers = [localize(text, rules.default_region) for text in texts]
        for row, number in zip(rows, numbers, strict=True):
            row[column] = number
    canonical = read_numbers(numbers)
    if "" not in canonical:
        yield Block(names, rows, lines, canonical)
        return
    kept: list[int] = []
    for index, (number, text, line) in enumerate(zip(canonical, texts, lines, strict=True)):
        # A row with a text in an ignored column is a contact without a number.
        is_blank = len(whole[index]) > 1 and not (number or text.strip() or "".join(whole[index]).strip())
        if not number and not is_blank:
            missing = None if rules.leaves_out else check_text(text or None)
            yield BadLine(line, "phoneNumber", missing) if missing else rules.to_fault(line, "phoneNumber", text)
        if number or not (is_blank or rules.leaves_out):
            kept.append(index)
    if kept:
        rows, lines = [rows[index] for index in kept], [lines[index] for index in kept]
        yield Block(names, rows, lines, [canonical[index] for index in kept])


def _cut_rows(
    width: int, rows: list[list[str]], lines: Sequence[int], separator: str
) -> Generator[BadLine, None, tuple[list[int], list[list[str]]]]:
    """Yield the faults of rows that are not as long as the header, and return the other rows without empty cells after it."""
    kept: list[int] = []
    for index, (line, row) in enumerate(zip(lines, rows, strict=True)):
        if len(row) != width and not any(row):
            continue
        if len(row) == width or (len(row) > width and not any(row[width:])):
            kept.append(index)
        else:
            reason = _TOO_LONG if len(row) > width else _TOO_SHORT
            yield BadLine(line, "", reason.format(len(row), width, _SEPARATORS[separator]))
    return [lines[index] for index in kept], [rows[index][:width] for index in kept]
