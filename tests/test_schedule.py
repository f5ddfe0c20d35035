"""Batches, learning rate, averaged weights and gradient clipping of the training."""
import pytest
import torch
from torch import nn

from hparams import TrainConfig
from training.sampler import BucketSampler
from training.schedule import ExponentialMovingAverage, GradientClip, learning_rate


# Sampler and schedule
def test_sampler_covers_an_epoch_once_and_shares_it_out():
    lengths = list(range(100, 164))
    samplers = [BucketSampler(lengths, 4, 5, rank, 2) for rank in range(2)]
    rows = [samplers[rank].rows(step) for step in range(8) for rank in range(2)]
    assert sorted(sum(rows, [])) == list(range(64))
    assert all(len(batch) == 4 for batch in rows)
    assert max(max(batch) - min(batch) for batch in rows) < 24  # of like length
    assert samplers[0].rows(0) != samplers[0].rows(8)  # another epoch, another order
    assert BucketSampler(lengths, 4, 5).rows(3) == BucketSampler(lengths, 4, 5).rows(3)


def test_sampler_repeats_rows_where_there_are_too_few():
    assert sorted(set(BucketSampler([5, 6, 7], 8, 0).rows(0))) == [0, 1, 2]


def test_learning_rate_by_hand():
    config = TrainConfig(steps=100, learning_rate=1.0, final_learning_rate=0.0, warmup_steps=4, decay_start=0.2)
    assert [learning_rate(step, config) for step in (0, 1, 3, 19)] == [0.25, 0.5, 1.0, 1.0]
    assert learning_rate(60, config) == pytest.approx(0.5)
    assert learning_rate(100, config) == pytest.approx(0.0)


def test_average_forgets_the_start():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = ExponentialMovingAverage(model, 0.999)
    nn.init.ones_(model.weight)
    for step in range(100):
        average.update(model, step)
    assert average.module.weight.item() > 0.999


def test_clip_scales_only_the_outlier():
    clip, parameter = GradientClip(torch.device("cpu"), 3.0), nn.Parameter(torch.zeros(2))
    for _ in range(5):
        parameter.grad = torch.tensor([3.0, 4.0])
        assert clip([parameter]).item() == 5.0
        assert parameter.grad.tolist() == [3.0, 4.0]
    parameter.grad = torch.tensor([300.0, 400.0])
    assert clip([parameter]).item() == 500.0
    assert parameter.grad.norm().item() == pytest.approx(15.0)
    parameter.grad = torch.zeros(2)
    assert GradientClip(torch.device("cpu"), 3.0)([parameter]).item() == 0 and parameter.grad.tolist() == [0, 0]
