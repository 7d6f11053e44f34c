"""The schemas that let pydantic, and so FastAPI, use the models as field types, request models and response models.

Imported only when pydantic asks a model for its schema: pydantic is not a dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

import attrs
from pydantic_core import CoreSchema, core_schema


def build_schema(
    model: type[Any], names: Mapping[str, str], source: object, handler: Callable[[object], CoreSchema]
) -> CoreSchema:
    """Return pydantic's schema of a model.

    The schema accepts an instance, or a dict with the wire's names. It serializes an instance by `to_dict`.

    Args:
        model: The class.
        names: The names of its fields, by the wire's names.
        source: The annotation, such as `Page[Campaign]`.
        handler: Returns the schema of a field's type.
    """
    hints, types = get_type_hints(model), get_args(source)
    fields: dict[str, core_schema.TypedDictField] = {}
    for wire, name in names.items():
        hint = hints[name]
        if any(isinstance(part, TypeVar) for part in get_args(hint)):  # the rows of a Page
            hint = hint[types or (Any,)]
        required = attrs.fields_dict(model)[name].default is attrs.NOTHING
        fields[wire] = core_schema.typed_dict_field(handler(hint), required=required)

    def build(values: dict[str, object]) -> object:
        return model(**{names[wire]: value for wire, value in values.items()})

    from_dict = core_schema.no_info_after_validator_function(
        build,
        core_schema.typed_dict_schema(fields, extra_behavior="forbid", cls_name=model.__name__),
        metadata={"pydantic_js_updates": {"title": model.__name__}},
    )

    def accept(value: object, read: Callable[[object], object]) -> object:
        return value if isinstance(value, model) else read(value)

    return core_schema.no_info_wrap_validator_function(  # a union would report each fault twice
        accept, from_dict, serialization=core_schema.plain_serializer_function_ser_schema(model.to_dict)
    )
