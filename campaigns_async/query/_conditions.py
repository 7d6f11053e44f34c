"""What the fields make: conditions, expressions of them, sorts, and text that is sent as it is."""

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
    """A condition: it holds where any of the columns stands in the relation to any of the values."""

    columns: tuple[Column, ...]
    operator: str
    values: tuple[str | None, ...] = field(repr=False)
    """None: no value."""

    @property
    def label(self) -> str:
        """The names and the operator, for messages: values may be numbers or names of people."""
        return f"{'|'.join(column.wire for column in self.columns)} {self.operator}"


def to_text(conditions: Sequence[Condition]) -> str:
    """Return the text to send for conditions that must all hold.

    Raises:
        QueryError: If the server would read something else than is meant.
    """
    text = ",".join(map(_condition_to_text, conditions))
    if _syntax.parse(text) != tuple(map(_as_parsed, conditions)):
        raise QueryError("the server's language cannot say these conditions together: query one by one")
    return text


def _condition_to_text(condition: Condition) -> str:
    names = (column.wire for column in condition.columns)
    text = _syntax.format_term(names, condition.operator, condition.values)
    if _syntax.parse(text) != (_as_parsed(condition),):
        reason = _explain_unsayable(condition)
        raise QueryError(f"{condition.label}: the server's language cannot say this value: {reason}")
    return text


def _as_parsed(condition: Condition) -> _syntax.ParsedTerm:
    names = tuple(column.wire for column in condition.columns)
    return _syntax.ParsedTerm(names, condition.operator, condition.values)


def _explain_unsayable(condition: Condition) -> str:
    texts = [value for value in condition.values if value is not None]
    if any(value[:1] == "\\" and _syntax.is_null(value[1:]) for value in texts):
        return "a backslash and then null is always read as the text null"
    ends = [value for value in (condition.values[0], condition.values[-1]) if value is not None]
    if any(value != value.strip(_syntax.BLANKS) for value in ends):
        return "the blanks at its beginning or end are cut off there"
    return "a backslash before an operator is lost there, where that operator occurs several times"


def negate(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Return the conditions that hold where those given do not. Rows without a value are in neither.

    Raises:
        QueryError: If it would take an OR between conditions, which the server does not have.
    """
    if len(conditions) == 1:
        (condition,) = conditions
        opposite = OPPOSITES[condition.operator]
        return tuple(
            Condition((column,), opposite, (value,)) for column in condition.columns for value in condition.values
        )
    # The reverse of the line above, so that a double negation comes back to where it began.
    operators = {condition.operator for condition in conditions}
    alternatives = {
        (column, value) for condition in conditions for column in condition.columns for value in condition.values
    }
    columns = tuple(dict.fromkeys(column for condition in conditions for column in condition.columns))
    values = tuple(dict.fromkeys(value for condition in conditions for value in condition.values))
    single = all(len(condition.columns) == len(condition.values) == 1 for condition in conditions)
    if single and len(operators) == 1 and len(alternatives) == len(columns) * len(values):
        return (Condition(columns, OPPOSITES[operators.pop()], values),)
    raise QueryError(
        "~ of several conditions would need an OR between them, which the server does not have: "
        "negate them one by one, or query one by one"
    )


@frozen(repr=False)
class Expression:
    """A filter: conditions that must all hold. `str` gives the text that is sent.

    Combine with `&`, negate with `~`. There is no `|`, since the server has none between conditions: see
    `in_` and `query.any_of` for what it has.
    """

    conditions: tuple[Condition, ...]

    def __attrs_post_init__(self) -> None:
        if not self.conditions:
            raise QueryError("a filter needs a condition")
        for condition in self.conditions:
            _condition_to_text(condition)  # what cannot be said is refused where it is made

    @property
    def model(self) -> type[Campaign | Contact]:
        """The class whose rows it filters."""
        return self.conditions[0].columns[0].model

    def __and__(self, other: Expression) -> Expression:
        if not isinstance(other, Expression):
            _refuse_to_combine(other)
        if other.model is not self.model:
            raise QueryError(
                f"& between a condition on {self.model.__name__} and one on {other.model.__name__}: "
                "a list is of one of them"
            )
        return Expression(self.conditions + other.conditions)

    def __rand__(self, other: object) -> NoReturn:
        _refuse_to_combine(other)

    def __or__(self, other: object) -> NoReturn:
        raise QueryError(
            "there is no | between conditions, since the server has none: use field.in_(a, b) for several values of a "
            "field, query.any_of(field, field) for several fields of a value, else query one by one"
        )

    __ror__ = __or__

    def __invert__(self) -> Expression:
        return Expression(negate(self.conditions))

    def __bool__(self) -> NoReturn:
        raise QueryError(
            "a condition is neither true nor false before the server sees it: write & rather than `and`, ~ rather than "
            "`not`, (a < field) & (field < b) rather than a chained comparison, and no `if` or `in`"
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
    """An order by one field. `str` gives the text that is sent."""

    column: Column = field(repr=lambda column: column.wire)
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.column.wire}" if self.descending else self.column.wire


@frozen
class Raw:
    """Text in the server's language that is sent as it is. `repr` hides it."""

    text: str = field(repr=False)

    def __str__(self) -> str:
        return self.text


def raw(text: str) -> Raw:
    """Return a filter or sort that is sent unchecked, and that rows are not checked against.

    The server drops all filters when it does not understand one, and then answers with all that there is.

    Args:
        text: In the server's language: `sender==Golf,recipientCount>=100`.

    Raises:
        QueryError: If `text` is not a str.
    """
    if not isinstance(text, str):
        raise QueryError(f"query.raw takes text (str), not {type(text).__name__}")
    return Raw(text)
