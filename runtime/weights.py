"""Released weights: the one writer and the one reader of .safetensors files with tensors and all settings.

The header's metadata holds, as JSON under "lightspeech": format, model, config, audio, text, symbols, notes, and a
CRC-32 of all this and the tensors. Files written before the checksum existed are read without it.
"""
import dataclasses
import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hparams import CONFIGS, AudioConfig, TextConfig, UserError
from runtime.console import print_notice
from runtime.files import atomic_write, check_readable
from runtime.settings import from_dict

WEIGHTS_FORMAT = 1
HALF_FROM = 1024  # elements: smaller tensors (biases, norms, 1x1 matrices) stay in float32, which costs nothing
MOST_HEADER = 10 ** 8  # bytes, as in the library safetensors
ENDINGS = (".safetensors", ".onnx", ".pt", ".pth")  # ours; published files of Tacotron2 and WaveGlow
_SETTINGS = ("model", "config", "audio", "text", "symbols", "notes")


class Weights(NamedTuple):
    """The content of a released weights file."""
    tensors: dict[str, Any]  # by name, on the CPU; floating point ones as float32
    config: Any  # the model's dataclass
    text: TextConfig | None  # None for a vocoder
    notes: dict[str, Any]  # how the weights were made


def save_weights(path: Path, model: str, tensors: dict[str, Any], config: Any, audio: AudioConfig,
                 text: TextConfig | None = None, symbols: list[str] | None = None,
                 notes: dict[str, Any] | None = None) -> None:
    """Writes a released file (.safetensors) atomically; tensors of HALF_FROM elements or more in half precision.

    The arguments are those of `release`. Raises UserError if the file cannot be written.
    """
    from safetensors.torch import save
    about, stored = release(model, tensors, config, audio, text, symbols, notes)
    with atomic_write(path, advice="name a folder with room in it") as file:
        file.write(save(stored, metadata={"lightspeech": json.dumps(about)}))


def release(model: str, tensors: dict[str, Any], config: Any, audio: AudioConfig, text: TextConfig | None = None,
            symbols: list[str] | None = None, notes: dict[str, Any] | None = None
            ) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the settings of a released file, with their checksum, and its tensors as it stores them.

    model: a name in hparams.CONFIGS; config: its dataclass; text, symbols: text settings and symbol table of a model
    that reads text; notes: how the weights were made.
    """
    import torch
    about = {"format": WEIGHTS_FORMAT, "model": model, "config": dataclasses.asdict(config),
             "audio": dataclasses.asdict(audio), "text": text and dataclasses.asdict(text), "symbols": symbols,
             "notes": notes or {}}
    about = json.loads(json.dumps(about))  # as the reader will see it
    large = {name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel() >= HALF_FROM}
    stored = {name: tensor.detach().to(torch.float16 if name in large else tensor.dtype).cpu().contiguous()
              for name, tensor in tensors.items()}
    return {**about, "checksum": _checksum(about, stored)}, stored


def load_weights(path: Path, model: str, audio: AudioConfig, symbols: list[str] | None = None,
                 upgrade: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Weights:
    """Reads a released file and checks that it is whole, and of this model, mel definition and symbol table.

    upgrade: completes the model's settings if they come from an older version; others get their default.
    Raises UserError naming what differs; also for a truncated, damaged or foreign file.
    """
    about, tensors = _read(path, with_tensors=True)
    check_about(path, about, model)
    checksum = about.pop("checksum", None)
    if checksum is not None and checksum != _checksum(about, tensors):
        raise UserError(f"{path}: damaged (its checksum is not that of its content); copy or export it again")
    config, text = parse_settings(path, about, audio, symbols, upgrade)
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    return Weights(tensors, config, text, about["notes"])


def _read(path: Path, with_tensors: bool) -> tuple[Any, dict[str, Any]]:
    """Returns the settings of a released file, unchecked, and its tensors as they are stored."""
    from safetensors import SafetensorError, safe_open
    check_readable(path, "give the path of a released weights file")
    if path.suffix == ".onnx":
        raise UserError(f"{path}: an ONNX file, which is for speaking on the CPU alone; give the .safetensors file, or "
                        "speak with --device cpu")
    try:
        with safe_open(path, framework="pt" if with_tensors else "np") as file:
            about = json.loads((file.metadata() or {}).get("lightspeech", "{}"))
            return about, {name: file.get_tensor(name) for name in file.keys()} if with_tensors else {}
    except (SafetensorError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a complete safetensors file ({error}); copy or export it again") from None
    except Exception as error:  # a forged header can name types that torch or the system refuse in their own ways
        raise UserError(f"{path}: cannot be read ({error}); give the path of a released weights file") from None


def _checksum(about: dict[str, Any], tensors: dict[str, Any]) -> str:
    """Returns the CRC-32, 8 hex digits, of the settings and of the names, types, shapes and bytes of the tensors."""
    import torch
    kinds = {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()}
    crc = zlib.crc32(json.dumps([about, kinds], sort_keys=True).encode())
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), crc)
    return f"{crc:08x}"


def check_about(path: Path, about: Any, model: str) -> None:
    """Raises UserError for the settings of a released file if they are of another format or model, or incomplete."""
    format_number = about.get("format") if isinstance(about, dict) else None
    if format_number != WEIGHTS_FORMAT:
        raise UserError(f"{path}: found weights format {str(format_number or 'none')[:40]}, expected {WEIGHTS_FORMAT}; "
                        "export it again with train.py --export")
    missing = [name for name in _SETTINGS if name not in about]
    if missing:
        raise UserError(f"{path}: misses {', '.join(missing)} of the settings; export it again with train.py --export")
    if about["model"] != model:
        raise UserError(f"{path}: weights of {str(about['model'])[:40]}, expected {model}; "
                        "give the file of the right model")
    if not isinstance(about["notes"], dict):
        raise UserError(f"{path}: its notes are damaged; export it again with train.py --export")


def parse_settings(path: Path, about: dict[str, Any], audio: AudioConfig, symbols: list[str] | None,
              upgrade: Callable[[dict[str, Any]], dict[str, Any]]) -> tuple[Any, TextConfig | None]:
    """Returns the settings of the model and of its text. Raises UserError for malformed ones, and for others' mels."""
    from_dict(AudioConfig, about["audio"], f"{path}: audio")
    for name, expected in dataclasses.asdict(audio).items():
        if about["audio"].get(name) != expected:
            raise UserError(f"{path}: mel definition has {name} {about['audio'].get(name)}, expected {expected}; "
                            "train with this mel definition")
    values = upgrade(about["config"]) if isinstance(about["config"], dict) else about["config"]
    config = from_dict(type(CONFIGS[about["model"]]["default"][0]), values, f"{path}: config")
    if config.n_mels != audio.n_mels:
        raise UserError(f"{path}: config: n_mels: found {config.n_mels}, expected {audio.n_mels} of its mel definition")
    if symbols is None:
        return config, None
    if about["symbols"] != symbols or config.n_symbols != len(symbols):
        count = len(about["symbols"]) if isinstance(about["symbols"], list) else "no"
        raise UserError(f"{path}: another symbol table ({count} symbols), "
                        f"expected the {len(symbols)} of text/symbols.py; train with this table")
    return config, from_dict(TextConfig, about["text"], f"{path}: text")


