"""How much of a target set's mels and durations the text explains.

Axes: N text symbols, T mel frames, M mel bands. Mels are (M, T), natural log; durations int64 frames, (N,).
"""
import math
from typing import NamedTuple

import torch
from torch import Tensor

from distillation.dataset import DistilledDataset
from experiments.mel_measures import FRAME_MS

POSITIONS = 4  # relative positions that are looked at in each symbol


class ClassVariance(NamedTuple):
    """How much of the variance of some values remains within classes."""
    variance: float  # of all values, summed over their components
    unexplained: float  # share of it within classes: 0 if the class determines the value, about 1 if it says nothing
    entropy: float  # nats per component, of a Gaussian with the covariance within classes; -inf if that is singular


def variance_within_classes(values: Tensor, classes: Tensor) -> ClassVariance:
    """Returns the variance of values (n, D) float and how much of it remains within their classes (n,) int64.

    Both variances are unbiased: the squares within classes are divided by n minus the number of classes, all squares
    by n - 1. So a class of a single value does not count as explained. The entropy is the conditional Gaussian one,
    (log det C + D log 2 pi e) / 2 D with C the pooled covariance within classes. Share and entropy are NaN if every
    class has a single value.
    """
    values = values.double()
    _, index, counts = classes.unique(return_inverse=True, return_counts=True)
    D, freedom = values.shape[1], len(values) - len(counts)
    total = values.var(0).sum()
    if not freedom:
        return ClassVariance(float(total), math.nan, math.nan)
    means = values.new_zeros(len(counts), D).index_add_(0, index, values) / counts[:, None]
    deviations = values - means[index]
    covariance = deviations.T @ deviations / freedom
    entropy = (torch.linalg.slogdet(covariance).logabsdet / D + math.log(2 * math.pi * math.e)) / 2
    return ClassVariance(float(total), float(covariance.trace() / total), float(entropy))


def symbol_frames(data: DistilledDataset) -> tuple[Tensor, Tensor]:
    """Returns POSITIONS frames of each symbol, evenly spread over its frames, and which symbols have any frames.

    The frames are (symbols, POSITIONS, M) float32, the symbols of all rows end to end; the mask is (symbols,) bool.
    Symbols without a frame get frames of a neighbour. Of a symbol with 6 frames, 4 positions take frames 0, 2, 3, 5.
    """
    durations = data.durations.flat.long()
    starts = durations.cumsum(0) - durations  # rows lie end to end, and each has the frames that its durations sum to
    positions = (torch.arange(POSITIONS, device=durations.device) + 0.5) / POSITIONS
    index = starts[:, None] + (durations[:, None] * positions).long()
    return data.mels.flat[index.clamp(max=len(data.mels.flat) - 1)].float(), durations > 0


def contexts(data: DistilledDataset) -> Tensor:
    """Returns a number for each triple (previous, this, next symbol), (symbols,) int64.

    A row's ends count as a symbol of their own.
    """
    ids = data.ids.flat.long()
    edge, size = len(data.manifest.symbols), len(data.manifest.symbols) + 1
    before, after = ids.roll(1), ids.roll(-1)
    starts = data.ids.starts.to(ids.device)
    before[starts] = edge
    after[starts - 1] = edge  # the last symbol of the row before; of the first row's it is the very last
    return (before * size + ids) * size + after


def set_statistics(data: DistilledDataset) -> dict[str, float]:
    """Returns how much of a target set's mels and log durations their context does not explain.

    The context is the previous, this and the next symbol; for mels also the relative position in the symbol. Every
    symbol counts once at each position, however long it is: neighbouring frames of a symbol are similar, and would
    make rare contexts look as if they explained the mel.
    """
    frames, spoken = symbol_frames(data)
    context = contexts(data)
    positions = torch.arange(POSITIONS, device=context.device)
    mel = variance_within_classes(frames[spoken].flatten(0, 1),
                                  (context[spoken][:, None] * POSITIONS + positions).flatten())
    duration = variance_within_classes(data.durations.flat.float().log1p()[:, None], context)
    return {"rows": len(data), "frames": int(data.mels.lengths.sum()), "variance": mel.variance,
            "unexplained": mel.unexplained, "entropy": mel.entropy, "duration_variance": duration.variance,
            "duration_unexplained": duration.unexplained}


def variation_between_readings(data: DistilledDataset) -> dict[str, float]:
    """Returns how much several readings of the same texts differ, symbol by symbol.

    "spread" is the variance over the readings at the same position of the same symbol, divided by the variance of all
    frames; "duration_spread_ms" is the standard deviation over the readings, averaged over symbols. Both are NaN if
    each text has one reading. Texts with fewer readings than others are left out.
    """
    frames, _ = symbol_frames(data)
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(data.names):
        rows.setdefault(name, []).append(row)
    most = max(map(len, rows.values()))
    starts, lengths = data.ids.starts.tolist(), data.ids.lengths.tolist()
    index = torch.cat([torch.stack([torch.arange(starts[row], starts[row] + lengths[row]) for row in readings])
                       for readings in rows.values() if len(readings) == most], 1)  # (readings, symbols)
    index = index.to(frames.device)
    if most == 1:
        return {"spread": math.nan, "duration_spread_ms": math.nan}
    mels, durations = frames[index], data.durations.flat[index].float()
    return {"spread": float(mels.var(0).mean(dim=(0, 1)).sum() / mels.flatten(0, 2).var(0).sum()),
            "duration_spread_ms": float(durations.std(0).mean()) * FRAME_MS}
