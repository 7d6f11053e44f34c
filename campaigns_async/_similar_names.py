"""The names that a person may have meant by a name that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Final

_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")
_SYNONYMS: Final = {"columns": "fields", "order": "sort", "status": "state", "text": "message", "token": "key"}


def suggest(name: str, names: Sequence[str], plural: str = "") -> str:
    """Return `; did you mean 'NAME'?` for the names that are similar.

    If none is similar, return the list of all names, or nothing without the plural noun that the list needs.
    """
    if similar := find_similar(name, names):
        return f"; did you mean {' or '.join(map(repr, similar))}?"
    return f"; the {plural} are {', '.join(names)}" if plural else ""


def find_similar(name: str, names: Iterable[str]) -> list[str]:
    """Return the names that are spelled almost like a wrong one, or else those that begin like it or share its words.

    Case, hyphens, underscores and a plural s do not count. A letter may be dropped, added, or swapped with the next; in
    a word of five letters or more it may be wrong, except the first. Words may be missing: `--url` is like `--base-url`.
    """
    wrong, known = _split(name), {each: _split(each) for each in names}
    misspelled = [each for each, words in known.items() if _is_misspelled("".join(wrong), "".join(words))]
    similar = misspelled or [each for each, words in known.items() if _is_part(wrong, words)]
    synonym = _SYNONYMS.get(name.strip("-"))
    return find_similar(synonym, known) if synonym is not None and not similar else similar


def _split(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_misspelled(wrong: str, right: str) -> bool:
    if _is_slip(wrong, right):
        return True
    if len(right) < 5 or wrong[:1] != right[:1] or abs(len(wrong) - len(right)) > 2:
        return False
    is_one_letter = len(wrong) == len(right) and sum(map(str.__ne__, wrong, right)) == 1
    return is_one_letter or (len(right) > 7 and SequenceMatcher(None, wrong, right).ratio() > 0.85)


def _is_slip(wrong: str, right: str) -> bool:
    """Return True if at most one letter is dropped, added, or swapped with the next."""
    long, short = (wrong, right) if len(wrong) > len(right) else (right, wrong)
    places = range(len(long) if len(right) > 2 else 0)
    if len(long) == len(short):
        return any(long[:at] + long[at : at + 2][::-1] + long[at + 2 :] == short for at in places)
    return any(long[:at] + long[at + 1 :] == short for at in places)


def _is_part(wrong: list[str], right: list[str]) -> bool:
    """Return True if one name begins with the other, or has all its words, which are at least a third of its own."""
    given, meant = "".join(wrong), "".join(right)
    if (len(given) > 3 and meant.startswith(given)) or (len(meant) > 2 and given.startswith(meant)):
        return True
    short, long = sorted((wrong, right), key=len)
    return len(long) <= 3 * len(short) and all(any(_is_same_word(word, each) for each in long) for word in short)


def _is_same_word(one: str, other: str) -> bool:
    return one.removesuffix("s") == other.removesuffix("s") or (len(one) > 3 and _is_slip(one, other))
