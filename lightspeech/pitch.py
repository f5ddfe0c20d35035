"""Pitch: estimated from mels, predicted for each symbol, and shown to the decoder as the pattern of its harmonics.

A voiced sound has harmonics at the multiples of its pitch F. On the mel bands they are ridges: about cos(2 pi f / F) at
frequency f, flatter where bands are wider. Their positions depend on the pitch alone, which no text determines. A
network trained for the average error therefore draws no ridges, and its voice is hoarse; with the pitch as an input it
can draw them (FastPitch, Łańcucki 2021, arXiv 2006.06873, embeds the pitch instead). In unvoiced frames a pitch
estimate would only describe noise, so there the pitch is interpolated between the voiced frames. Nothing here is
learned.
"""
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio import Ragged, mel_corners
from hparams import AudioConfig
from lightspeech.durations import FrameAlignment

N_HARMONIC_BANDS = 48  # lowest bands with a harmonic pattern; a band above them holds several harmonics
MIN_PITCH, MAX_PITCH = 65.0, 450.0  # Hz
N_CANDIDATES = 256  # pitches that are tried, evenly spaced in log Hz, 0.76 % apart
STEP_COST, MAX_STEP, JUMP_COST = 0.016, 8, 0.6  # of a pitch path from frame to frame, in units of correlation
ENVELOPE_BANDS = 13  # width of the moving average over bands that is the spectral envelope
SMOOTHING_FRAMES = 5  # width of the moving average that joins the pitch of neighbouring symbols
DEFAULT_LOG_PITCH = 5.2  # log Hz (181 Hz): of an untrained model and of a row without voiced frames
VOICED_STRENGTH = 0.3  # a frame with more than this counts as voiced
UNVOICED_WEIGHT = 0.05  # of unvoiced frames in the loss
MAX_BATCH_FRAMES = 2**16  # of mels whose pitch is estimated together


class HarmonicPattern(nn.Module):
    """Maps pitch to the pattern of its harmonics on the mel bands; has no parameters and nothing in the state_dict."""

    def __init__(self) -> None:
        super().__init__()
        audio = AudioConfig()
        corners = torch.from_numpy(mel_corners(audio.n_mels, audio.f_min, audio.f_max)).float()[:N_HARMONIC_BANDS + 2]
        self.register_buffer("centres", corners[1:-1], persistent=False)  # Hz
        self.register_buffer("quarter_widths", (corners[2:] - corners[:-2]) / 4, persistent=False)  # Hz

    def forward(self, pitch: Tensor) -> Tensor:
        """Returns the pattern (..., N_HARMONIC_BANDS) in [-1, 1] of each pitch (...), natural log of Hz.

        It is the cosine averaged over each band's triangle, which scales it by sinc squared. The pitch is clamped to
        MIN_PITCH ... MAX_PITCH.
        """
        log_pitch = pitch.float().clamp(math.log(MIN_PITCH), math.log(MAX_PITCH))
        radians_per_hz = (math.log(2 * math.pi) - log_pitch).exp()[..., None]
        width = self.quarter_widths * radians_per_hz  # never 0; torch.sinc checks for 0 and takes several times as long
        return torch.cos(self.centres * radians_per_hz) * (width.sin() / width).square()


class PitchEstimate(NamedTuple):
    """Pitch of a batch of mels."""
    log_hz: Tensor  # (B, T) float32, natural log; interpolated in unvoiced frames
    strength: Tensor  # (B, T) float32 in [0, 1]: how clearly the mel shows the harmonics of this pitch


@torch.no_grad()
def estimate_pitch(mel: Tensor, harmonics: HarmonicPattern) -> PitchEstimate:
    """Returns the pitch whose harmonic pattern correlates best with the mel, on the best path through time (Viterbi).

    mel: (B, M, T) natural log, zero in the padding. A row's result does not depend on the others. From frame to frame
    the path pays STEP_COST for each candidate that it moves by, at most MAX_STEP of them, or JUMP_COST to go anywhere.
    """
    candidates = torch.linspace(math.log(MIN_PITCH), math.log(MAX_PITCH), N_CANDIDATES, device=mel.device)
    patterns = harmonics(candidates)
    patterns = F.normalize(patterns - patterns.mean(1, keepdim=True), dim=1)  # (K, N_HARMONIC_BANDS)
    detail = _subtract_spectral_envelope(mel.float())
    scores = detail / (detail.norm(dim=2, keepdim=True) + 1) @ patterns.t()  # (B, T, K); + 1: faint detail counts less
    path = _best_path(scores)
    strength = scores.gather(2, path[..., None])[..., 0].clamp(0, 1)
    return PitchEstimate(_interpolate_unvoiced(candidates[path], strength), strength)


