"""A folder in LJSpeech's layout as training data: FOLDER/metadata.csv, FOLDER/wavs/, perhaps FOLDER/heldout.csv."""
import os
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from audio import Ragged, read_corpus
from hparams import AudioConfig, UserError
from lightspeech.distilled import DistilledDataset
from text import Line, read_metadata
from training.distributed import Workers

SHORTEST = 2048  # samples, 0.1 s: what the longest analysis window of the losses needs
_MAKE_MELS = "make the mels of this corpus with preprocess.py --student"


class Corpus(NamedTuple):
    """Lines of text and, at the same numbers, their waves (int16, at the mel definition's rate)."""
    lines: list[Line]
    waves: Ragged
    mels: Ragged | None = None  # (T, M) float16, with the recordings' frames: the student's, where they are read


def split_lines(folder: Path) -> tuple[list[Line], list[Line]]:
    """Returns the lines of (training, validation), no recording is read.

    Validation rows are those of heldout.csv; without that file, the lines whose name's CRC-32 is divisible by 50, or
    the first line if none is. Raises UserError for a folder that lacks a file, and where no line is left to train on.
    """
    lines = read_metadata(folder / "metadata.csv")
    if (folder / "heldout.csv").exists():
        held_out = read_metadata(folder / "heldout.csv")
        names = {line.name for line in held_out}
    else:
        names = {line.name for line in lines if zlib.crc32(line.name.encode()) % 50 == 0} or {lines[0].name}
        held_out = [line for line in lines if line.name in names]
    training = [line for line in lines if line.name not in names]
    if not training:
        raise UserError(f"{folder / 'metadata.csv'}: no line is left for training; at least 2 lines are needed")
    return training, held_out


def read_folder(folder: Path, audio: AudioConfig) -> tuple[Corpus, Corpus]:
    """Returns (training, validation), see split_lines.

    Raises UserError also for a recording that is not there or has less than SHORTEST samples.
    """
    processes = len(os.sched_getaffinity(0))
    return tuple(_read_part(folder, part, audio.sample_rate, processes) for part in split_lines(folder))


def read_with_mels(folder: Path, mels: Path, audio: AudioConfig, workers: Workers) -> tuple[Corpus, Corpus]:
    """As read_folder, with the student's mels from a folder that preprocess.py --student made of these recordings.

    Lines without a mel are left out, which is told. Raises UserError also where the mels are not of these recordings.
    """
    if not mels.is_dir():
        raise UserError(f"--mels {mels}: no such folder; {_MAKE_MELS}")
    said = DistilledDataset.read(mels, with_features=False)
    row_of = {name: row for row, name in enumerate(said.names)}
    parts = split_lines(folder)
    kept = [[line for line in lines if line.name in row_of] for lines in parts]
    for what, lines in zip(("training", "held-out"), kept):
        if not lines:
            raise UserError(f"--mels {mels}: found none of the {what} lines of {folder}, expected most; {_MAKE_MELS}")
    total = sum(map(len, parts))
    tell_left_out(total - sum(map(len, kept)), total, f"no mel in {mels}, see its rejected.csv", workers)
    processes = len(os.sched_getaffinity(0))
    return tuple(_with_mels(_read_part(folder, lines, audio.sample_rate, processes), audio.hop_length, mels,
                            [said.mels.row(row_of[line.name]) for line in lines]) for lines in kept)


def _with_mels(corpus: Corpus, hop_length: int, folder: Path, rows: list[Tensor]) -> Corpus:
    for line, row, samples in zip(corpus.lines, rows, corpus.waves.lengths.tolist(), strict=True):
        if len(row) != samples // hop_length + 1:
            raise UserError(f"--mels {folder}: found {len(row)} mel frames of {line.name}, expected the "
                            f"{samples // hop_length + 1} of its recording; {_MAKE_MELS}")
    return corpus._replace(mels=Ragged.from_rows(rows))


def _read_part(folder: Path, lines: list[Line], rate: int, processes: int) -> Corpus:
    waves = read_corpus(folder, [line.name for line in lines], rate, processes)
    shortest = int(waves.lengths.argmin())
    if waves.lengths[shortest] < SHORTEST:
        raise UserError(f"{folder / 'wavs' / lines[shortest].name}: found {int(waves.lengths[shortest])} samples at "
                        f"{rate} Hz, expected at least {SHORTEST}; remove its line from the metadata")
    return Corpus(lines, waves)


def tell_left_out(count: int, total: int, why: str, workers: Workers) -> None:
    """Tells on standard error that `count` of `total` recordings are not trained on; silent where all are."""
    if count and workers.is_main:
        print(f"{count} of {total} recordings are left out: {why}", file=sys.stderr)
