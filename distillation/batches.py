"""Batches of the distilled dataset, gathered on the device that holds it."""
import torch

from distillation.dataset import DistilledDataset
from lightspeech.data import StudentBatch


def collate(dataset: DistilledDataset, rows: list[int], symbols: int, frames: int) -> StudentBatch:
    """Returns these rows padded to N = symbols and T = frames, on the dataset's device, without waiting for it.

    rows: (B,) indices. The caller chooses the widths, so that few different shapes occur; every row must fit.
    """
    index = torch.tensor(rows)
    lengths = torch.stack((index, dataset.ids.lengths[index], dataset.mels.lengths[index]))
    assert lengths[1].max() <= symbols and lengths[2].max() <= frames, "a row is longer than its bucket"
    # A non-blocking copy from ordinary memory is safe at this size: the driver takes the data in at once.
    index, id_lengths, mel_lengths = lengths.to(dataset.mels.flat.device, non_blocking=True)
    features = None if dataset.features is None else dataset.features.gather(index, symbols).float()
    pitch = None if dataset.pitch is None else dataset.pitch.gather(index, frames)
    return StudentBatch([f"{dataset.names[row]}/{dataset.samples[row]}" for row in rows],
                        dataset.ids.gather(index, symbols).long(), id_lengths,
                        dataset.durations.gather(index, symbols).long(),
                        dataset.mels.gather(index, frames).float().transpose(1, 2), mel_lengths, pitch, features)
