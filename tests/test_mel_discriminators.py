"""The discriminators of mels."""
import math

import pytest
import torch
from torch import nn

from hparams import MelTraining
from training.mel_discriminators import SILENCE, WINDOWS, AdversarialMelLoss, cut, draw_starts, variance_ratio

SETTINGS = MelTraining(steps=10, adversarial_weight=0.5, adversarial_from=0.3)
LENGTHS = torch.tensor([200, 40, 20])


def mels(seed: int) -> torch.Tensor:
    return torch.randn(3, 80, 200, generator=torch.Generator().manual_seed(seed)) - 5


def test_windows_lie_in_their_rows_and_vary():
    generator = torch.Generator().manual_seed(0)
    starts = torch.stack([draw_starts(LENGTHS, generator) for _ in range(500)])  # (500, windows, B)
    for index, window in enumerate(WINDOWS):
        for row, length in enumerate(LENGTHS.tolist()):
            found = starts[:, index, row]
            assert found.min() == 0 and found.max() == max(0, length - window)


def test_cut_by_hand():
    mel = torch.arange(10.0).repeat(2, 1, 1)  # (2, 1, 10)
    assert cut(mel, torch.tensor([10, 6]), torch.tensor([3, 4]), 4).tolist() == [
        [[3, 4, 5, 6]], [[4, 5, SILENCE, SILENCE]]]


def test_padding_has_no_effect():
    adversarial = AdversarialMelLoss(SETTINGS, torch.device("cpu"))
    starts = draw_starts(LENGTHS)
    mel, other = mels(0), mels(0)
    other[1, :, 40:], other[2, :, 20:] = 7.0, -3.0
    one, two = (adversarial.discriminators(batch, LENGTHS, starts).scores for batch in (mel, other))
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a, b)


def test_it_begins_late_and_each_side_gets_its_own_gradients():
    torch.manual_seed(0)
    adversarial, speaker = AdversarialMelLoss(SETTINGS, torch.device("cpu")), nn.Conv1d(80, 80, 1)
    real, loss = mels(1), torch.zeros(())
    assert adversarial.add_to(loss, speaker(mels(0)), real, LENGTHS, 2) == (loss, {})
    assert adversarial.score(3) == math.inf  # the fourth step is the first with them
    assert adversarial.score(5) < adversarial.score(4) < 0
    total, losses = adversarial.add_to(loss, speaker(mels(0)), real, LENGTHS, 3)
    expected = 0.5 * losses["adversarial"] + SETTINGS.matching_weight * losses["feature_matching"]
    torch.testing.assert_close(total, expected)
    theirs = [parameter.grad.clone() for parameter in adversarial.discriminators.parameters()]
    assert all(gradient.abs().sum() > 0 for gradient in theirs)
    total.backward(inputs=list(speaker.parameters()))
    assert speaker.weight.grad.abs().sum() > 0
    for parameter, gradient in zip(adversarial.discriminators.parameters(), theirs):
        assert torch.equal(parameter.grad, gradient)


def test_discriminators_learn_to_tell_blurred_from_sharp():
    torch.manual_seed(0)
    adversarial = AdversarialMelLoss(SETTINGS, torch.device("cpu"))
    optimizer = torch.optim.Adam(adversarial.discriminators.parameters(), 1e-3)
    losses = []
    for seed in range(12):
        real = mels(seed)
        blurred = nn.functional.avg_pool1d(real, 3, 1, 1)
        losses.append(adversarial.add_to(torch.zeros(()), blurred, real, LENGTHS, 9)[1]["discriminators"].item())
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


def test_variance_ratio_by_hand():
    real = torch.tensor([[[1.0, 3.0, 99.0], [0.0, 4.0, 99.0]]])  # variances 1 and 4 over two frames
    fake = torch.tensor([[[2.0, 2.0, -7.0], [0.0, 4.0, -7.0]]])  # 0 and 4
    assert variance_ratio(fake, real, torch.tensor([2])).item() == pytest.approx(4 / 5)
