"""Work on a GPU as one CUDA graph: launched by one call instead of many."""
import functools
from collections.abc import Callable
from typing import Any

import torch

Step = Callable[[], Any]
MOST_RECORDINGS = 64  # of one Replay; what comes in more shapes is launched as it is


def captured(step: Step, warm_up: int = 3, pool: Any = None) -> Step:
    """Returns a function that replays `step` from a CUDA graph; call it on the GPU that `step` works on.

    `step` must read its inputs from tensors that stay where they are and leave its results likewise, and must never
    wait for the GPU. It runs `warm_up` times first, on a stream of its own, so that kernels are compiled and
    libraries have their workspaces before the capture. The tensors that the replay returns are overwritten by the next.
    pool: memory that graphs share which never run at the same time (torch.cuda.graph_pool_handle); None: its own.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(warm_up):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        results = step()

    def replay() -> Any:
        graph.replay()
        return results
    return replay


class Replay:
    """A function of tensors and plain values that launches its work as one CUDA graph once its shapes have come before.

    A recording costs many times a run, so what comes once is not recorded. function: takes tensors on the current GPU
    and plain values, never waits for the GPU, and returns a tensor, a tuple of them, or an object of its own that holds
    some. All replays share their memory: no two of them may run at the same time.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.recordings: dict[tuple, tuple[list[Any], Step] | None] = {}  # None: has come once

    def __call__(self, *given: Any) -> Any:
        """What `function` gives, in tensors of the caller's own; but an object's hold until the next call."""
        key = tuple((value.shape, value.dtype) if torch.is_tensor(value) else value for value in given)
        if key not in self.recordings or not all(value.is_cuda for value in given if torch.is_tensor(value)):
            if len(self.recordings) < MOST_RECORDINGS:
                self.recordings[key] = None
            return self.function(*given)
        if self.recordings[key] is None:
            inputs = [value.clone() if torch.is_tensor(value) else value for value in given]
            pool = _pool_holder(torch.cuda.current_device()).pool()
            self.recordings[key] = inputs, captured(lambda: self.function(*inputs), 1, pool)
        inputs, replay = self.recordings[key]
        for place, value in zip(inputs, given):
            if torch.is_tensor(value):
                place.copy_(value)
        results = replay()
        if isinstance(results, tuple):
            return tuple(result.clone() for result in results)
        return results.clone() if torch.is_tensor(results) else results


@functools.cache
def _pool_holder(device: int) -> torch.cuda.CUDAGraph:
    """Holds the memory that all replays on a device share; without a graph of its own it would go with the last one."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch.zeros(1, device=device)
    return graph