def newest_weights(folder: Path, chosen: str | Path | None, advice: str) -> Path:
    """Returns the file `chosen`, or if that is None the newest weights in `folder`, published files before ours.

    Files of the same time are ordered by name. An .onnx file counts only if its .safetensors is not there. Raises
    UserError, which ends in `advice`, if there is no such file.
    """
    if chosen is not None:
        return check_readable(chosen, advice)
    found = [path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file()] if folder.is_dir() else []
    found = [path for path in found if path.suffix != ".onnx" or path.with_suffix(".safetensors") not in found]
    if not found:
        raise UserError(f"{folder}: no weights there; {advice}")
    return max(found, key=lambda path: (path.suffix not in (".safetensors", ".onnx"), path.stat().st_mtime, path.name))


def weights_notes(path: Path) -> dict[str, Any]:
    """Returns the notes of a released file on how its weights were made; {} for a published file, which has none."""
    about = _read(path, with_tensors=False)[0] if path.suffix == ".safetensors" else {}
    notes = about.get("notes") if isinstance(about, dict) else None
    return notes if isinstance(notes, dict) else {}


def weights_model(path: Path) -> str:
    """Returns which model a released file is of. Raises UserError for another file."""
    about = _read(path, with_tensors=False)[0]
    if not isinstance(about, dict) or "model" not in about:
        raise UserError(f"{path}: not a released weights file; export one with train.py --export")
    return str(about["model"])


def stored_checksum(path: Path) -> str | None:
    """Returns the checksum that the header of a released file gives; None if there is none, or no such header."""
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), MOST_HEADER)))
        return json.loads(header["__metadata__"]["lightspeech"])["checksum"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def notify_unchecked(path: Path) -> None:
    """Prints a line if a released file has no checksum, so that damage to it would go unnoticed."""
    about = _read(path, with_tensors=False)[0] if path.suffix == ".safetensors" else None
    if isinstance(about, dict) and "checksum" not in about:
        print_notice(f"{path}: no checksum inside (written by an older version), so damage would go unnoticed")


def identity(weights: Path) -> str:
    """Returns the name of a weights file and the first 12 hex digits of the SHA-256 of its content."""
    check_readable(weights)
    return f"{weights.name} {hashlib.sha256(weights.read_bytes()).hexdigest()[:12]}"
