"""Recorded functions and the choice of a fast implementation."""
import gc
import logging

import pytest
import torch

from runtime import graphs
from runtime.fast_path import disagreement, first_that_agrees, relative_errors


class OnGpu(torch.Tensor):
    """A tensor on the CPU that claims to be on a GPU."""
    is_cuda = True


@pytest.fixture
def recorded(monkeypatch) -> list[int]:
    """Counts the recordings; a recording just calls the function."""
    count = []

    def record(step, warm_up, pool):
        count.append(1)
        return step
    monkeypatch.setattr(graphs, "record_graph", record)
    monkeypatch.setattr(graphs, "_shared_memory", lambda device: torch.cuda.CUDAGraph)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda.CUDAGraph, "pool", lambda: None, raising=False)
    return count


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values).as_subclass(OnGpu)


def test_a_kind_that_comes_again_is_recorded_also_after_many_that_came_once(recorded):
    double = graphs.RecordedFunction(lambda value, factor: value * factor)
    for number in range(5 * graphs.MOST_SEEN):
        double(tensor(1.0), number + 0.5)
    assert not recorded
    for _ in range(4):
        assert double(tensor(3.0), 2.0).tolist() == [6.0]
    assert len(recorded) == 1


def test_the_least_recently_used_recording_goes_first(recorded, monkeypatch):
    monkeypatch.setattr(graphs, "MOST_RECORDINGS", 2)
    double = graphs.RecordedFunction(lambda value, factor: value * factor)
    for factor in (1, 1, 2, 2, 1, 3, 3):  # 2 is dropped for 3
        double(tensor(1.0), factor)
    assert len(recorded) == 3
    double(tensor(1.0), 1)
    assert len(recorded) == 3
    for _ in range(2):
        assert double(tensor(1.0), 2).tolist() == [2.0]
    assert len(recorded) == 4


def test_results_belong_to_the_caller_and_inputs_are_copied(recorded):
    buffer = tensor(0.0, 0.0)
    same = graphs.RecordedFunction(lambda value: (buffer.copy_(value), buffer))
    given = [tensor(number, number) for number in range(4)]
    results = [same(value) for value in given]
    assert [result[0].tolist() for result in results[1:]] == [[1, 1], [2, 2], [3, 3]]
    assert given[1].tolist() == [1, 1]


def test_the_first_implementation_without_a_problem_is_taken(caplog):
    def broken() -> str:
        raise RuntimeError("no compiler\nwith details")
    problems = {"wrong": "wave off by 1", "right": ""}
    with caplog.at_level(logging.WARNING):
        assert first_that_agrees([broken, lambda: "wrong", lambda: "right"], problems.get, "plain", "x", "y") == "right"
        assert first_that_agrees([], problems.get, "plain", "x", "y") == "plain"
        assert not caplog.records
        both = [broken, lambda: "wrong"]
        assert first_that_agrees(both, problems.get, "plain", "fast x", "speaking slowly") == "plain"
    assert [record.getMessage() for record in caplog.records] == [
        "fast x: RuntimeError: no compiler; wave off by 1; speaking slowly"]


@pytest.mark.parametrize("value, expected", [(1.01, ""), (1.1, "a off by 1.0e-01, allowed 2.0e-02"),
                                             (float("nan"), "a off by nan, allowed 2.0e-02")])
def test_errors_above_the_limit_and_nan_are_disagreements(value, expected):
    errors = relative_errors({"a": torch.full((3,), value), "more": torch.zeros(1)}, {"a": torch.ones(3)})
    assert disagreement(errors, 2e-2) == expected == disagreement(errors, {"a": 2e-2})


def test_without_a_gpu_a_recorded_function_is_called() -> None:
    function = graphs.RecordedFunction(lambda tensor, number: (tensor * number, tensor))
    for _ in range(3):
        product, same = function(torch.ones(2), 3)
        assert product.tolist() == [3, 3] and same.tolist() == [1, 1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_recordings_share_memory_that_outlives_them() -> None:
    for _ in range(2):
        function = graphs.RecordedFunction(lambda tensor: tensor + 1)
        assert [function(torch.ones(3, device="cuda")).sum().item() for _ in range(4)] == [6] * 4
        del function
        gc.collect()
