"""Between a run's checkpoints and released weights files."""
from pathlib import Path
from types import ModuleType

from torch import nn

import lightspeech
import tacotron2
import waveglow
from hparams import CONFIGS, TextConfig, UserError
from training.checkpoint import load_checkpoint

NETWORKS: dict[str, tuple[ModuleType, type[nn.Module]]] = {
    "lightspeech": (lightspeech, lightspeech.LightSpeech), "tacotron2": (tacotron2, tacotron2.Tacotron2),
    "waveglow": (waveglow, waveglow.WaveGlow)}


def export(model: str, run: Path, target: Path, preliminary: str | None = None) -> None:
    """Writes the averaged weights of RUN/best.pt (or latest.pt, where nothing was validated yet) to `target`.

    The file holds what synthesis needs and nothing else: see each model's pretrained.py. preliminary: why the
    weights are no more than a beginning, for their notes. Raises UserError for a run without a checkpoint of this
    model.
    """
    if target.suffix != ".safetensors":
        raise UserError(f"--export: found {target.name!r}, expected a name ending in .safetensors")
    saved = load_checkpoint(run / "best.pt" if (run / "best.pt").exists() else run / "latest.pt", model)
    package, kind = NETWORKS[model]
    network = kind(type(CONFIGS[model]["default"][0])(**saved["model_config"]))
    network.load_state_dict(saved["average"])
    target.parent.mkdir(parents=True, exist_ok=True)
    notes = {"steps": saved["step"], "score": saved["best"], "training": saved["train_config"]}
    if preliminary:
        notes["preliminary"] = preliminary
    if saved["text"]:
        package.save(target, network, TextConfig(**saved["text"]), notes)
    else:
        package.save(target, network, notes)


def start_from(path: Path, model: str, network: nn.Module) -> None:
    """Puts the weights of a released or published file into a network of the same sizes, in place.

    Raises UserError for a file of another model or of other sizes.
    """
    package, _ = NETWORKS[model]
    found = package.load(path)
    if found.config != network.config:
        raise UserError(f"--init {path}: weights of {found.config}, expected {network.config}; give the same sizes")
    if model == "waveglow":
        found.unfold_weight_norm()
    network.load_state_dict(found.state_dict())
