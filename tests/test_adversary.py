"""The discriminators of mels."""
import math

import pytest
import torch
from torch import nn

from hparams import MelTraining
from training.mel_discriminators import SILENCE, WINDOWS, MelAdversary, cut, draw_starts, variance_ratio

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


def test_padding_is_not_judged():
    adversary = MelAdversary(SETTINGS, torch.device("cpu"))
    starts = draw_starts(LENGTHS)
    mel, other = mels(0), mels(0)
    other[1, :, 40:], other[2, :, 20:] = 7.0, -3.0
    for a, b in zip(adversary.network(mel, LENGTHS, starts).scores, adversary.network(other, LENGTHS, starts).scores):
        assert torch.equal(a, b)


def test_it_joins_late_and_each_side_gets_its_own_gradients():
    torch.manual_seed(0)
    adversary, speaker = MelAdversary(SETTINGS, torch.device("cpu")), nn.Conv1d(80, 80, 1)
    real, loss = mels(1), torch.zeros(())
    assert adversary.join(loss, speaker(mels(0)), real, LENGTHS, 2) == (loss, {})
    assert adversary.score(3) == math.inf  # the fourth step is the first with them
    assert adversary.score(5) < adversary.score(4) < 0
    joined, told = adversary.join(loss, speaker(mels(0)), real, LENGTHS, 3)
    expected = 0.5 * told["adversarial"] + SETTINGS.matching_weight * told["feature_matching"]
    torch.testing.assert_close(joined, expected)
    theirs = [parameter.grad.clone() for parameter in adversary.network.parameters()]
    assert all(gradient.abs().sum() > 0 for gradient in theirs)
    joined.backward(inputs=list(speaker.parameters()))
    assert speaker.weight.grad.abs().sum() > 0
    for parameter, gradient in zip(adversary.network.parameters(), theirs):
        assert torch.equal(parameter.grad, gradient)


def test_discriminators_learn_to_tell_blurred_from_sharp():
    torch.manual_seed(0)
    adversary = MelAdversary(SETTINGS, torch.device("cpu"))
    optimizer = torch.optim.Adam(adversary.network.parameters(), 1e-3)
    told = []
    for seed in range(12):
        real = mels(seed)
        blurred = nn.functional.avg_pool1d(real, 3, 1, 1)
        told.append(adversary.join(torch.zeros(()), blurred, real, LENGTHS, 9)[1]["discriminators"].item())
        optimizer.step()
    assert told[-1] < 0.7 * told[0]


def test_variance_ratio_by_hand():
    real = torch.tensor([[[1.0, 3.0, 99.0], [0.0, 4.0, 99.0]]])  # variances 1 and 4 over two frames
    fake = torch.tensor([[[2.0, 2.0, -7.0], [0.0, 4.0, -7.0]]])  # 0 and 4
    assert variance_ratio(fake, real, torch.tensor([2])).item() == pytest.approx(4 / 5)