def _interpolate_unvoiced(log_hz: Tensor, strength: Tensor) -> Tensor:
    """Interpolates the pitch linearly over unvoiced frames, and continues it to the row's ends as a constant.

    log_hz, strength: (B, T). Returns log_hz (B, T); DEFAULT_LOG_PITCH in a row without voiced frames.
    """
    T = log_hz.shape[1]
    voiced, frame = strength > VOICED_STRENGTH, torch.arange(T, device=log_hz.device)
    previous = torch.where(voiced, frame, -1).cummax(1).values  # -1: none
    following = torch.where(voiced, frame, T).flip(1).cummin(1).values.flip(1)  # T: none
    before = torch.where(previous < 0, following, previous).clamp(max=T - 1)
    after = torch.where(following >= T, previous, following).clamp(min=0)
    fraction = (frame - before) / (after - before).clamp(min=1)
    path = torch.lerp(log_hz.gather(1, before), log_hz.gather(1, after), fraction)
    return torch.where(voiced.any(1, keepdim=True), path, DEFAULT_LOG_PITCH)


def _subtract_spectral_envelope(mel: Tensor) -> Tensor:
    """Subtracts from each of the lowest bands the weighted mean of its neighbours, which leaves the harmonics.

    mel: (B, M, T). Returns (B, T, N_HARMONIC_BANDS).
    """
    bands = mel.transpose(1, 2)[..., :N_HARMONIC_BANDS]
    window = torch.hann_window(ENVELOPE_BANDS + 2, periodic=False, device=mel.device)[1:-1]
    padded = F.pad(bands, (ENVELOPE_BANDS // 2, ENVELOPE_BANDS // 2), mode="reflect").flatten(0, 1)[:, None]
    return bands - F.conv1d(padded, (window / window.sum())[None, None]).view_as(bands)


def _best_path(scores: Tensor) -> Tensor:
    """Returns the path (B, T), int64, with the highest sum of scores (B, T, K) minus its costs."""
    costs = STEP_COST * torch.arange(-MAX_STEP, MAX_STEP + 1, device=scores.device).abs()
    candidate = torch.arange(scores.shape[2], device=scores.device)
    total, origins = scores[:, 0], []
    for score in scores[:, 1:].unbind(1):
        near, step = (F.pad(total, (MAX_STEP, MAX_STEP), value=-math.inf).unfold(1, len(costs), 1) - costs).max(2)
        far, start = total.max(1, keepdim=True)
        jumps = near < far - JUMP_COST
        origins.append(torch.where(jumps, start, candidate + step - MAX_STEP))
        total = torch.where(jumps, far - JUMP_COST, near) + score
    path = [total.argmax(1)]
    for origin in reversed(origins):
        path.append(origin.gather(1, path[-1][:, None])[:, 0])
    return torch.stack(path[::-1], 1)


def estimate_pitch_of_rows(mels: Ragged, harmonics: HarmonicPattern) -> Ragged:
    """Returns the pitch of each row of mels (T, M), on their device: rows (T, 2) float32, log_hz and strength."""
    remaining, results = mels.lengths.argsort(descending=True), [torch.empty(0)] * len(mels)
    while len(remaining):
        longest = int(mels.lengths[remaining[0]])
        rows, remaining = remaining.tensor_split([max(1, MAX_BATCH_FRAMES // longest)])
        estimates = torch.stack(estimate_pitch(mels.gather(rows, longest).transpose(1, 2), harmonics), 2)
        for row, estimate in zip(rows.tolist(), estimates):
            results[row] = estimate[:int(mels.lengths[row])].clone()
    return Ragged.from_rows(results)


def pitch_contour(symbol_pitch: Tensor, alignment: FrameAlignment) -> Tensor:
    """Returns the pitch of each frame: linear from start to end of each symbol, then smoothed by a moving average.

    symbol_pitch: (B, N, 2), log Hz at each symbol's start and end. Returns (B, T) float32; the padding repeats the
    row's last value.
    """
    rows = torch.arange(len(symbol_pitch), device=symbol_pitch.device)[:, None]
    start, end = symbol_pitch.float()[rows, alignment.symbol].unbind(2)
    path = torch.lerp(start, end, alignment.fraction)[:, None]
    path = F.pad(path, (SMOOTHING_FRAMES // 2, SMOOTHING_FRAMES // 2), mode="replicate")
    return F.avg_pool1d(path, SMOOTHING_FRAMES, 1)[:, 0]


def pitch_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Returns the mean absolute difference in log Hz, weighted in each frame by strength^2 + UNVOICED_WEIGHT.

    predicted: (B, T) log Hz; target: (B, T, 2) of `estimate_pitch_of_rows`; mask: (B, T) bool, False in the padding.
    """
    log_hz, strength = target.masked_fill(~mask[..., None], 0.0).unbind(2)
    weight = strength.square() + UNVOICED_WEIGHT * mask
    return ((predicted - log_hz).abs() * weight).sum() / weight.sum().clamp(min=1e-3)
