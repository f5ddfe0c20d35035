"""Recordings together with the mels that the student made of their texts: training data of the vocoder."""
from pathlib import Path

from torch import Tensor

from audio import Ragged
from audio.recordings import Corpus, read_parts, split_lines
from distillation.dataset import DistilledDataset
from hparams import AudioConfig, UserError
from runtime.console import print_notice
from training.distributed import Workers

_MAKE_MELS = "make the mels of this corpus with preprocess.py --student"


def read_with_mels(folder: Path, mels: Path, audio: AudioConfig, workers: Workers) -> tuple[Corpus, Corpus]:
    """Returns (training, validation) like read_folder, with the student's mels of each recording.

    mels: a folder that preprocess.py --student made of `folder`. Recordings without a mel are left out, and their
    number is printed. Raises UserError also if the mels are not those of these recordings.
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
    training, validation = (
        _with_mels(corpus, audio.hop_length, mels, [dataset.mels.row(row_of[line.name]) for line in corpus.lines])
        for corpus in read_parts(folder, kept, audio, print_notice if workers.is_main else None))
    return training, validation


def _with_mels(corpus: Corpus, hop_length: int, folder: Path, rows: list[Tensor]) -> Corpus:
    """Returns a corpus with the student's mels. Raises UserError if one does not fit its recording."""
    for line, row, samples in zip(corpus.lines, rows, corpus.waves.lengths.tolist(), strict=True):
        if len(row) != samples // hop_length + 1:
            raise UserError(f"--mels {folder}: found {len(row)} mel frames of {line.name}, expected the "
                            f"{samples // hop_length + 1} of its recording; {_MAKE_MELS}")
    return corpus._replace(mels=Ragged.from_rows(rows))


def report_left_out(count: int, total: int, why: str, workers: Workers) -> None:
    """Prints on standard error that `count` of `total` recordings are left out; prints nothing if count is 0."""
    if count and workers.is_main:
        print_notice(f"{count} of {total} recordings are left out: {why}")
