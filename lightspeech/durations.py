"""Durations: from the network's logarithms to whole frames, changed by speed, and spread over time.

Nothing here loops over rows or symbols, and nothing waits for the device.
"""
import math
from typing import NamedTuple

import torch
from torch import Tensor

from runtime.errors import UserError

MAX_FRAMES = 400  # of one symbol (4.6 s): no input may make an utterance run away
POSITIONS = 8  # numbers that `positions` tells of a frame


def real(lengths: Tensor, width: int) -> Tensor:
    """Returns the mask (B, width), bool, True where a position is inside its row's length; lengths: (B,) int64."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def to_log(durations: Tensor) -> Tensor:
    """Returns log(d + 1) in float32, the scale on which durations are predicted; 0 frames are 0."""
    return durations.float().log1p()


def to_frames(log_durations: Tensor, id_lengths: Tensor) -> Tensor:
    """Inverts `to_log` to whole frames.

    log_durations: (B, N) float; id_lengths: (B,) int64. Returns (B, N) int64 in 0 ... MAX_FRAMES, 0 in the padding.
    NaN counts as 0 frames, infinity as MAX_FRAMES. A symbol may have no frame, a row may not: see `at_least_one`.
    """
    bounded = log_durations.float().nan_to_num(nan=0.0).clamp(0.0, math.log(MAX_FRAMES + 1))
    frames = bounded.expm1().round().long()
    return at_least_one(frames * real(id_lengths, frames.shape[1]))


def at_least_one(durations: Tensor) -> Tensor:
    """Gives the first symbol of every row without any frame one frame, in place; durations: (B, N) int64."""
    durations[:, 0].add_(durations.sum(1) == 0)
    return durations


def change_speed(durations: Tensor, speed: float, pauses: Tensor | None = None) -> Tensor:
    """Returns durations of speech `speed` times as fast, exact to the frame.

    durations: (B, N) int64 frames. pauses: (B, N) bool, True for symbols that keep their frames; None: there are none.
    The spoken symbols of a row get round(sum / speed) frames together: the *ends* of the symbols are divided and
    rounded, not the durations, so the error never adds up and no end is off by more than half a frame:

        durations  3 3 3 3, speed 2:  ends 3 6 9 12 -> 1.5 3 4.5 6 -> 2 3 4 6 (ties to even) -> durations 2 1 1 2

    A row left without any frame gets one. Raises UserError where speed is not a finite number above 0.
    """
    if not (math.isfinite(speed) and speed > 0):
        raise UserError(f"speed: found {speed}, expected a number above 0 (1 is the usual speed, 2 twice as fast)")
    if speed == 1:
        return durations
    spoken = durations if pauses is None else durations.masked_fill(pauses, 0)
    ends = (spoken.cumsum(1).double() / speed).round().long()
    changed = ends.diff(dim=1, prepend=ends.new_zeros(len(ends), 1))
    return at_least_one(changed if pauses is None else torch.where(pauses, durations, changed))


class Timeline(NamedTuple):
    """Where each frame of a batch is; after the end of a row, as its last frame."""
    symbol: Tensor  # (B, T) int64: the one that it belongs to
    since: Tensor  # (B, T) float32 frames since its symbol began, from 0
    length: Tensor  # (B, T) float32 frames of its symbol
    share: Tensor  # (B, T) float32: how much of its symbol has passed in its middle, in 0 ... 1
    beyond: Tensor  # (B, T) bool: True after the end of the row


def timeline(durations: Tensor, frames: int) -> Timeline:
    """The length regulator (FastSpeech, Ren et al. 2019, arXiv 1905.09263): each symbol stays for its frames.

    durations: (B, N) int64, at least 0, 0 in the padding; frames: T, at least the longest row's sum of durations.
    With N = 4 symbols a b c d and T = 8:

        durations   1   3       0   2              ends (running sum)   1 4 4 6
        frame       0   1 2 3       4 5   6 7
        symbol      a   b b b       d d   d d      the first symbol whose end is above the frame's number
        since       0   0 1 2       0 1   1 1
    """
    ends = durations.cumsum(1)
    frame = torch.arange(frames, device=durations.device)
    place = frame.minimum(ends[:, -1:] - 1)  # (B, T)
    symbol = torch.searchsorted(ends, place, right=True)
    start, length = torch.stack((ends - durations, durations)).gather(2, symbol.expand(2, -1, -1)).float().unbind()
    since = place - start
    return Timeline(symbol, since, length, (since + 0.5) / length.clamp(min=1), frame >= ends[:, -1:])


def regulate(features: Tensor, line: Timeline) -> Tensor:
    """Repeats features (B, N, D) of symbols for their frames: (B, T, D), zero after the end of a row.

    One indexed read, whose backward pass adds up in a fixed order also on the GPU (scatter_add would not).
    """
    rows = torch.arange(len(features), device=features.device)[:, None]
    return features[rows, line.symbol].masked_fill(line.beyond[..., None], 0.0)


def positions(line: Timeline) -> Tensor:
    """Where in its symbol each frame is, as the decoder is told it: (B, T, POSITIONS) float32; nothing here is learned.

    For the frame number k of a symbol of d frames: the logarithms of k + 1, d - k and d + 1 (scaled to about 1), and as
    waves over the symbol's length the share f = (k + 1/2) / d that has passed: f, and cosine and sine of f and of 2 f
    half turns.
    """
    logs = torch.stack((line.since, line.length - 1 - line.since, line.length), 2).log1p() / 3
    turn = math.pi * line.share
    waves = torch.stack((line.share, turn.cos(), turn.sin(), (2 * turn).cos(), (2 * turn).sin()), 2)
    return torch.cat((logs, waves), 2)
