"""Released weights files from a run's checkpoints, and runs that start from a released file."""
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

import lightspeech
import tacotron2
import waveglow
from hparams import CONFIGS, JointConfig, TextConfig, UserError
from runtime.console import print_notice
from runtime.devices import pick_device
from runtime.files import make_folder
from runtime.networks import build_network, load_tensors
from runtime.settings import from_dict
from runtime.weights import notify_unchecked, weights_notes
from training.checkpoint import BEST, LATEST, check_same_config, find_checkpoint, load_checkpoint, saved_settings
from training.distributed import Workers
from training.joint import SpeechModel
from training.sharpening import add_contrast, change_pace, sharpen

NETWORKS: dict[str, tuple[ModuleType, Callable[[Any], nn.Module]]] = {
    "lightspeech": (lightspeech, lightspeech.LightSpeech), "tacotron2": (tacotron2, tacotron2.Tacotron2),
    "waveglow": (waveglow, waveglow.build)}
STUDENT, VOCODER = "lightspeech.safetensors", "waveglow.safetensors"  # in the folder of a voice
FLOW_SETTINGS = ("n_flows", "flow_channels", "sigma")  # of a vocoder at the mel rate; without a flow they say nothing
FLOW_TENSORS = ("flows.", "scale.")


def export(model: str, source: Path, target: Path, preliminary: str | None = None,
           sharpening: tuple[Path, float] | None = None, contrast: tuple[Path, float] | None = None,
           pace: float | None = None, device: str = "cpu") -> None:
    """Writes a released weights file: the averaged weights of a run's best.pt, or of latest.pt if there is no best.pt.

    source: the run's folder, or a released file that is rewritten; target: a name ending in .safetensors, or for
    student and vocoder in .onnx; preliminary: a note why the weights are not final, in place of that of a released
    file; sharpening: the training data and the factor, see `sharpen`; contrast: the same for a student, see
    `add_contrast`; pace: a factor for a student, see `change_pace`; device: the name of the device (see
    `pick_device`) on which a teacher reads texts for `sharpening`.
    Raises UserError for a run without a checkpoint of this model, a damaged checkpoint or a file of another model.
    """
    endings = (".safetensors",) if model == "tacotron2" else (".safetensors", ".onnx")
    if target.suffix not in endings:
        raise UserError(f"--export: found {target.name!r}, expected a name ending in {' or '.join(endings)}")
    package, _ = NETWORKS[model]
    network, text, notes = _from_file(model, source) if os.path.isfile(source) else _from_run(model, source)
    notes.pop("preliminary", None)
    if preliminary:
        notes["preliminary"] = preliminary
    if sharpening:
        sharpen(network, *sharpening, pick_device(device))
        notes["sharpened"] = sharpening[1]
    if contrast:
        assert isinstance(network, lightspeech.LightSpeech)
        add_contrast(network, *contrast)
        notes["contrast"] = contrast[1]
    if pace is not None:
        assert isinstance(network, lightspeech.LightSpeech)
        change_pace(network, pace)
        notes["pace"] = pace
    make_folder(target.parent, "give --export another path")
    save = package.save_onnx if target.suffix == ".onnx" else package.save
    save(target, network, *([text] if text else []), notes)


def export_joint(run: Path, folder: Path, preliminary: str | None = None) -> None:
    """Writes student and vocoder of a joint run to a folder, as STUDENT and VOCODER. See `export`."""
    if folder.suffix in (".safetensors", ".onnx"):
        raise UserError(f"--export: found {folder.name!r}, expected a folder, which gets {STUDENT} and {VOCODER}")
    network, text, notes = _from_run("joint", run)
    assert isinstance(network, SpeechModel) and text is not None
    if preliminary:
        notes["preliminary"] = preliminary
    make_folder(folder, "give --export another path")
    lightspeech.save(folder / STUDENT, network.student, text, notes)
    waveglow.save(folder / VOCODER, network.vocoder, notes)


def joint_config(folder: Path) -> JointConfig:
    """Returns the sizes of the student and the vocoder in a folder. Raises UserError if they are not there."""
    if not folder.is_dir():
        raise UserError(f"--init {folder}: no such folder; joint training starts from a folder with {STUDENT} and "
                        f"{VOCODER}")
    vocoder = waveglow.load(folder / VOCODER).config
    if vocoder.squeeze != "mdct":
        raise UserError(f"{folder / VOCODER}: a WaveGlow of samples, expected a vocoder at the mel rate")
    return JointConfig(lightspeech.load(folder / STUDENT).config, vocoder)


def _from_file(model: str, path: Path) -> tuple[nn.Module, TextConfig | None, dict[str, Any]]:
    """Returns the network of a released or published file, its text settings and its notes."""
    network = NETWORKS[model][0].load(path)
    notify_unchecked(path)
    return network, getattr(network, "text", None), weights_notes(path)


def _from_run(model: str, run: Path) -> tuple[nn.Module, TextConfig | None, dict[str, Any]]:
    """Returns the averaged network of a run, its text settings and notes on its training."""
    path = find_checkpoint(run, (BEST, LATEST))
    if path is None:
        raise UserError(f"--out {run}: no checkpoint found there; give the folder of a run")
    saved = load_checkpoint(path, model)
    config = saved_settings(path, saved["model_config"], type(CONFIGS[model]["default"][0]))
    build = SpeechModel if model == "joint" else NETWORKS[model][1]
    network = build_network(path, config, build, saved["average"])
    load_tensors(path, network, saved["average"], model)
    text = from_dict(TextConfig, saved["text"], f"{path}: text") if saved["text"] else None
    return network.eval(), text, {"steps": saved["step"], "score": saved["best"], "training": saved["train_config"]}


def start_from(path: Path, model: str, network: nn.Module, workers: Workers) -> None:
    """Copies the weights of a released or published file into a network of the same sizes, in place.

    A vocoder with a flow also takes the mean of a file without one; its flow keeps its weights then, and a line
    says so. For "joint", `path` is a folder with STUDENT and VOCODER.
    Raises UserError for a file of another model or of other sizes.
    """
    if isinstance(network, SpeechModel):
        start_from(path / STUDENT, "lightspeech", network.student, workers)
        start_from(path / VOCODER, "waveglow", network.vocoder, workers)
        return
    package, _ = NETWORKS[model]
    released = package.load(path)
    notify_unchecked(path)
    adds_flow = _is_mean(released) and isinstance(network, waveglow.MelRateWaveGlow) and network.config.n_flows > 0
    check_same_config(path, dataclasses.asdict(released.config), network.config, FLOW_SETTINGS if adds_flow else ())
    if isinstance(released, waveglow.WaveGlow):
        released.unfold_weight_norm()
    new = network.load_state_dict(released.state_dict(), strict=not adds_flow).missing_keys
    assert all(name.startswith(FLOW_TENSORS) for name in new)
    if adds_flow and workers.is_main:
        print_notice(f"{path}: has no flow; training starts with its mean and an untrained flow of "
                     f"{network.config.n_flows} coupling layers")


def _is_mean(network: nn.Module) -> bool:
    """Returns whether a network is a vocoder at the mel rate without a flow."""
    return isinstance(network, waveglow.MelRateWaveGlow) and not network.flows
