"""Settings by name and from strings, as a command line gives them."""
import dataclasses
from typing import Any, TypeVar

from hparams import CONFIGS, TrainConfig
from runtime.errors import UserError

Config = TypeVar("Config")


def named_config(model: str, name: str) -> tuple[Any, TrainConfig]:
    """Returns the (model config, training config) called `name`; UserError where there is none of that name."""
    if name not in CONFIGS[model]:
        raise UserError(f"--config: found {name!r}, expected one of {', '.join(CONFIGS[model])} for {model}")
    return CONFIGS[model][name]


def override(config: Config, changes: dict[str, str]) -> Config:
    """Returns `config` with fields replaced by values parsed from strings, as a command line gives them.

    Raises UserError for a name that is no field, or a value that is not of the field's type.
    """
    types = {field.name: field.type for field in dataclasses.fields(config)}
    parsed = {}
    for name, value in changes.items():
        if name not in types:
            raise UserError(f"unknown setting {name!r}: {type(config).__name__} has {', '.join(types)}")
        parsed[name] = _parse(name, value, types[name])
    try:
        return dataclasses.replace(config, **parsed)
    except ValueError as error:
        raise UserError(str(error)) from None


def _parse(name: str, value: str, kind: type) -> Any:
    if kind is bool:
        if value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise UserError(f"{name}: found {value!r}, expected true or false")
    try:
        return kind(value)
    except ValueError:
        raise UserError(f"{name}: found {value!r}, expected {kind.__name__}") from None
