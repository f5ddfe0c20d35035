"""A folder in LJSpeech's layout as training data: FOLDER/metadata.csv, FOLDER/wavs/, perhaps FOLDER/heldout.csv."""
import sys
from pathlib import Path

from torch import Tensor

from audio import Ragged
from audio.recordings import Corpus, read_part, split_lines
from distillation.dataset import DistilledDataset
from hparams import AudioConfig
from runtime.devices import available_cpus
from runtime.errors import UserError
from training.distributed import Workers

_MAKE_MELS = "make the mels of this corpus with preprocess.py --student"


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
    report_left_out(total - sum(map(len, kept)), total, f"no mel in {mels}, see its rejected.csv", workers)
    processes = available_cpus()
    return tuple(_with_mels(read_part(folder, lines, audio.sample_rate, processes), audio.hop_length, mels,
                            [said.mels.row(row_of[line.name]) for line in lines]) for lines in kept)


def _with_mels(corpus: Corpus, hop_length: int, folder: Path, rows: list[Tensor]) -> Corpus:
    for line, row, samples in zip(corpus.lines, rows, corpus.waves.lengths.tolist(), strict=True):
        if len(row) != samples // hop_length + 1:
            raise UserError(f"--mels {folder}: found {len(row)} mel frames of {line.name}, expected the "
                            f"{samples // hop_length + 1} of its recording; {_MAKE_MELS}")
    return corpus._replace(mels=Ragged.from_rows(rows))


def report_left_out(count: int, total: int, why: str, workers: Workers) -> None:
    """Tells on standard error that `count` of `total` recordings are not trained on; silent where all are."""
    if count and workers.is_main:
        print(f"{count} of {total} recordings are left out: {why}", file=sys.stderr)
