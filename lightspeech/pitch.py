"""Pitch: measured on a mel, told by the network as a line a symbol, and shown to the decoder as ridges on the bands.

A voiced sound has harmonics at the multiples of its pitch F. On the bands of a mel they stand as ridges, at frequency f
about cos(2 pi f / F), the flatter the wider the band. Where they lie is a function of the pitch alone, and no text says
the pitch for certain: a network that learns to be near on average draws no ridges, and its voice is hoarse. Given the
pitch it can draw them (FastPitch, Łańcucki 2021, arXiv 2006.06873, embeds the pitch instead). Where there is no voice,
a pitch measured on the noise would tell of the noise, which no text can: there it goes straight from voice to voice.
Nothing here is learned.
"""
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio import Ragged, mel_corners
from hparams import AudioConfig
from lightspeech.durations import Timeline

RIDGES = 48  # bands that are shown, from the lowest on; above, a band holds several harmonics
LOWEST, HIGHEST, CANDIDATES = 65.0, 450.0, 256  # Hz; 0.76 % apart
STEP_COST, MOST_STEPS, JUMP_COST = 0.016, 8, 0.6  # of a path of pitch from frame to frame, in units of correlation
ENVELOPE = 13  # bands over which a mel is averaged to find its ridges
SMOOTH = 5  # frames over which the lines of neighbouring symbols are joined
TYPICAL_PITCH = 5.2  # log Hz, 181 Hz: where an untrained head begins, and the pitch of a row without any voice
VOICED = 0.3  # strength from which a frame's pitch is its own
UNVOICED_WEIGHT = 0.05  # in the loss, of what a frame without voice tells
FRAMES_AT_ONCE = 2**16  # that are measured together


class Ridges(nn.Module):
    """From pitch to its pattern on the bands; no parameter, and nothing of it in a state_dict."""

    def __init__(self, audio: AudioConfig = AudioConfig()) -> None:
        super().__init__()
        corners = torch.from_numpy(mel_corners(audio.n_mels, audio.f_min, audio.f_max)).float()[:RIDGES + 2]
        self.register_buffer("centres", corners[1:-1], persistent=False)  # Hz
        self.register_buffer("quarters", (corners[2:] - corners[:-2]) / 4, persistent=False)  # of the triangles' feet

    def forward(self, pitch: Tensor) -> Tensor:
        """pitch: (...) natural log of Hz, taken into LOWEST ... HIGHEST -> (..., RIDGES) in [-1, 1]: a cosine seen
        through triangles, sinc squared."""
        turn = (math.log(2 * math.pi) - pitch.float().clamp(math.log(LOWEST), math.log(HIGHEST))).exp()[..., None]
        width = self.quarters * turn  # never 0; torch.sinc, which asks, takes several times as long
        return torch.cos(self.centres * turn) * (width.sin() / width).square()


class Pitch(NamedTuple):
    """What was measured on a batch of mels."""
    log_hz: Tensor  # (B, T) float32, natural log; without a voice, straight from the pitch before to that after
    strength: Tensor  # (B, T) float32 in [0, 1]: how much the ridges of this pitch are there


@torch.no_grad()
def measure(mel: Tensor, ridges: Ridges) -> Pitch:
    """The pitch whose ridges correlate best with the mel's, on the best path through time (Viterbi).

    mel: (B, M, T) natural log, of zeros after a row's end. A row's result does not depend on the others. The path pays
    STEP_COST for each candidate that it moves by, up to MOST_STEPS a frame, or JUMP_COST to go anywhere. Where its
    strength is at most VOICED, what is returned goes straight from voice to voice.
    """
    candidates = torch.linspace(math.log(LOWEST), math.log(HIGHEST), CANDIDATES, device=mel.device)
    patterns = F.normalize(ridges(candidates) - ridges(candidates).mean(1, keepdim=True), dim=1)  # (K, RIDGES)
    relief = _relief(mel.float())
    scores = relief / (relief.norm(dim=2, keepdim=True) + 1) @ patterns.t()  # (B, T, K); faint reliefs count less
    path = _best_path(scores)
    strength = scores.gather(2, path[..., None])[..., 0].clamp(0, 1)
    return Pitch(_bridged(candidates[path], strength), strength)


