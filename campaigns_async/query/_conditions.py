"""Conditions, expressions that combine them, sorts, and raw text that is sent unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from attrs import field, frozen

from campaigns_async.errors import QueryError
from campaigns_async.models import Campaign, Contact
from campaigns_async.query import _syntax
from campaigns_async.query._columns import Column

_OPPOSITE: Final = {"==": "!=", "==*": "!=*", "<": ">=", ">": "<="} | {
    operator: f"!{operator}" for operator in ("@=", "@=*", "_=", "_=*", "_-=", "_-=*")
}
OPPOSITES: Final = _OPPOSITE | {negated: operator for operator, negated in _OPPOSITE.items()}
NEGATED: Final = frozenset(operator for operator in OPPOSITES if operator.startswith("!"))


@frozen
class Condition:
    """A comparison of columns with values.

    Attributes:
        columns: The columns. The condition holds for a row if the comparison holds for any of these columns.
        operator: The operator in the server's language.
        values: The values. The condition holds if the comparison holds for any of them. None is null.
    """

    columns: tuple[Column, ...]
    operator: str
    values: tuple[str | None, ...] = field(repr=False)

    @property
    def label(self) -> str:
        """Columns and operator, for error messages. Values can be phone numbers or names, so they are left out."""
        return f"{'|'.join(column.wire for column in self.columns)} {self.operator}"


def to_text(conditions: Sequence[Condition]) -> str:
    """Return the filter text for conditions that must all hold; refuse it if the server would read other conditions."""
    text = ",".join(map(_condition_to_text, conditions))
    if _syntax.parse(text) != tuple(map(_as_parsed, conditions)):
        raise QueryError("the server's filter language cannot express these conditions together: query one by one")
    return text


def _condition_to_text(condition: Condition) -> str:
    names = (column.wire for column in condition.columns)
    text = _syntax.format_term(names, condition.operator, condition.values)
    if _syntax.parse(text) != (_as_parsed(condition),):
        reason = _explain_inexpressible(condition)
        raise QueryError(f"{condition.label}: the server's filter language cannot express this value: {reason}")
    return text


def _as_parsed(condition: Condition) -> _syntax.ParsedTerm:
    names = tuple(column.wire for column in condition.columns)
    return _syntax.ParsedTerm(names, condition.operator, condition.values)


def _explain_inexpressible(condition: Condition) -> str:
    texts = [value for value in condition.values if value is not None]
    if any(value[:1] == "\\" and _syntax.is_null(value[1:]) for value in texts):
        return "a backslash followed by null is always read as the text null"
    ends = [value for value in (condition.values[0], condition.values[-1]) if value is not None]
    if any(value != value.strip(_syntax.BLANKS) for value in ends):
        return "the server strips the blanks at its beginning or end"
    return "the server drops a backslash before an operator that occurs several times"


def negate(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Return the conditions that hold for the rows for which these do not. Rows without a value satisfy neither."""
    if len(conditions) == 1:
        (condition,) = conditions
        opposite = OPPOSITES[condition.operator]
        return tuple(
            Condition((column,), opposite, (value,)) for column in condition.columns for value in condition.values
        )
    # The reverse of the branch above, so that a double negation returns the original.
    columns = tuple(dict.fromkeys(condition.columns[0] for condition in conditions))
    values = tuple(dict.fromkeys(condition.values[0] for condition in conditions))
    combined = Condition(columns, OPPOSITES[conditions[0].operator], values)
    if {*negate((combined,))} == {*conditions}:
        return (combined,)
    raise QueryError(
        "~ of several conditions needs an OR between them, which the server does not have: "
        "negate them one by one, or query one by one"
    )


@frozen(repr=False)
class Expression:
    """A filter: conditions that must all hold. `str` returns the text that is sent.

    Combine expressions with `&` and negate them with `~`. There is no `|`, because the server has no OR between
    conditions. Use `in_` for several values of a field, and `query.any_of` for several fields.

    Attributes:
        conditions: The conditions.
    """

    conditions: tuple[Condition, ...]

    def __attrs_post_init__(self) -> None:
        if not self.conditions:
            raise QueryError("a filter needs a condition")
        for condition in self.conditions:
            _condition_to_text(condition)  # an error is raised here, where the caller wrote the condition

    @property
    def model(self) -> type[Campaign | Contact]:
        """The class of the rows that the filter selects."""
        return self.conditions[0].columns[0].model

    def __and__(self, other: Expression) -> Expression:
        if not isinstance(other, Expression):
            _refuse_to_combine(other)
        if other.model is not self.model:
            raise QueryError(
                f"& between a condition on {self.model.__name__} and one on {other.model.__name__}: "
                "a list has rows of one class"
            )
        return Expression(self.conditions + other.conditions)

    def __rand__(self, other: object) -> NoReturn:
        _refuse_to_combine(other)

    def __or__(self, other: object) -> NoReturn:
        raise QueryError(
            "there is no | between conditions, because the server has no OR: use field.in_(a, b) for several values of "
            "a field, query.any_of(field, field) for several fields, or query one by one"
        )

    __ror__ = __or__

    def __invert__(self) -> Expression:
        return Expression(negate(self.conditions))

    def __bool__(self) -> NoReturn:
        raise QueryError(
            "a condition has no truth value in Python: write & rather than `and`, ~ rather than `not`, "
            "(a < field) & (field < b) rather than a chained comparison, and no `if` or `in`"
        )

    def __str__(self) -> str:
        return to_text(self.conditions)

    def __repr__(self) -> str:
        return f"<Expression on {self.model.__name__}: {', '.join(each.label for each in self.conditions)}>"


def _refuse_to_combine(other: object) -> NoReturn:
    if isinstance(other, bool):
        raise QueryError("& between a condition and a bool: put brackets around each comparison, (a == b) & (c == d)")
    raise QueryError(f"& between a condition and {type(other).__name__}: both must be conditions on fields")


@frozen
class Sort:
    """A sort order by one field. `str` returns the text that is sent.

    Attributes:
        column: The column of the field.
        descending: True for descending order.
    """

    column: Column = field(repr=lambda column: column.wire)
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.column.wire}" if self.descending else self.column.wire


@frozen
class Raw:
    """Text in the server's language that is sent unchanged.

    Attributes:
        text: The text. `repr` hides it.
    """

    text: str = field(repr=False)

    def __str__(self) -> str:
        return self.text


def raw(text: str) -> Raw:
    """Return a filter or sort that is sent unchecked. Rows are not checked against it either.

    Caution: if the server does not understand one condition, it ignores all of them and returns every row.

    Args:
        text: Text in the server's language: `sender==Golf,recipientCount>=100`.

    Raises:
        QueryError: If `text` is not a str.
    """
    if not isinstance(text, str):
        raise QueryError(f"query.raw takes text (str), not {type(text).__name__}")
    return Raw(text)
