"""Models as pydantic's field types and FastAPI's response models. Imported only where pydantic asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar, cast, get_args, get_type_hints

import attrs
from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


def build_schema(
    model: type[attrs.AttrsInstance],
    wire_names: Mapping[str, str],
    source: object,
    handler: Callable[[object], CoreSchema],
    to_dict: Callable[[object], dict[str, object]],
) -> CoreSchema:
    """Return pydantic's schema of a model: an instance, or a dict with the wire's names; written by `to_dict`.

    Args:
        model: The class.
        wire_names: The wire's name of each field.
        source: The class as it was asked for: `Page[Campaign]`.
        handler: Returns the schema of a field's type.
        to_dict: Writes an instance.
    """
    hints = get_type_hints(model)
    [row_type] = get_args(source) or (object,)
    fields: dict[str, core_schema.TypedDictField] = {}
    for each in attrs.fields(model):
        hint: object = hints[each.name]
        if any(isinstance(part, TypeVar) for part in get_args(hint)):
            hint = tuple[row_type, ...]  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeArguments]  # known at run time
        required = each.default is attrs.NOTHING
        fields[wire_names[each.name]] = core_schema.typed_dict_field(handler(hint), required=required)
    attributes = {wire: name for name, wire in wire_names.items()}

    def build(values: dict[str, object]) -> object:
        return model(**{attributes[wire]: value for wire, value in values.items()})

    from_dict = core_schema.no_info_after_validator_function(
        build, core_schema.typed_dict_schema(fields, extra_behavior="forbid", cls_name=model.__name__)
    )
    return core_schema.json_or_python_schema(
        json_schema=from_dict,
        python_schema=core_schema.union_schema([core_schema.is_instance_schema(model), from_dict]),
        serialization=core_schema.plain_serializer_function_ser_schema(to_dict),
    )
