"""What the lists take as `filters` and `sorts`, made ready: the text to send, and how to hold rows against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from attrs import field, frozen

from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query.check import checked_sorts, parsed_filters
from campaigns_async.query.columns import names_of
from campaigns_async.query.expression import Expression, Raw, Sort
from campaigns_async.query.fields import Conditions
from campaigns_async.query.match import contradiction
from campaigns_async.query.sieve import BLANKS
from campaigns_async.query.terms import Term

M = TypeVar("M", Campaign, Contact)


@frozen
class Prepared(Generic[M]):
    """A filter that is ready to be sent."""

    text: str | None = field(repr=False)
    """None: none is sent."""
    contradicts: Callable[[M], bool] | None = field(repr=False)
    """Whether a row plainly contradicts it; None where nothing is known of what it asks for."""


def prepared(filters: Expression | Raw | str | None, model: type[M]) -> Prepared[M]:
    """Check a filter for lists of a model.

    Args:
        filters: An expression on the model's fields, text in the server's language, or `query.raw(…)`.
        model: `Campaign` or `Contact`.

    Raises:
        QueryError: The server would not understand it, or it is a filter on the other model.
    """
    if filters is None:
        return Prepared(None, None)
    if isinstance(filters, Raw):
        return Prepared(_said(filters.text), None)
    if isinstance(filters, Expression):
        if filters.model is not model:
            raise QueryError(f"filters: a filter on {filters.model.__name__} for a list of {model.__name__}")
        return _held(str(filters), filters.terms)
    if isinstance(filters, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        text = str.__str__(filters)
        return _held(text, parsed_filters(text, names_of(model)))
    raise QueryError(f"filters: {_misuse(filters)}")


def prepared_sorts(sorts: Sort | Raw | str | Iterable[Sort | str] | None, model: type[M]) -> str | None:
    """Check an order for lists of a model; returns the text to send, None for none.

    Args:
        sorts: A field's `asc()` or `desc()`, the server's name of a field with a `-` before it for descending,
            several of either, or `query.raw(…)`.
        model: `Campaign` or `Contact`.

    Raises:
        QueryError: The server would not understand it, or it sorts by a field of the other model.
    """
    if sorts is None:
        return None
    if isinstance(sorts, Raw):
        return _said(sorts.text)
    if isinstance(sorts, (Sort, str)):
        sorts = (sorts,)
    elif isinstance(sorts, (Conditions, Expression)) or not isinstance(sorts, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise QueryError(
            f"sorts: must be a field's asc() or desc(), text, or a list of them, not {type(sorts).__name__}"
        )
    return _said(
        checked_sorts(
            ",".join(_sort_text(number, sort, model) for number, sort in enumerate(sorts, 1)), names_of(model)
        )
    )


def _sort_text(number: int, sort: object, model: type[M]) -> str:
    if isinstance(sort, str):
        return str.__str__(sort)
    if not isinstance(sort, Sort):
        raise QueryError(f"sorts: item {number} must be a field's asc() or desc(), or text, not {type(sort).__name__}")
    if sort.column.model is not model:
        raise QueryError(
            f"sorts: item {number} is a field of {sort.column.model.__name__} for a list of {model.__name__}"
        )
    return str(sort)


def _held(text: str, terms: tuple[Term, ...]) -> Prepared[M]:
    return Prepared(_said(text), contradiction(terms)) if terms else Prepared(None, None)


def _said(text: str) -> str | None:
    return text if text.strip(f"{BLANKS},") else None


def _misuse(filters: object) -> str:
    if isinstance(filters, bool):
        return "a comparison gave a bool: compare fields of query.campaign or query.contact"
    if isinstance(filters, Conditions):
        return "a field alone is no filter: compare it, as in query.campaign.sender == 'Golf'"
    if isinstance(filters, Sort):
        return "an order goes to sorts="
    if isinstance(filters, (list, tuple, set, frozenset)):
        return "several conditions are combined with &"
    return f"must be an expression on fields, text (str) or query.raw(…), not {type(filters).__name__}"
