"""Recordings together with the mels that the student made of their texts: training data of the vocoder."""
from pathlib import Path

import torch
from torch import Tensor

from audio import Ragged
from audio.recordings import Corpus, read_parts, split_lines
from distillation.dataset import DistilledDataset
from hparams import AudioConfig, UserError
from runtime.console import print_notice
from training.distributed import Workers

_MAKE_MELS = "make the mels of this corpus with preprocess.py --student"


def read_aligned(folder: Path, mels: Path, audio: AudioConfig, workers: Workers
                 ) -> tuple[DistilledDataset, tuple[Corpus, Corpus]]:
    """Returns what preprocess.py --student made of `folder`, and the recordings in it: (training, validation).

    The dataset is on the CPU and has a row for each recording; names are unique. Recordings without a row are left
    out, and their number is printed. Raises UserError also if the rows are not those of these recordings.
    """
    if not mels.is_dir():
        raise UserError(f"--mels {mels}: no such folder; {_MAKE_MELS}")
    dataset = DistilledDataset.read(mels, with_features=False)
    row_of = {name: row for row, name in enumerate(dataset.names)}
    parts = split_lines(folder)
    kept = [[line for line in lines if line.name in row_of] for lines in parts]
    for what, lines in zip(("training", "held-out"), kept):
        if not lines:
            raise UserError(f"--mels {mels}: found none of the {what} lines of {folder}, expected most; {_MAKE_MELS}")
    total = sum(map(len, parts))
    report_left_out(total - sum(map(len, kept)), total, f"no mel in {mels}, see its rejected.csv", workers)
    training, validation = read_parts(folder, kept, audio, print_notice if workers.is_main else None)
    for corpus in (training, validation):
        rows = [row_of[line.name] for line in corpus.lines]
        _check_lengths(corpus, dataset.mels.lengths[rows], audio.hop_length, mels)
    return dataset, (training, validation)


def read_with_mels(folder: Path, mels: Path, audio: AudioConfig, workers: Workers) -> tuple[Corpus, Corpus]:
    """Returns (training, validation) like read_folder, with the student's mels of each recording. See read_aligned."""
    dataset, (training, validation) = read_aligned(folder, mels, audio, workers)
    row_of = {name: row for row, name in enumerate(dataset.names)}

    def with_mels(corpus: Corpus) -> Corpus:
        return corpus._replace(mels=Ragged.from_rows([dataset.mels.row(row_of[line.name]) for line in corpus.lines]))
    return with_mels(training), with_mels(validation)


def _check_lengths(corpus: Corpus, frames: Tensor, hop_length: int, folder: Path) -> None:
    """Raises UserError if a recording has not as many samples as its mel, with frames (R,) int64, says."""
    expected = corpus.waves.lengths // hop_length + 1
    wrong = torch.nonzero(frames != expected)[:, 0].tolist()
    if wrong:
        raise UserError(f"--mels {folder}: found {int(frames[wrong[0]])} mel frames of {corpus.lines[wrong[0]].name}, "
                        f"expected the {int(expected[wrong[0]])} of its recording; {_MAKE_MELS}")


def report_left_out(count: int, total: int, why: str, workers: Workers) -> None:
    """Prints on standard error that `count` of `total` recordings are left out; prints nothing if count is 0."""
    if count and workers.is_main:
        print_notice(f"{count} of {total} recordings are left out: {why}")
