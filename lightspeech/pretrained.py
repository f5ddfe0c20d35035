"""The student's weights on disk: a released .safetensors file holds all that is needed to speak."""
from pathlib import Path
from typing import Any

from hparams import AudioConfig, TextConfig
from lightspeech.model import LightSpeech
from runtime.networks import build_network, load_tensors
from runtime.weights import load_weights, save_weights
from text import symbols


def save(path: Path, model: LightSpeech, text: TextConfig, notes: dict[str, Any] | None = None) -> None:
    """Writes the released form of `model` (half precision, atomically); text: how its training texts became ids."""
    save_weights(path, "lightspeech", model.state_dict(), model.config, AudioConfig(), text, symbols, notes)


def load(path: Path) -> LightSpeech:
    """Returns the model of a released file, float32, on the CPU, in eval mode, with .config and .text set.

    Raises UserError for a file that is missing or truncated, of another model, mel definition or symbol table, or
    whose tensors are not those of its config.
    """
    weights = load_weights(path, "lightspeech", AudioConfig(), symbols)
    model = build_network(path, weights.config, LightSpeech, weights.tensors)
    load_tensors(path, model, weights.tensors, "LightSpeech")
    model.text = weights.text
    return model.eval()