def _bridged(log_hz: Tensor, strength: Tensor) -> Tensor:
    """log_hz, strength (B, T) -> log_hz (B, T), with straight lines over what is not voiced; level at a row's ends."""
    T = log_hz.shape[1]
    voiced, place = strength > VOICED, torch.arange(T, device=log_hz.device)
    last = torch.where(voiced, place, -1).cummax(1).values  # -1: none yet
    following = torch.where(voiced, place, T).flip(1).cummin(1).values.flip(1)  # T: none any more
    before = torch.where(last < 0, following, last).clamp(max=T - 1)
    after = torch.where(following >= T, last, following).clamp(min=0)
    share = (place - before) / (after - before).clamp(min=1)
    path = torch.lerp(log_hz.gather(1, before), log_hz.gather(1, after), share)
    return torch.where(voiced.any(1, keepdim=True), path, TYPICAL_PITCH)


def _relief(mel: Tensor) -> Tensor:
    """mel (B, M, T) -> (B, T, RIDGES): how far each band stands out of the average over its neighbours."""
    bands = mel.transpose(1, 2)[..., :RIDGES]
    window = torch.hann_window(ENVELOPE + 2, periodic=False, device=mel.device)[1:-1]
    padded = F.pad(bands, (ENVELOPE // 2, ENVELOPE // 2), mode="reflect").flatten(0, 1)[:, None]
    return bands - F.conv1d(padded, (window / window.sum())[None, None]).view_as(bands)


def _best_path(scores: Tensor) -> Tensor:
    """scores (B, T, K) -> (B, T) int64, the path of the highest sum of scores less its costs."""
    costs = STEP_COST * torch.arange(-MOST_STEPS, MOST_STEPS + 1, device=scores.device).abs()
    here = torch.arange(scores.shape[2], device=scores.device)
    total, back = scores[:, 0], []
    for score in scores[:, 1:].unbind(1):
        near, step = (F.pad(total, (MOST_STEPS, MOST_STEPS), value=-math.inf).unfold(1, len(costs), 1) - costs).max(2)
        far, start = total.max(1, keepdim=True)
        jumps = near < far - JUMP_COST
        back.append(torch.where(jumps, start, here + step - MOST_STEPS))
        total = torch.where(jumps, far - JUMP_COST, near) + score
    path = [total.argmax(1)]
    for origin in reversed(back):
        path.append(origin.gather(1, path[-1][:, None])[:, 0])
    return torch.stack(path[::-1], 1)


def measure_rows(mels: Ragged, ridges: Ridges) -> Ragged:
    """Pitch of each row of mels (T, M), on their device: rows (T, 2) float32, log_hz and strength."""
    order, found = mels.lengths.argsort(descending=True), [torch.empty(0)] * len(mels)
    while len(order):
        longest = int(mels.lengths[order[0]])
        rows, order = order.tensor_split([max(1, FRAMES_AT_ONCE // longest)])
        measured = torch.stack(measure(mels.gather(rows, longest).transpose(1, 2), ridges), 2)
        for row, told in zip(rows.tolist(), measured):
            found[row] = told[:int(mels.lengths[row])].clone()
    return Ragged.from_rows(found)


def contour(lines: Tensor, line: Timeline) -> Tensor:
    """The pitch of each frame: each symbol's own goes straight from its start to its end, joined by a moving average.

    lines: (B, N, 2), log Hz at each symbol's start and end; line: where the frames are. Returns (B, T) float32; after
    the end of a row its last value goes on.
    """
    rows = torch.arange(len(lines), device=lines.device)[:, None]
    start, end = lines.float()[rows, line.symbol].unbind(2)
    path = F.pad(torch.lerp(start, end, line.share)[:, None], (SMOOTH // 2, SMOOTH // 2), mode="replicate")
    return F.avg_pool1d(path, SMOOTH, 1)[:, 0]


def pitch_loss(told: Tensor, measured: Tensor, frames: Tensor) -> Tensor:
    """Mean absolute difference in log Hz, each frame weighed by the square of its strength and UNVOICED_WEIGHT more.

    told: (B, T); measured: (B, T, 2) of `measure_rows`; frames: (B, T) bool, True on real frames.
    """
    log_hz, strength = measured.masked_fill(~frames[..., None], 0.0).unbind(2)
    weight = strength.square() + UNVOICED_WEIGHT * frames
    return ((told - log_hz).abs() * weight).sum() / weight.sum().clamp(min=1e-3)
