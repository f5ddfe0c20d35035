"""Between a run's checkpoints and released weights files."""
import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

import lightspeech
import tacotron2
import waveglow
from hparams import CONFIGS, TextConfig
from runtime.errors import UserError
from runtime.weights import notify_unchecked, weights_notes
from training.checkpoint import check_same_config, load_checkpoint
from training.sharpness import make_sharp

NETWORKS: dict[str, tuple[ModuleType, Callable[[Any], nn.Module]]] = {
    "lightspeech": (lightspeech, lightspeech.LightSpeech), "tacotron2": (tacotron2, tacotron2.Tacotron2),
    "waveglow": (waveglow, waveglow.build)}


def export(model: str, source: Path, target: Path, preliminary: str | None = None,
           sharpness: tuple[Path, float] | None = None) -> None:
    """Writes released weights: the averaged ones of RUN/best.pt (or latest.pt, where nothing was validated yet).

    source: the run's folder, or a released file to be written anew; preliminary: why the weights are no more than a
    beginning, for their notes (a released file's own is not kept); sharpness: the data and the factor for
    `make_sharp`. The file holds what synthesis needs and nothing else: see each model's pretrained.py.
    Raises UserError for a run without a checkpoint of this model, or a file of another.
    """
    if target.suffix != ".safetensors":
        raise UserError(f"--export: found {target.name!r}, expected a name ending in .safetensors")
    package, _ = NETWORKS[model]
    network, text, notes = _released(model, source) if source.is_file() else _trained(model, source)
    notes.pop("preliminary", None)
    if preliminary:
        notes["preliminary"] = preliminary
    if sharpness:
        make_sharp(network, *sharpness)
        notes["sharpened"] = sharpness[1]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--export {target}: no folder can be made for it ({error}); give another path") from None
    package.save(target, network, *([text] if text else []), notes)


def _released(model: str, path: Path) -> tuple[nn.Module, TextConfig | None, dict[str, Any]]:
    network = NETWORKS[model][0].load(path)
    notify_unchecked(path)
    return network, getattr(network, "text", None), weights_notes(path)


def _trained(model: str, run: Path) -> tuple[nn.Module, TextConfig | None, dict[str, Any]]:
    found = [path for path in (run / "best.pt", run / "latest.pt") if path.exists()]
    if not found:
        raise UserError(f"--out {run}: no checkpoint found there; give the folder of a run")
    saved = load_checkpoint(found[0], model)
    network = NETWORKS[model][1](type(CONFIGS[model]["default"][0])(**saved["model_config"]))
    network.load_state_dict(saved["average"])
    notes = {"steps": saved["step"], "score": saved["best"], "training": saved["train_config"]}
    return network, TextConfig(**saved["text"]) if saved["text"] else None, notes


def start_from(path: Path, model: str, network: nn.Module) -> None:
    """Puts the weights of a released or published file into a network of the same sizes, in place.

    Raises UserError for a file of another model or of other sizes.
    """
    package, _ = NETWORKS[model]
    found = package.load(path)
    notify_unchecked(path)
    check_same_config(path, dataclasses.asdict(found.config), network.config)
    if isinstance(found, waveglow.WaveGlow):
        found.unfold_weight_norm()
    network.load_state_dict(found.state_dict())
