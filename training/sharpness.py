"""Measures how far a finished network's mels fall short of their targets' covariance, and builds the rest into it."""
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

import lightspeech
import tacotron2
from audio import covariance_map, read_corpus
from audio.recordings import split_lines
from distillation.dataset import DistilledDataset
from hparams import AudioConfig
from runtime.console import print_notice
from runtime.devices import available_cpus
from runtime.errors import UserError
from tacotron2.data import mels_from_waves
from text import read

READ, READ_AT_ONCE = 256, 32  # texts that are read for it
LEAST_FRAMES = 160  # twice the bands: fewer tell nothing of a covariance


def make_sharp(network: tacotron2.Tacotron2 | lightspeech.LightSpeech, data: Path, factor: float) -> None:
    """Gives what a network speaks the covariance of its targets, stretched by `factor`, in place: see audio/bands.py.

    data: what it was trained on, a folder in LJSpeech's layout for a teacher, a distilled dataset for a student; up to
    READ of its texts are read, those of a folder as preprocess.py would. One line on standard error says how much was
    missing. Raises UserError for a factor that is not a number above 0, data that cannot be read, or where too little
    is said.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise UserError(f"--sharpen: found {factor}, expected a number above 0, such as 1.15")
    if isinstance(network, tacotron2.Tacotron2):
        package, (spoken, wanted) = tacotron2, _teacher_frames(network, data)
    else:
        package, (spoken, wanted) = lightspeech, _student_frames(network, data)
    if min(len(spoken), len(wanted)) < LEAST_FRAMES:
        raise UserError(f"{data}: {len(wanted)} mel frames there and {len(spoken)} read, expected at least "
                        f"{LEAST_FRAMES} of each; give more data, or weights that speak")
    bands = covariance_map(spoken, wanted, factor)
    package.sharpen(network, bands)
    growth = torch.linalg.eigvalsh(bands.matrix)
    print_notice(f"sharpened: by a factor from {growth[0]:.2f} to {growth[-1]:.2f}, by direction")


def _evenly(count: int) -> range:
    return range(0, count, -(-count // READ))


@torch.no_grad()
def _teacher_frames(network: tacotron2.Tacotron2, folder: Path) -> tuple[Tensor, Tensor]:
    """Frames (T, M) of free-running readings, whose chance is seeded by the text's number, and of the recordings."""
    lines = split_lines(folder)[0]
    lines = [lines[row] for row in _evenly(len(lines))]
    waves = read_corpus(folder, [line.name for line in lines], AudioConfig().sample_rate, available_cpus())
    rows, spoken = [torch.tensor(read(line.text, network.text).ids) for line in lines], []
    for start in range(0, len(rows), READ_AT_ONCE):
        batch = rows[start:start + READ_AT_ONCE]
        said = network.infer(pad_sequence(batch, batch_first=True), torch.tensor([len(row) for row in batch]),
                             [torch.Generator().manual_seed(start + number) for number in range(len(batch))])
        spoken += [mel[:, :frames].t() for mel, frames in zip(said.mel, said.mel_lengths.tolist())]
    return torch.cat(spoken), mels_from_waves(waves, "cpu").flat


@torch.no_grad()
def _student_frames(network: lightspeech.LightSpeech, folder: Path) -> tuple[Tensor, Tensor]:
    """Frames (T, M) of what the student says with the teacher's durations, and of what the teacher said."""
    dataset = DistilledDataset.read(folder, with_features=False)
    spoken, wanted = [], []
    for row in _evenly(len(dataset)):
        ids, durations, mel = (part.row(row) for part in (dataset.ids, dataset.durations, dataset.mels))
        said = network(ids[None].long(), torch.tensor([len(ids)]), durations[None].long(), len(mel))
        spoken.append(said.mel[0].t())
        wanted.append(mel.float())
    return torch.cat(spoken), torch.cat(wanted)
