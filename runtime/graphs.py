"""Work on a GPU recorded as CUDA graphs: launched by one call instead of many."""
import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import torch

Step = Callable[[], Any]
MOST_RECORDINGS = 64  # of one RecordedFunction; the least recently used one is dropped for a new one
MOST_SEEN = 1024  # kinds of arguments that came once and are remembered, in case they come again


def record_graph(step: Step, warm_up: int = 3, pool: Any = None) -> Step:
    """Returns a function that replays `step` from a CUDA graph. Call it on the GPU that `step` works on.

    `step` must read its inputs from tensors that are never replaced, leave its results in such tensors, and never wait
    for the GPU. It runs `warm_up` times first, on a stream of its own, so that kernels are compiled and libraries have
    their workspaces before the capture. Each replay overwrites the tensors that the one before returned.
    pool: memory shared by graphs that never run at the same time (torch.cuda.graph_pool_handle); None: its own.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(warm_up):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    # "thread_local": other threads (data loading, NCCL's watchdog) may call CUDA during the capture
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        results = step()

    def replay() -> Any:
        graph.replay()
        return results
    return replay


class RecordedFunction:
    """A function of tensors and plain values that is recorded as a CUDA graph when a kind of arguments comes again.

    Arguments are of one kind if tensors have the same shapes and types and other values are equal. A recording costs
    as much as many calls, so a kind that comes only once is not recorded. Without a GPU the function is just called.

    function: takes tensors on the current GPU and hashable values, never waits for the GPU, and returns a tensor, a
    tuple of tensors, or an object of its own that holds some. All recordings share their memory: no two may run at the
    same time.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._seen: OrderedDict[Hashable, None] = OrderedDict()  # kinds that came once, the oldest first
        self._recordings: OrderedDict[Hashable, tuple[list[Any], Step]] = OrderedDict()  # least recently used first

    def __call__(self, *arguments: Any) -> Any:
        """Returns function(*arguments). Its tensors belong to the caller; those inside an object only until the next
        call."""
        if not all(value.is_cuda for value in arguments if torch.is_tensor(value)):
            return self.function(*arguments)
        kind = tuple((value.shape, value.dtype) if torch.is_tensor(value) else value for value in arguments)
        if kind not in self._recordings and kind not in self._seen:
            self._seen[kind] = None
            if len(self._seen) > MOST_SEEN:
                self._seen.popitem(last=False)
            return self.function(*arguments)
        inputs, replay = self._recording(kind, arguments)
        for buffer, value in zip(inputs, arguments):
            if torch.is_tensor(value):
                buffer.copy_(value)
        results = replay()
        if isinstance(results, tuple):
            return tuple(result.clone() for result in results)
        return results.clone() if torch.is_tensor(results) else results

    def _recording(self, kind: Hashable, arguments: tuple[Any, ...]) -> tuple[list[Any], Step]:
        """Returns the input buffers and the replay for a kind of arguments; records them if that is not yet done."""
        if kind in self._recordings:
            self._recordings.move_to_end(kind)
            return self._recordings[kind]
        if len(self._recordings) >= MOST_RECORDINGS:
            self._recordings.popitem(last=False)  # its memory goes back to the pool
        inputs = [value.clone() if torch.is_tensor(value) else value for value in arguments]
        pool = _shared_memory(torch.cuda.current_device()).pool()
        self._recordings[kind] = inputs, record_graph(lambda: self.function(*inputs), 1, pool)
        del self._seen[kind]
        return self._recordings[kind]


@functools.cache
def _shared_memory(device: int) -> torch.cuda.CUDAGraph:
    """Returns an empty graph whose memory pool all recordings on a device share, so that it outlives each of them."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch.zeros(1, device=device)
    return graph
