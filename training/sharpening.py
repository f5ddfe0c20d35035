"""Changes of a finished network that are built into its weights.

Sharpening gives the mels the mean and covariance of their targets. It is for networks that learned without
discriminators. Contrast makes the quiet parts of a student's mels quieter; it is for students that learned with them.
Pace makes a student speak slower; it is for students that are faster on new texts than the recordings are.
"""
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from tqdm import trange

import lightspeech
import tacotron2
from audio import BandMap, covariance_map, read_corpus
from audio.recordings import split_lines
from distillation.dataset import DistilledDataset
from hparams import AudioConfig, UserError
from runtime.console import print_notice
from tacotron2.data import mels_from_waves
from text import read

MOST_TEXTS, BATCH_SIZE = 256, 32
LEAST_FRAMES = 160  # twice the bands; the covariance of fewer is too uncertain
# Contrast does not change the level that lies this many standard deviations above a band's mean. With 2 in place of 4,
# loud sounds exceed full scale more often; the predicted MOS is the same.
LOUD = 4.0


def sharpen(network: tacotron2.Tacotron2 | lightspeech.LightSpeech, data: Path, factor: float,
            device: torch.device) -> None:
    """Gives a network's mels the covariance of their targets, stretched by `factor`, in place. See audio/bands.py.

    network: on the CPU, before and after; data: the training data, a folder in LJSpeech's layout for a teacher, a
    distilled dataset for a student; at most MOST_TEXTS of its texts are used; device: a teacher reads the texts on it.
    Prints by how much the mels are stretched. Raises UserError for a factor that is not a number above 0, data that
    cannot be read, and fewer than LEAST_FRAMES frames.
    """
    _check_factor("--sharpen", factor)
    if isinstance(network, tacotron2.Tacotron2):
        generated, targets = _teacher_frames(network.to(device), data)
        network.cpu()
    else:
        generated, targets = _student_frames(network, data)
    if min(len(generated), len(targets)) < LEAST_FRAMES:
        raise UserError(f"{data}: {len(targets)} mel frames there and {len(generated)} generated, expected at least "
                        f"{LEAST_FRAMES} of each; give more data, or weights of a trained network")
    bands = covariance_map(generated, targets, factor)
    (tacotron2 if isinstance(network, tacotron2.Tacotron2) else lightspeech).sharpen(network, bands)
    stretch = torch.linalg.eigvalsh(bands.matrix)
    print_notice(f"sharpened: by a factor from {stretch[0]:.2f} to {stretch[-1]:.2f}, depending on the direction")


def add_contrast(network: lightspeech.LightSpeech, data: Path, factor: float) -> None:
    """Stretches a student's mels by `factor` in place: each band about its level LOUD above the mean of its targets.

    Loud sounds keep their level. Pauses, hiss and the valleys between formants get quieter. data: a distilled dataset;
    at most MOST_TEXTS of its rows are used. Raises UserError as `sharpen` does.
    """
    _check_factor("--contrast", factor)
    dataset = DistilledDataset.read(data, with_features=False)
    frames = torch.cat([dataset.mels.row(row) for row in _evenly_spaced(len(dataset))]).double()
    if len(frames) < LEAST_FRAMES:
        raise UserError(f"{data}: {len(frames)} mel frames there, expected at least {LEAST_FRAMES}; give more data")
    loud = frames.mean(0) + LOUD * frames.std(0)
    lightspeech.sharpen(network, BandMap(factor * torch.eye(len(loud), dtype=torch.float64), loud, loud))


@torch.no_grad()
def change_pace(network: lightspeech.LightSpeech, factor: float) -> None:
    """Makes all durations of a student longer by `factor`, in place; a factor below 1 makes them shorter.

    The duration head predicts log(frames + 1). Its bias is raised by log(factor), so d frames become
    factor * (d + 1) - 1. Raises UserError for a factor that is not a number above 0.
    """
    _check_factor("--pace", factor)
    network.duration_head[-1].bias[0] += math.log(factor)


def _check_factor(option: str, factor: float) -> None:
    """Raises UserError for a factor that is not a number above 0."""
    if not (math.isfinite(factor) and factor > 0):
        raise UserError(f"{option}: found {factor}, expected a number above 0, such as 1.15")


def _evenly_spaced(count: int) -> range:
    """Returns at most MOST_TEXTS of `count` row numbers, evenly spaced."""
    return range(0, count, -(-count // MOST_TEXTS))


@torch.no_grad()
def _teacher_frames(network: tacotron2.Tacotron2, folder: Path) -> tuple[Tensor, Tensor]:
    """Returns frames (T, M) of free-running inference, with a seed for each text, and those of the recordings.

    The network may be on any device; the frames are on the CPU.
    """
    device, lines = next(network.parameters()).device, split_lines(folder)[0]
    lines = [lines[row] for row in _evenly_spaced(len(lines))]
    waves = read_corpus(folder, [line.name for line in lines], AudioConfig().sample_rate)
    rows, frames = [torch.tensor(read(line.text, network.text).ids) for line in lines], []
    for start in trange(0, len(rows), BATCH_SIZE, desc="sharpening", disable=None):
        batch = rows[start:start + BATCH_SIZE]
        ids, lengths = pad_sequence(batch, batch_first=True).to(device), torch.tensor([len(row) for row in batch])
        output = network.infer(ids, lengths, [torch.Generator().manual_seed(start + number)
                                              for number in range(len(batch))])
        frames += [mel[:, :length].t() for mel, length in zip(output.mel.cpu(), output.mel_lengths.tolist())]
    return torch.cat(frames), mels_from_waves(waves, "cpu").flat


@torch.no_grad()
def _student_frames(network: lightspeech.LightSpeech, folder: Path) -> tuple[Tensor, Tensor]:
    """Returns frames (T, M) of the student, with the teacher's durations, and those of its targets."""
    dataset = DistilledDataset.read(folder, with_features=False)
    frames, targets = [], []
    for row in _evenly_spaced(len(dataset)):
        ids, durations, mel = (part.row(row) for part in (dataset.ids, dataset.durations, dataset.mels))
        output = network(ids[None].long(), torch.tensor([len(ids)]), durations[None].long(), len(mel))
        frames.append(output.mel[0].t())
        targets.append(mel.float())
    return torch.cat(frames), torch.cat(targets)
