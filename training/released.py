"""Between a run's checkpoints and released weights files."""
import dataclasses
from pathlib import Path
from types import ModuleType

from torch import nn

import lightspeech
import tacotron2
import waveglow
from hparams import CONFIGS, TextConfig, UserError
from training.checkpoint import check_same_config, load_checkpoint

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
    found = [path for path in (run / "best.pt", run / "latest.pt") if path.exists()]
    if not found:
        raise UserError(f"--out {run}: no checkpoint found there; give the folder of a run")
    saved = load_checkpoint(found[0], model)
    package, kind = NETWORKS[model]
    network = kind(type(CONFIGS[model]["default"][0])(**saved["model_config"]))
    network.load_state_dict(saved["average"])
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--export {target}: no folder can be made for it ({error}); give another path") from None
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
    check_same_config(path, dataclasses.asdict(found.config), network.config)
    if model == "waveglow":
        found.unfold_weight_norm()
    network.load_state_dict(found.state_dict())
