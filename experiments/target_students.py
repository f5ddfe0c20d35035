"""The students of targets.py: trains them, lets them speak the held-out texts, and measures them.

Axes: N text symbols, T mel frames, M mel bands. Mels are (M, T), natural log; durations int64 frames, (N,).
"""
import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import lightspeech
import train
import waveglow
from audio import mel_spectrogram, write_wav
from distillation.dataset import DistilledDataset
from experiments.mel_measures import mel_cepstral_distortion, mel_figures
from experiments.target_experiment import Cell, Experiment
from hparams import UserError
from runtime.files import write_text
from training.checkpoint import find_checkpoint
from training.export import export


def train_student(experiment: Experiment, cell: Cell, seed: int, device: str) -> Path:
    """Trains a student, or resumes its training, unless it is finished. Returns its exported weights.

    Raises UserError if the training fails or is stopped; its messages are in train.log in the student's folder.
    """
    run = experiment.folder(f"{cell.name}-{seed}")
    weights = run / "student.safetensors"
    if weights.exists():
        return weights
    sizes = dataclasses.asdict(experiment.sizes[cell.size])
    settings = {"data": experiment.source.folder / "train" / cell.targets, "out": run, "steps": experiment.steps,
                "validate_every": experiment.steps, "checkpoint_seconds": 60, "seed": seed, "device": device,
                "feature_weight": int(cell.features), **sizes}
    arguments = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    run.mkdir(parents=True, exist_ok=True)
    resume = ["--resume"] if find_checkpoint(run) else []
    with open(run / "train.log", "a") as log, contextlib.redirect_stderr(log):
        status = train.main([*arguments, *experiment.training, *resume])
    if status:
        raise UserError(f"{run}: the training {'was stopped' if status == 1 else 'failed, see train.log in it'}; "
                        "the same command goes on")
    export("lightspeech", run, weights)  # best.pt is of the last step, the only one with a validation
    return weights


def arrays(data: DistilledDataset) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns the mels (M, T) float32 and the durations (N,) int32 of all rows."""
    return ([data.mels.row(row).t().float().numpy() for row in range(len(data))],
            [data.durations.row(row).numpy() for row in range(len(data))])


def make_student(experiment: Experiment, cell: Cell, seed: int, device: str) -> None:
    """Trains a student, lets it speak the held-out texts with its own durations, and measures it."""
    model = lightspeech.load(train_student(experiment, cell, seed, device)).to(device)
    torch.set_float32_matmul_precision("highest")  # training lowers it for the whole process
    texts = experiment.read("heldout", "recorded")
    results = [model.infer(ids[None].long(), torch.tensor([len(ids)], device=device))
               for ids in (texts.ids.row(row).to(device) for row in range(len(texts)))]
    mels, durations = ([getattr(result, field)[0].cpu().numpy() for result in results]
                       for field in ("mel", "durations"))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    about = {**cell._asdict(), "parameters": parameters}
    write_figures(experiment, f"{cell.name}-{seed}", mels, durations, device, about)


def make_reference(experiment: Experiment, name: str, device: str) -> None:
    """Measures the held-out mels of a target set themselves: what a perfect student of it would reach."""
    mels, durations = arrays(experiment.read("heldout", name))
    about = {"targets": name, "size": "the targets themselves", "features": False, "parameters": 0}
    write_figures(experiment, f"reference-{name}", mels, durations, device, about)


def write_figures(experiment: Experiment, name: str, mels: list[np.ndarray], durations: list[np.ndarray], device: str,
                  about: dict[str, Any]) -> None:
    """Measures mels (M, T) and durations (N,) of the held-out texts and writes figures.json into the folder `name`.

    Also writes some of the mels and their waves there. about: further entries of figures.json.
    """
    texts = experiment.read("heldout", "recorded")
    recorded, aligned = arrays(texts)
    figures = mel_figures(mels, durations, recorded, aligned)
    rows = spoken_rows(len(texts), experiment.spoken)
    chosen = {texts.names[row]: mels[row] for row in rows}
    wave_mels = vocode(experiment, experiment.folder(name) / "speech", chosen, device)
    pairs = zip(wave_mels, (recorded[row] for row in rows), strict=True)
    figures["mcd"] = float(np.mean([mel_cepstral_distortion(*pair) for pair in pairs]))
    write_text(experiment.folder(name) / "figures.json", json.dumps({"name": name, **about, **figures}, indent=1))


def spoken_rows(count: int, spoken: int) -> list[int]:
    """Returns `spoken` of the row numbers below `count`, evenly spread; all of them if there are not more."""
    return sorted({index * count // spoken for index in range(spoken)})


@torch.inference_mode()
def vocode(experiment: Experiment, folder: Path, mels: dict[str, np.ndarray], device: str) -> list[np.ndarray]:
    """Writes each mel (M, T) as folder/<name>.npy (float16) and its wave as <name>.flac. Returns the waves' mels."""
    folder.mkdir(parents=True, exist_ok=True)
    vocoder, wave_mels = waveglow.load(experiment.vocoder).to(device), []
    for number, (name, mel) in enumerate(mels.items()):
        np.save(folder / f"{name}.npy", mel.astype(np.float16))
        generator = torch.Generator().manual_seed(number)
        wave = vocoder.infer(torch.from_numpy(mel)[None].to(device), generator=generator).cpu()
        write_wav(folder / f"{name}.flac", wave[0].numpy())
        wave = F.pad(wave, (0, max(0, 1024 - wave.shape[1])))  # at least one window
        wave_mels.append(mel_spectrogram(wave)[0].numpy())
    return wave_mels
