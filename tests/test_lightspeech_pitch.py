"""Pitch: estimated from mels, expanded from symbols to frames, and as harmonic patterns."""
import math

import pytest
import torch

from audio import Ragged, mel_spectrogram
from lightspeech.durations import align_frames
from lightspeech.pitch import (
    DEFAULT_LOG_PITCH,
    N_HARMONIC_BANDS,
    HarmonicPattern,
    estimate_pitch,
    estimate_pitch_of_rows,
    pitch_contour,
    pitch_loss,
)


def glide(start: float, end: float, frames: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Mel (1, 80, T) of a buzz whose pitch changes linearly in log Hz, and that pitch (T,) in log Hz."""
    samples = (frames - 1) * 256
    pitch = torch.linspace(math.log(start), math.log(end), samples, dtype=torch.float64)
    phase = 2 * math.pi * (pitch.exp() / 22050).cumsum(0)
    wave = sum(torch.sin(k * phase) / k for k in range(1, 25)).float()[None] * 0.1
    return mel_spectrogram(wave), pitch[torch.arange(frames).mul(256).clamp(max=samples - 1)].float()


@pytest.mark.parametrize("start, end", [(110, 170), (260, 180), (220, 221)])
def test_the_pitch_of_a_buzz(start: float, end: float) -> None:
    mel, expected = glide(start, end)
    found = estimate_pitch(mel, HarmonicPattern())
    assert (found.log_hz[0] - expected)[2:-2].abs().max() < 0.015
    assert found.strength[0, 2:-2].min() > 0.6


def test_pitch_is_interpolated_over_unvoiced_frames() -> None:
    low, high, none = glide(120, 120)[0][..., 5:-5], glide(240, 240)[0][..., 5:-5], torch.full((1, 80, 30), -9.0)
    found = estimate_pitch(torch.cat((none[..., :8], low, none, high), 2), HarmonicPattern())
    assert (found.strength[0, 60:86] < 0.3).all()
    straight = torch.linspace(math.log(120), math.log(240), 32)  # from the last voiced frame to the next
    assert (found.log_hz[0, 57:89] - straight).abs().max() < 0.05
    assert (found.log_hz[0, :8].exp() - 120).abs().max() < 3


def test_noise_has_weak_pitch_that_rarely_jumps() -> None:
    torch.manual_seed(0)
    found = estimate_pitch(mel_spectrogram(torch.randn(1, 256 * 80) * 0.1), HarmonicPattern())
    assert found.strength.mean() < 0.35
    assert (found.log_hz.diff().abs() > 0.07).float().mean() < 0.2


def test_a_row_without_voiced_frames_has_the_default_pitch() -> None:
    assert (estimate_pitch(torch.full((1, 80, 9), -11.5), HarmonicPattern()).log_hz == DEFAULT_LOG_PITCH).all()


def test_pitch_jumps_when_the_voice_does() -> None:
    low, high = glide(120, 120)[0], glide(300, 300)[0]
    found = estimate_pitch(torch.cat((low[..., 5:-5], high[..., 5:-5]), 2), HarmonicPattern()).log_hz[0].exp()
    assert (found[:48] - 120).abs().max() < 3 and (found[52:] - 300).abs().max() < 6


def test_pitch_of_a_row_does_not_depend_on_the_others() -> None:
    mels = [glide(150, 200, frames)[0][0].t() for frames in (60, 25, 41)]
    together = estimate_pitch_of_rows(Ragged.from_rows(mels), HarmonicPattern())
    for row, mel in enumerate(mels):
        alone = estimate_pitch(mel.t()[None], HarmonicPattern())
        torch.testing.assert_close(together.row(row), torch.stack((alone.log_hz[0], alone.strength[0]), 1))


def test_contour_example() -> None:
    symbol_pitch = torch.tensor([[[1.0, 3.0], [9.0, 9.0], [3.0, 3.0]], [[2.0, 2.0], [7.0, 7.0], [7.0, 7.0]]])
    durations = torch.tensor([[4, 0, 6], [3, 0, 0]])  # the second symbol has no frame
    found = pitch_contour(symbol_pitch, align_frames(durations, 12))
    straight = torch.tensor([1.25, 1.75, 2.25, 2.75] + [3.0] * 8)
    expected = torch.nn.functional.avg_pool1d(torch.nn.functional.pad(straight[None], (2, 2), mode="replicate"), 5, 1)
    torch.testing.assert_close(found[:1], expected)
    assert found[1].tolist() == [2.0] * 12


def test_the_pattern_has_its_maxima_at_the_harmonics() -> None:
    harmonics = HarmonicPattern()
    pattern = harmonics(torch.tensor(200.0).log())
    assert pattern.shape == (N_HARMONIC_BANDS,) and pattern.abs().max() <= 1
    for harmonic in (200, 400, 600, 800):
        band = (harmonics.centres - harmonic).abs().argmin()
        between = (harmonics.centres - harmonic - 100).abs().argmin()
        assert pattern[band] > 0.5 and pattern[between] < -0.5
    assert not harmonics.state_dict()


def test_loss_by_hand() -> None:
    predicted = torch.tensor([[5.0, 5.2, 9.0]])
    target = torch.tensor([[[5.1, 1.0], [5.0, 0.5], [0.0, 1.0]]])
    found = pitch_loss(predicted, target, torch.tensor([[True, True, False]]))
    assert found.item() == pytest.approx((0.1 * 1.05 + 0.2 * 0.3) / 1.35, rel=1e-5)
    assert pitch_loss(predicted, target, torch.zeros(1, 3, dtype=torch.bool)) == 0
