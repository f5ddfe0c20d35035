"""Pitch: what is measured on mels, what symbols' lines become, and what the decoder is shown."""
import math

import pytest
import torch

from audio import Ragged, mel_spectrogram
from lightspeech.durations import timeline
from lightspeech.pitch import RIDGES, TYPICAL_PITCH, Ridges, contour, measure, measure_rows, pitch_loss


def glide(start: float, end: float, frames: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Mel (1, 80, T) of a buzz whose pitch glides evenly in log Hz, and that pitch (T,) in log Hz."""
    samples = (frames - 1) * 256
    pitch = torch.linspace(math.log(start), math.log(end), samples, dtype=torch.float64)
    phase = 2 * math.pi * (pitch.exp() / 22050).cumsum(0)
    wave = sum(torch.sin(k * phase) / k for k in range(1, 25)).float()[None] * 0.1
    return mel_spectrogram(wave), pitch[torch.arange(frames).mul(256).clamp(max=samples - 1)].float()


@pytest.mark.parametrize("start, end", [(110, 170), (260, 180), (220, 221)])
def test_the_pitch_of_a_buzz(start: float, end: float) -> None:
    mel, expected = glide(start, end)
    found = measure(mel, Ridges())
    assert (found.log_hz[0] - expected)[2:-2].abs().max() < 0.015
    assert found.strength[0, 2:-2].min() > 0.6


def test_pitch_goes_straight_over_what_has_no_voice() -> None:
    low, high, none = glide(120, 120)[0][..., 5:-5], glide(240, 240)[0][..., 5:-5], torch.full((1, 80, 30), -9.0)
    found = measure(torch.cat((none[..., :8], low, none, high), 2), Ridges())
    assert (found.strength[0, 60:86] < 0.3).all()
    straight = torch.linspace(math.log(120), math.log(240), 32)  # from the last frame with voice to the next
    assert (found.log_hz[0, 57:89] - straight).abs().max() < 0.05
    assert (found.log_hz[0, :8].exp() - 120).abs().max() < 3


def test_noise_has_faint_pitch_and_no_leaps_to_get_it() -> None:
    torch.manual_seed(0)
    found = measure(mel_spectrogram(torch.randn(1, 256 * 80) * 0.1), Ridges())
    assert found.strength.mean() < 0.35
    assert (found.log_hz.diff().abs() > 0.07).float().mean() < 0.2


def test_a_row_without_any_voice_has_a_typical_pitch() -> None:
    assert (measure(torch.full((1, 80, 9), -11.5), Ridges()).log_hz == TYPICAL_PITCH).all()


def test_pitch_leaps_where_the_voice_does() -> None:
    low, high = glide(120, 120)[0], glide(300, 300)[0]
    found = measure(torch.cat((low[..., 5:-5], high[..., 5:-5]), 2), Ridges()).log_hz[0].exp()
    assert (found[:48] - 120).abs().max() < 3 and (found[52:] - 300).abs().max() < 6


def test_a_row_is_measured_as_alone() -> None:
    mels = [glide(150, 200, frames)[0][0].t() for frames in (60, 25, 41)]
    together = measure_rows(Ragged.from_rows(mels), Ridges())
    for row, mel in enumerate(mels):
        alone = measure(mel.t()[None], Ridges())
        torch.testing.assert_close(together.row(row), torch.stack((alone.log_hz[0], alone.strength[0]), 1))


def test_contour_example() -> None:
    lines = torch.tensor([[[1.0, 3.0], [9.0, 9.0], [3.0, 3.0]], [[2.0, 2.0], [7.0, 7.0], [7.0, 7.0]]])
    found = contour(lines, timeline(torch.tensor([[4, 0, 6], [3, 0, 0]]), 12))  # the second symbol has no frame
    straight = torch.tensor([1.25, 1.75, 2.25, 2.75] + [3.0] * 8)
    expected = torch.nn.functional.avg_pool1d(torch.nn.functional.pad(straight[None], (2, 2), mode="replicate"), 5, 1)
    torch.testing.assert_close(found[:1], expected)
    assert found[1].tolist() == [2.0] * 12


def test_ridges_stand_on_the_harmonics() -> None:
    ridges = Ridges()
    shown = ridges(torch.tensor(200.0).log())
    assert shown.shape == (RIDGES,) and shown.abs().max() <= 1
    for harmonic in (200, 400, 600, 800):
        band = (ridges.centres - harmonic).abs().argmin()
        between = (ridges.centres - harmonic - 100).abs().argmin()
        assert shown[band] > 0.5 and shown[between] < -0.5
    assert not ridges.state_dict()


def test_loss_by_hand() -> None:
    told = torch.tensor([[5.0, 5.2, 9.0]])
    measured = torch.tensor([[[5.1, 1.0], [5.0, 0.5], [0.0, 1.0]]])
    found = pitch_loss(told, measured, torch.tensor([[True, True, False]]))
    assert found.item() == pytest.approx((0.1 * 1.05 + 0.2 * 0.3) / 1.35, rel=1e-5)
    assert pitch_loss(told, measured, torch.zeros(1, 3, dtype=torch.bool)) == 0
