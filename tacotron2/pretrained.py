"""Tacotron 2 from a file: our released form, or the published one of NVIDIA's training."""
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from hparams import AudioConfig, Tacotron2Config, TextConfig
from runtime.errors import UserError
from runtime.weights import load_weights, save_weights
from tacotron2.model import Tacotron2
from text import symbols

PUBLISHED_TEXT = TextConfig(cleaners="english_cleaners", phonemes=False)  # what the published teacher was fed


def load(path: Path | str) -> Tacotron2:
    """Reads a teacher: a released .safetensors, or a published {"state_dict": ...} with or without "module.".

    Returns it on the CPU, in eval mode, with its .config and .text. Nothing in the file is ever run. Raises UserError
    for a missing, truncated or foreign file and for tensors that are not exactly those of the model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected Tacotron2 weights (.safetensors, or NVIDIA's .pt)")
    if path.suffix == ".safetensors":
        weights = load_weights(path, "tacotron2", AudioConfig(), symbols)
        config, text, tensors = Tacotron2Config(**weights.config), TextConfig(**weights.text), weights.tensors
    else:
        config, text, tensors = Tacotron2Config(), PUBLISHED_TEXT, _read_published(path)
    model = Tacotron2(config, text)
    _check_tensors(path, model.state_dict(), tensors)
    model.load_state_dict(tensors)
    return model.eval()


def save(path: Path | str, model: Tacotron2, text: TextConfig, notes: dict[str, Any]) -> None:
    """Writes the released form (.safetensors, half precision); notes: how the weights were made."""
    save_weights(Path(path), "tacotron2", model.state_dict(), model.config, AudioConfig(), text, symbols, notes)


def _read_published(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a published file, float32, without "module."."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"found {found[1]}" if found else "damaged, or of another kind"
        raise UserError(f"{path}: {reason}, expected plain tensors {{'state_dict': ...}}; nothing was run") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not a complete torch file ({reason}); copy it again") from None
    tensors = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise UserError(f"{path}: found no tensors under 'state_dict', expected NVIDIA's published Tacotron2 form")
    return {name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()}


def _check_tensors(path: Path, expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    """Raises UserError naming what is missing, unexpected or of another shape."""
    shapes = [f"{name} {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}"
              for name in expected if name in found and found[name].shape != expected[name].shape]
    faults = [(kind, names) for kind, names in (("missing", sorted(expected.keys() - found.keys())),
                                                ("unexpected", sorted(found.keys() - expected.keys())),
                                                ("of another shape", shapes)) if names]
    if faults:
        told = "; ".join(f"{len(names)} tensors {kind}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
                         for kind, names in faults)
        raise UserError(f"{path}: not these Tacotron2 weights, {told}; give a file of this model")
