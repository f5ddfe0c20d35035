"""Settings by name, from strings of a command line and from the JSON of a file."""
import dataclasses
from typing import Any, TypeVar

from hparams import CONFIGS, VOICE_CONFIGS, TrainConfig, UserError, VoiceConfig

Config = TypeVar("Config")
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def named_config(model: str, name: str) -> tuple[Any, TrainConfig]:
    """Returns the (model config, training config) called `name`. Raises UserError for an unknown name."""
    if name not in CONFIGS[model]:
        raise UserError(f"--config: found {name!r}, expected one of {', '.join(CONFIGS[model])} for {model}")
    return CONFIGS[model][name]


def voice_config(name: str) -> VoiceConfig:
    """Returns the settings of a voice called `name`. Raises UserError for an unknown name."""
    if name not in VOICE_CONFIGS:
        raise UserError(f"--config: found {name!r}, expected one of {', '.join(VOICE_CONFIGS)} for voice")
    return VOICE_CONFIGS[name]


def override(config: Config, changes: dict[str, str]) -> Config:
    """Returns `config` with some fields replaced by values parsed from strings.

    Raises UserError for an unknown name, and for a value of the wrong type or out of range.
    """
    types = {field.name: field.type for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    unknown = changes.keys() - types.keys()
    if unknown:
        raise UserError(f"unknown setting {min(unknown)!r}: {type(config).__name__} has {', '.join(types)}")
    parsed = {name: _parse(name, value, types[name]) for name, value in changes.items()}
    try:
        return dataclasses.replace(config, **parsed)  # type: ignore[type-var]
    except ValueError as error:
        raise UserError(str(error)) from None


def _parse(name: str, value: str, kind: Any) -> Any:
    """Returns a value of type `kind` from a string. Raises UserError naming the setting."""
    if kind is bool:
        if value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise UserError(f"{name}: found {_shortened(value)}, expected true or false")
    try:
        return kind(value)
    except ValueError:
        raise UserError(f"{name}: found {_shortened(value)}, expected {kind.__name__}") from None


def from_dict(kind: type[Config], values: Any, where: str) -> Config:
    """Returns the settings dataclass `kind` with `values`, a dict as JSON or a checkpoint holds it.

    Settings that are not in `values` keep their default, as in files of older versions. where: begins the messages,
    such as "FILE: config". Raises UserError if `values` is no dict, and for an unknown name, a value of the wrong type
    or out of range.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: found {_shortened(values)}, expected settings by name; the file is damaged")
    types: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    parsed = {}
    for name, value in values.items():
        if name not in types:
            raise UserError(f"{where}: unknown setting {_shortened(name)}; the file is of a newer version, use that")
        if dataclasses.is_dataclass(types[name]):
            value = from_dict(types[name], value, f"{where}: {name}")
        if types[name] is float and type(value) is int and abs(value) < 2 ** 53:
            value = float(value)
        if types[name] in _KINDS and type(value) is not types[name]:
            raise UserError(f"{where}: {name}: found {_shortened(value)}, expected {_KINDS[types[name]]}")
        parsed[name] = value
    try:
        return kind(**parsed)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def _shortened(value: Any) -> str:
    """Returns the repr of a value, at most 40 letters of it."""
    if isinstance(value, int) and abs(value) > 10 ** 40:
        return "a number of more than 40 digits"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
