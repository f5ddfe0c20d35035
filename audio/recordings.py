"""A folder in LJSpeech's layout: FOLDER/metadata.csv, FOLDER/wavs/, perhaps FOLDER/heldout.csv."""
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from audio.corpus import check_all_readable, read_recordings
from audio.corpus_report import examine
from audio.ragged import Ragged
from hparams import AudioConfig, UserError
from text import Line, read_metadata


class Corpus(NamedTuple):
    """Lines of text and the wave of each (int16, at the sample rate of the mel definition)."""
    lines: list[Line]
    waves: Ragged
    mels: Ragged | None = None  # (T, M) float16, one frame per hop of the wave: the student's, if they are used


def split_lines(folder: Path) -> tuple[list[Line], list[Line]]:
    """Returns the lines of (training, validation). No recording is read.

    Validation rows are those of heldout.csv; without that file, the lines whose name's CRC-32 is divisible by 50, or
    the first line if there is none. Raises UserError for a folder that lacks a file, and if no training line is left.
    """
    lines = read_metadata(folder / "metadata.csv")
    if os.path.exists(folder / "heldout.csv"):
        held_out = read_metadata(folder / "heldout.csv")
        names = {line.name for line in held_out}
    else:
        names = {line.name for line in lines if zlib.crc32(line.name.encode()) % 50 == 0} or {lines[0].name}
        held_out = [line for line in lines if line.name in names]
    training = [line for line in lines if line.name not in names]
    if not training:
        raise UserError(f"{folder / 'metadata.csv'}: no line is left for training; at least 2 lines are needed")
    return training, held_out


def read_folder(folder: Path, audio: AudioConfig, notify: Callable[[str], None] | None = None
                ) -> tuple[Corpus, Corpus]:
    """Returns (training, validation), see split_lines and read_parts."""
    training, validation = read_parts(folder, split_lines(folder), audio, notify)
    return training, validation


def read_parts(folder: Path, parts: Sequence[list[Line]], audio: AudioConfig,
               notify: Callable[[str], None] | None = None) -> list[Corpus]:
    """Reads the recordings of lists of lines (training, validation), without the rows that cannot be trained on.

    notify: called with each line of the report on the corpus (see corpus_report.examine). Raises UserError if a
    recording is missing or damaged, naming all of them, and if no row of a part is left.
    """
    lines = [line for part in parts for line in part]
    recordings = read_recordings(folder, [line.name for line in lines], audio.sample_rate)
    check_all_readable(recordings)
    report = examine(lines, recordings, audio.sample_rate)
    if notify:
        for text in report.describe():
            notify(f"{folder}: {text}")
    corpora, first = [], 0
    for name, part in zip(("training", "validation"), parts, strict=True):
        kept = [row for row in range(first, first + len(part)) if row not in report.left_out]
        first += len(part)
        if not kept:
            raise UserError(f"{folder}: no row is left for {name}: {'; '.join(report.describe()[1:])}")
        waves = Ragged.from_rows([torch.from_numpy(recordings[row].wave) for row in kept])
        corpora.append(Corpus([lines[row] for row in kept], waves))
    return corpora
