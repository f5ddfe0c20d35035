"""Reads and writes Tacotron 2's weights: our released form, and the published one of NVIDIA's training."""
from pathlib import Path
from typing import Any

import torch

from hparams import AudioConfig, Tacotron2Config, TextConfig, UserError
from runtime.files import check_readable
from runtime.networks import build_network, load_tensors
from runtime.torch_files import read_torch_file
from runtime.weights import load_weights, save_weights
from tacotron2.model import Tacotron2
from text import symbols

PUBLISHED_TEXT = TextConfig(cleaners="english_cleaners", phonemes=False)  # what the published teacher was fed


def load(path: Path | str) -> Tacotron2:
    """Returns the teacher of a file, on the CPU, in eval mode, with its .config and .text.

    The file is a released .safetensors, or a published {"state_dict": ...} with or without "module." in the names.
    Nothing in the file is ever run. Raises UserError if it is missing, damaged or foreign, or if its tensors are not
    exactly those of the model.
    """
    path = Path(path)
    check_readable(path, "expected Tacotron2 weights (.safetensors, or NVIDIA's .pt)")
    if path.suffix == ".safetensors":
        weights = load_weights(path, "tacotron2", AudioConfig(), symbols)
        config, text, tensors = weights.config, weights.text, weights.tensors
    else:
        config, text, tensors = Tacotron2Config(), PUBLISHED_TEXT, _read_published(path)
    assert text, "load_weights returns text settings, because it was given a symbol table"
    model = build_network(path, config, lambda config: Tacotron2(config, text), tensors)
    load_tensors(path, model, tensors, "Tacotron2")
    return model.eval()


def save(path: Path | str, model: Tacotron2, text: TextConfig, notes: dict[str, Any]) -> None:
    """Writes the released form (.safetensors, half precision). notes: how the weights were made."""
    save_weights(Path(path), "tacotron2", model.state_dict(), model.config, AudioConfig(), text, symbols, notes)


def _read_published(path: Path) -> dict[str, torch.Tensor]:
    """Returns the tensors of a published file, float32, without "module." in their names."""
    content = read_torch_file(path, "give NVIDIA's published Tacotron2, {'state_dict': ...}, or copy it again")
    tensors = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(name, str) and isinstance(tensor, torch.Tensor)
                                                for name, tensor in tensors.items()):
        raise UserError(f"{path}: found no tensors under 'state_dict', expected NVIDIA's published Tacotron2 form")
    return {name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()}
