"""Durations, speed to the frame, and the length regulator."""
import pytest
import torch

from hparams import UserError
from lightspeech.durations import (
    MAX_DURATION,
    N_POSITION_FEATURES,
    align_frames,
    change_speed,
    durations_to_log,
    log_to_durations,
    position_features,
    regulate_length,
)


def test_length_regulator_example() -> None:
    features = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1).requires_grad_()
    alignment = align_frames(torch.tensor([[1, 3, 0, 2]]), 8)
    assert alignment.symbol.tolist() == [[0, 1, 1, 1, 3, 3, 3, 3]]
    assert alignment.position.tolist() == [[0, 0, 1, 2, 0, 1, 1, 1]]
    assert alignment.duration.tolist() == [[1, 3, 3, 3, 2, 2, 2, 2]]
    assert alignment.padding.tolist() == [[False] * 6 + [True] * 2]
    regulated = regulate_length(features, alignment)
    assert regulated.flatten().tolist() == [1, 2, 2, 2, 4, 4, 0, 0]
    regulated.sum().backward()
    assert features.grad.flatten().tolist() == [1, 3, 0, 2]


def test_durations_come_back_from_their_logarithms() -> None:
    durations = torch.arange(MAX_DURATION + 1)[None]
    assert torch.equal(log_to_durations(durations_to_log(durations), torch.tensor([MAX_DURATION + 1])), durations)


def test_no_prediction_makes_durations_run_away() -> None:
    wild = torch.tensor([[float("nan"), float("inf"), -float("inf"), 1e9, -3.0, 0.9]])
    assert log_to_durations(wild, torch.tensor([6])).tolist() == [[0, MAX_DURATION, 0, MAX_DURATION, 0, 1]]
    assert log_to_durations(wild, torch.tensor([1])).tolist() == [[1, 0, 0, 0, 0, 0]]  # a row has at least one frame


def test_speed_example() -> None:
    assert change_speed(torch.tensor([[3, 3, 3, 3]]), 2.0).tolist() == [[2, 1, 1, 2]]


@pytest.mark.parametrize("speed", [0.37, 0.5, 0.99, 1.0, 1.25, 3.0, 50.0])
def test_speed_is_exact_to_the_frame_and_keeps_pauses(speed: float) -> None:
    generator = torch.Generator().manual_seed(4)
    durations = torch.randint(0, 15, (20, 40), generator=generator)
    pauses = torch.rand(20, 40, generator=generator) < 0.2
    changed = change_speed(durations, speed, pauses)
    assert torch.equal(changed[pauses], durations[pauses]) and (changed >= 0).all()
    spoken = durations.masked_fill(pauses, 0).sum(1).tolist()
    assert changed.masked_fill(pauses, 0).sum(1).tolist() == [round(frames / speed) for frames in spoken]
    assert change_speed(durations, speed).sum(1).tolist() == [round(d / speed) for d in durations.sum(1).tolist()]


def test_speed_leaves_a_row_one_frame() -> None:
    assert change_speed(torch.tensor([[1, 2]]), 100.0).tolist() == [[1, 0]]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_speed_must_be_above_zero(speed: float) -> None:
    with pytest.raises(UserError, match="speed: found .* expected a number above 0"):
        change_speed(torch.tensor([[1, 2]]), speed)


def test_position_features_example() -> None:
    features = position_features(align_frames(torch.tensor([[2, 0, 1], [3, 1, 0]]), 4))
    assert features.shape == (2, 4, N_POSITION_FEATURES)
    torch.testing.assert_close(features[0, :3, 3], torch.tensor([0.25, 0.75, 0.5]))  # the fraction
    torch.testing.assert_close(features[1, :, 0] * 3, torch.tensor([1.0, 2, 3, 1]).log())  # position + 1
    torch.testing.assert_close(features[1, :, 1] * 3, torch.tensor([3.0, 2, 1, 1]).log())  # duration - position
