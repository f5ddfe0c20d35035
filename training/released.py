"""Between a run's checkpoints and released weights files."""
import dataclasses
import math
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

import lightspeech
import tacotron2
import waveglow
from audio import read_corpus
from hparams import CONFIGS, AudioConfig, TextConfig, UserError
from tacotron2.data import mels_from_waves
from text import read
from training.checkpoint import check_same_config, load_checkpoint
from training.corpus import split_lines
from training.inference import weights_notes

READ, READ_AT_ONCE = 256, 32  # training texts that a teacher reads, to learn how its mels differ from recordings
LEAST_FRAMES = 160  # twice the bands: fewer tell nothing of a covariance
NETWORKS: dict[str, tuple[ModuleType, type[nn.Module]]] = {
    "lightspeech": (lightspeech, lightspeech.LightSpeech), "tacotron2": (tacotron2, tacotron2.Tacotron2),
    "waveglow": (waveglow, waveglow.WaveGlow)}


def export(model: str, source: Path, target: Path, preliminary: str | None = None,
           sharpness: tuple[Path, float] | None = None) -> None:
    """Writes released weights: the averaged ones of RUN/best.pt (or latest.pt, where nothing was validated yet).

    source: the run's folder, or a released file to be written anew; preliminary: why the weights are no more than a
    beginning, for their notes; sharpness: for a teacher, see `make_sharp`. The file holds what synthesis needs and
    nothing else: see each model's pretrained.py.
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


def make_sharp(network: tacotron2.Tacotron2, data: Path, factor: float) -> None:
    """Gives a teacher's mels the covariance of recordings, stretched by `factor`, in place: see tacotron2.sharpen.

    data: the folder in LJSpeech's layout that it learned from; up to READ of its training texts are read, as
    preprocess.py would. Raises UserError for a factor that is not a number above 0, a folder that cannot be read, or
    where too little is said.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise UserError(f"--sharpen: found {factor}, expected a number above 0, such as 1.15")
    lines = split_lines(data)[0]
    lines = lines[::-(-len(lines) // READ)]
    waves = read_corpus(data, [line.name for line in lines], AudioConfig().sample_rate, len(os.sched_getaffinity(0)))
    recorded = mels_from_waves(waves, "cpu").flat
    rows = [torch.tensor(read(line.text, network.text).ids) for line in lines]
    spoken = [_spoken(network, rows[start:start + READ_AT_ONCE]) for start in range(0, len(rows), READ_AT_ONCE)]
    frames = torch.cat(spoken)
    if min(len(frames), len(recorded)) < LEAST_FRAMES:
        raise UserError(f"{data}: {len(recorded)} mel frames recorded and {len(frames)} read, expected at least "
                        f"{LEAST_FRAMES} of each; give more recordings, or a teacher that speaks")
    tacotron2.sharpen(network, tacotron2.covariance_map(frames, recorded, factor))


def _spoken(network: tacotron2.Tacotron2, rows: list[torch.Tensor]) -> torch.Tensor:
    """(frames, M): free-running readings of rows of ids, chance seeded by the place in the batch."""
    said = network.infer(pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows]),
                         [torch.Generator().manual_seed(number) for number in range(len(rows))])
    return torch.cat([mel[:, :length].t() for mel, length in zip(said.mel, said.mel_lengths.tolist())])


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
