"""Durations and the length regulator: from predicted log durations to whole frames, and from symbols to frames.

Nothing here loops over rows or symbols, and nothing waits for the device.
"""
import math
from typing import NamedTuple

import torch
from torch import Tensor

from hparams import UserError
from lightspeech.sequences import sequence_mask

MAX_DURATION = 400  # frames of one symbol (4.6 s), so that no input makes an utterance endless
N_POSITION_FEATURES = 8  # of `position_features`


def durations_to_log(durations: Tensor) -> Tensor:
    """Returns log(d + 1) in float32, the scale on which durations are predicted; 0 frames give 0."""
    return durations.float().log1p()


def log_to_durations(log_durations: Tensor, id_lengths: Tensor) -> Tensor:
    """Inverts `durations_to_log` and rounds to whole frames.

    log_durations: (B, N) float; id_lengths: (B,) int64. Returns (B, N) int64 in 0 ... MAX_DURATION, 0 in the padding.
    NaN gives 0 frames, infinity MAX_DURATION. A symbol may have no frame; a row has at least one.
    """
    bounded = log_durations.float().nan_to_num(nan=0.0).clamp(0.0, math.log(MAX_DURATION + 1))
    durations = bounded.expm1().round().long()
    return _ensure_one_frame(durations * sequence_mask(id_lengths, durations.shape[1]))


def _ensure_one_frame(durations: Tensor) -> Tensor:
    """Gives the first symbol of every row without frames one frame, in place; durations: (B, N) int64."""
    durations[:, 0].add_(durations.sum(1) == 0)
    return durations


def change_speed(durations: Tensor, speed: float, pauses: Tensor | None = None) -> Tensor:
    """Returns the durations of speech that is `speed` times as fast, exact to the frame.

    durations: (B, N) int64 frames. pauses: (B, N) bool, True for symbols that keep their durations; None: no symbol
    does. The other symbols of a row get round(sum / speed) frames together. The *ends* of the symbols are divided and
    rounded, not the durations, so rounding errors never add up and no end is off by more than half a frame:

        durations  3 3 3 3, speed 2:  ends 3 6 9 12 -> 1.5 3 4.5 6 -> 2 3 4 6 (ties to even) -> durations 2 1 1 2

    A row left without frames gets one. Raises UserError if speed is not a finite number above 0.
    """
    check_speed(speed)
    if speed == 1:
        return durations
    spoken = durations if pauses is None else durations.masked_fill(pauses, 0)
    ends = (spoken.cumsum(1).double() / speed).round().long()
    changed = ends.diff(dim=1, prepend=ends.new_zeros(len(ends), 1))
    return _ensure_one_frame(changed if pauses is None else torch.where(pauses, durations, changed))


def check_speed(speed: float) -> None:
    """Raises UserError if a speed is not a finite number above 0."""
    if not (math.isfinite(speed) and speed > 0):
        raise UserError(f"speed: found {speed}, expected a number above 0 (1 is the usual speed, 2 twice as fast)")


class FrameAlignment(NamedTuple):
    """For each frame of a batch, its symbol and its position in it; the padding repeats the row's last frame."""
    symbol: Tensor  # (B, T) int64, index of the frame's symbol
    position: Tensor  # (B, T) float32, frames since the symbol began, from 0
    duration: Tensor  # (B, T) float32, frames of the symbol
    fraction: Tensor  # (B, T) float32 in 0 ... 1: (position + 1/2) / duration
    padding: Tensor  # (B, T) bool, True after the end of the row


def align_frames(durations: Tensor, n_frames: int) -> FrameAlignment:
    """Returns which symbol each frame belongs to; every symbol lasts for its duration.

    durations: (B, N) int64, at least 0, 0 in the padding; n_frames: T, at least the longest row's sum of durations.
    With N = 4 symbols a b c d and T = 8:

        durations   1   3       0   2              ends (running sum)   1 4 4 6
        frame       0   1 2 3       4 5   6 7
        symbol      a   b b b       d d   d d      the first symbol whose end is above the frame's number
        position    0   0 1 2       0 1   1 1
    """
    ends = durations.cumsum(1)
    frame = torch.arange(n_frames, device=durations.device)
    last_repeated = frame.minimum(ends[:, -1:] - 1)  # (B, T)
    symbol = torch.searchsorted(ends, last_repeated, right=True)
    start, duration = torch.stack((ends - durations, durations)).gather(2, symbol.expand(2, -1, -1)).float().unbind()
    position = last_repeated - start
    return FrameAlignment(symbol, position, duration, (position + 0.5) / duration.clamp(min=1), frame >= ends[:, -1:])


def regulate_length(features: Tensor, alignment: FrameAlignment) -> Tensor:
    """Repeats the features of each symbol for its frames: the length regulator of FastSpeech.

    features: (B, N, D) of symbols. Returns (B, T, D), zero in the padding. Source: Ren et al. 2019, arXiv 1905.09263.
    One indexed read, whose backward pass adds up in a fixed order on the GPU too (scatter_add would not).
    """
    rows = torch.arange(len(features), device=features.device)[:, None]
    return features[rows, alignment.symbol].masked_fill(alignment.padding[..., None], 0.0)


def position_features(alignment: FrameAlignment) -> Tensor:
    """Returns each frame's position in its symbol as (B, T, N_POSITION_FEATURES) float32; nothing here is learned.

    For frame k (from 0) of a symbol of d frames and f = (k + 1/2) / d: log(k + 1), log(d - k) and log(d + 1), divided
    by 3, and f, cos(pi f), sin(pi f), cos(2 pi f), sin(2 pi f).
    """
    position, duration, fraction = alignment.position, alignment.duration, alignment.fraction
    logs = torch.stack((position, duration - 1 - position, duration), 2).log1p() / 3
    angle = math.pi * fraction
    waves = torch.stack((fraction, angle.cos(), angle.sin(), (2 * angle).cos(), (2 * angle).sin()), 2)
    return torch.cat((logs, waves), 2)
