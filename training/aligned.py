"""Rows for the joint training: recordings whose symbols are aligned to their frames, and distilled rows beside them."""
import dataclasses
from pathlib import Path
from typing import NamedTuple

import torch

from audio import Ragged
from audio.recordings import Corpus
from distillation.batches import collate
from distillation.dataset import DistilledDataset
from hparams import AudioConfig, TextConfig, UserError
from lightspeech.data import StudentBatch
from lightspeech.pitch import HarmonicPattern, estimate_pitch_of_rows
from tacotron2.data import mels_from_waves
from training.distributed import Workers
from training.sampler import round_up
from training.student_mels import read_aligned, report_left_out


class AlignedRecordings(NamedTuple):
    """Recordings that the student can be trained on, and their waves; all on one device."""
    rows: DistilledDataset  # mels and pitch are those of the recordings
    waves: Ragged  # int16, in the order of the rows


def read_recordings(folder: Path, mels: Path, audio: AudioConfig, segment: int, max_frames: int, workers: Workers
                    ) -> tuple[AlignedRecordings, AlignedRecordings]:
    """Returns (training, validation), see student_mels.read_aligned, on the device of `workers`.

    segment: shorter recordings, in samples, are left out; max_frames: longer ones too. Raises UserError if no recording
    is left.
    """
    dataset, corpora = read_aligned(folder, mels, audio, workers)
    parts = []
    for corpus in corpora:
        lengths = corpus.waves.lengths
        kept = torch.nonzero((lengths >= segment) & (lengths < max_frames * audio.hop_length))[:, 0].tolist()
        report_left_out(len(lengths) - len(kept), len(lengths), "too short or too long, see --segment and --max-frames",
                        workers)
        if not kept:
            raise UserError(f"{folder}: no recording is left; lower --segment or raise --max-frames")
        parts.append(_select(dataset, corpus, kept, workers.device))
    return parts[0], parts[1]


def _select(dataset: DistilledDataset, corpus: Corpus, kept: list[int], device: torch.device) -> AlignedRecordings:
    """Returns the recordings number `kept` of a corpus with their rows of the dataset."""
    row_of = {name: row for row, name in enumerate(dataset.names)}
    rows = [row_of[corpus.lines[index].name] for index in kept]
    waves = Ragged.from_rows([corpus.waves.row(index) for index in kept])
    mels = mels_from_waves(waves, device)
    ids, durations = (Ragged.from_rows([ragged.row(row) for row in rows]).to(device)
                      for ragged in (dataset.ids, dataset.durations))
    recorded = dataclasses.replace(dataset, names=[dataset.names[row] for row in rows], samples=[0] * len(rows),
                                   ids=ids, durations=durations, mels=Ragged(mels.flat.half(), mels.lengths))
    return AlignedRecordings(with_pitch(recorded, device), waves.to(device))


def read_distilled(folder: Path, text: TextConfig, device: torch.device) -> DistilledDataset:
    """Returns the rows of a distilled dataset, with their pitch, on a device.

    Raises UserError if it was read in another way than by `text`.
    """
    if not folder.is_dir():
        raise UserError(f"--distilled {folder}: no such folder; give one that preprocess.py made")
    dataset = DistilledDataset.read(folder, with_features=False)
    if dataset.manifest.text != text:
        raise UserError(f"--distilled {folder}: read by {dataset.manifest.text}, expected {text} as the recordings; "
                        "make both by the same teacher")
    return with_pitch(dataset.to(device), device)


def with_pitch(dataset: DistilledDataset, device: torch.device) -> DistilledDataset:
    """Returns the dataset with the pitch of its mels."""
    return dataclasses.replace(dataset, pitch=estimate_pitch_of_rows(dataset.mels, HarmonicPattern().to(device)))


def collate_both(recorded: DistilledDataset, rows: list[int], distilled: DistilledDataset | None, others: list[int]
                 ) -> StudentBatch:
    """Returns `rows` of recordings, then `others` of distilled rows, as one batch padded to round lengths."""
    parts = [(recorded, rows), (distilled, others)] if distilled else [(recorded, rows)]
    symbols = round_up(max(int(dataset.ids.lengths[part].max()) for dataset, part in parts), 16)
    frames = round_up(max(int(dataset.mels.lengths[part].max()) for dataset, part in parts), 64)
    batches = [collate(dataset, part, symbols, frames) for dataset, part in parts]
    if len(batches) == 1:
        return batches[0]
    one, two = batches
    assert one.pitch is not None and two.pitch is not None
    return StudentBatch(one.names + two.names, torch.cat((one.ids, two.ids)),
                        torch.cat((one.id_lengths, two.id_lengths)), torch.cat((one.durations, two.durations)),
                        torch.cat((one.mel, two.mel)), torch.cat((one.mel_lengths, two.mel_lengths)),
                        torch.cat((one.pitch, two.pitch)), None)


def cut_frames(mel: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor, count: int, silence: float
               ) -> torch.Tensor:
    """mel (B, M, T), first frames (B,), perhaps negative, lengths (B,) -> (B, M, count); silence outside of a row."""
    frames = starts[:, None] + torch.arange(count, device=mel.device)  # (B, count)
    inside = ((frames >= 0) & (frames < lengths[:, None]))[:, None]
    index = frames.clamp(0, mel.shape[2] - 1)[:, None].expand(-1, mel.shape[1], -1)
    return torch.where(inside, mel.gather(2, index), silence)
