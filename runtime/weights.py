"""Released weights: one writer and one reader of .safetensors files that hold tensors and all settings beside them."""
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from hparams import CONFIGS, AudioConfig, TextConfig
from runtime.errors import UserError
from runtime.files import atomic_write

WEIGHTS_FORMAT = 1
HALF_FROM = 1024  # elements: biases, norms and 1x1 matrices stay in float32, where it costs nothing


class Weights(NamedTuple):
    """A released weights file: float32 tensors by name, and the settings beside them."""
    tensors: dict[str, Any]
    config: dict[str, Any]  # the model's dataclass as a dict
    text: dict[str, Any] | None  # TextConfig as a dict; None for a vocoder
    notes: dict[str, Any]  # how the weights were made


def save_weights(path: Path, model: str, tensors: dict[str, Any], config: Any, audio: AudioConfig,
                 text: TextConfig | None = None, symbols: list[str] | None = None,
                 notes: dict[str, Any] | None = None) -> None:
    """Writes a released file (.safetensors), atomically; tensors of HALF_FROM elements and more in half precision.

    model: "tacotron2", "waveglow" or "lightspeech"; config: its dataclass; symbols: the symbol table, for the two
    models that read text. Raises UserError if the file cannot be written, and then leaves nothing behind.
    """
    import torch
    from safetensors.torch import save
    about = {"format": WEIGHTS_FORMAT, "model": model, "config": dataclasses.asdict(config),
             "audio": dataclasses.asdict(audio), "text": text and dataclasses.asdict(text), "symbols": symbols,
             "notes": notes or {}}
    large = {name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel() >= HALF_FROM}
    stored = {name: tensor.detach().to(torch.float16 if name in large else tensor.dtype).cpu().contiguous()
              for name, tensor in tensors.items()}
    with atomic_write(path, advice="name a folder with room in it") as file:
        file.write(save(stored, metadata={"lightspeech": json.dumps(about)}))


def load_weights(path: Path, model: str, audio: AudioConfig, symbols: list[str] | None = None) -> Weights:
    """Reads a released file and checks that it is of this model, mel definition and symbol table.

    Raises UserError naming what differs, also for a truncated file or one that is not safetensors.
    """
    import torch
    from safetensors import SafetensorError, safe_open
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("lightspeech", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not a complete safetensors file ({error}); copy or export it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}); give the path of a released weights file") from None
    _check_about(path, about, model, audio, symbols)
    tensors = {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in tensors.items()}
    return Weights(tensors, about["config"], about["text"], about["notes"])


def _check_about(path: Path, about: Any, model: str, audio: AudioConfig, symbols: list[str] | None) -> None:
    format_number = about.get("format") if isinstance(about, dict) else None
    if format_number != WEIGHTS_FORMAT:
        raise UserError(f"{path}: found weights format {format_number or 'none'}, expected {WEIGHTS_FORMAT}; "
                        "export it again with train.py --export")
    missing = [name for name in ("model", "config", "audio", "text", "symbols", "notes") if name not in about]
    if missing:
        raise UserError(f"{path}: misses {', '.join(missing)} of the settings; export it again with train.py --export")
    if about["model"] != model:
        raise UserError(f"{path}: weights of {about['model']}, expected {model}; give the file of the right model")
    for name, expected in dataclasses.asdict(audio).items():
        if about["audio"].get(name) != expected:
            raise UserError(f"{path}: mel definition has {name} {about['audio'].get(name)}, expected {expected}; "
                            "train with this mel definition")
    if symbols is not None and about["symbols"] != symbols:
        raise UserError(f"{path}: another symbol table ({len(about['symbols'] or [])} symbols), "
                        f"expected the {len(symbols)} of text/symbols.py; train with this table")
    for kind, found in ((type(CONFIGS[model]["default"][0]), about["config"]), (TextConfig, about["text"] or {})):
        unknown = found.keys() - {field.name for field in dataclasses.fields(kind)}
        if unknown:
            raise UserError(f"{path}: unknown setting {min(unknown)!r}; the file is of a newer version, use that")
_WEIGHTS = (".safetensors", ".pt", ".pth")  # ours; the published Tacotron2's and WaveGlow's


def newest_weights(folder: Path, given: str | Path | None, advice: str) -> Path:
    """Returns the file `given`, or where that is None the weights in `folder`: a published file before one of ours.

    Of several the newest counts, of one time the last by name.
    Raises UserError, which ends in `advice`, if there is no such file.
    """
    if given is not None:
        if not Path(given).is_file():
            raise UserError(f"{given}: no such weights file; {advice}")
        return Path(given)
    found = [path for path in folder.iterdir() if path.suffix in _WEIGHTS] if folder.is_dir() else []
    if not found:
        raise UserError(f"{folder}: no weights there; {advice}")
    return max(found, key=lambda path: (path.suffix != ".safetensors", path.stat().st_mtime, path.name))


def weights_notes(path: Path) -> dict[str, Any]:
    """How a released file says its weights were made; {} for a published file, which says nothing."""
    if path.suffix != ".safetensors":
        return {}
    from safetensors import safe_open
    with safe_open(path, framework="np") as file:
        return json.loads((file.metadata() or {}).get("lightspeech", "{}")).get("notes", {})


def identity(weights: Path) -> str:
    """Name and content of a file of weights, in a few letters."""
    return f"{weights.name} {hashlib.sha256(weights.read_bytes()).hexdigest()[:12]}"
