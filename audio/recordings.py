"""A folder in LJSpeech's layout: FOLDER/metadata.csv, FOLDER/wavs/, perhaps FOLDER/heldout.csv."""
import zlib
from pathlib import Path
from typing import NamedTuple

from audio.corpus import read_corpus
from audio.ragged import Ragged
from hparams import AudioConfig
from runtime.devices import available_cpus
from runtime.errors import UserError
from text import Line, read_metadata

SHORTEST = 2048  # samples, 0.1 s: what the longest analysis window of the losses needs


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
    processes = available_cpus()
    return tuple(read_part(folder, part, audio.sample_rate, processes) for part in split_lines(folder))


def read_part(folder: Path, lines: list[Line], rate: int, processes: int) -> Corpus:
    """Reads the recordings of some lines; UserError for one that is missing or has less than SHORTEST samples."""
    waves = read_corpus(folder, [line.name for line in lines], rate, processes)
    shortest = int(waves.lengths.argmin())
    if waves.lengths[shortest] < SHORTEST:
        raise UserError(f"{folder / 'wavs' / lines[shortest].name}: found {int(waves.lengths[shortest])} samples at "
                        f"{rate} Hz, expected at least {SHORTEST}; remove its line from the metadata")
    return Corpus(lines, waves)
