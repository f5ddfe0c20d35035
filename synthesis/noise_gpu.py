"""The noise of noise.py for vocoders in PyTorch: on a GPU one kernel draws it for all rows."""
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from runtime.cuda_kernels import launch
from runtime.fast_path import disagreement, first_that_agrees, relative_errors
from synthesis.noise import normal_noise

Draw = Callable[[Sequence[int], int], Tensor]
THREADS = 256  # of a block
ALLOWED = 1e-4  # relative error


def noise_source(device: torch.device) -> Draw:
    """Returns a function that draws noise on a device: seeds of B rows, count -> (B, count) float32, see normal_noise.

    If a GPU cannot run the kernel, the noise is drawn on the CPU, and one line is logged.
    """
    def on_host(seeds: Sequence[int], count: int) -> Tensor:
        return torch.from_numpy(np.stack([normal_noise(count, seed) for seed in seeds])).to(device)
    if device.type != "cuda":
        return on_host

    def on_gpu(seeds: Sequence[int], count: int) -> Tensor:
        kept = torch.tensor([seed & 0xFFFFFFFF for seed in seeds]).to(device, non_blocking=True)
        result = kept.new_empty(len(kept), count, dtype=torch.float32)
        if count:
            launch(Path(__file__).with_name("noise.cu"), "normal_noise", (-(-count // 2 // THREADS), len(kept), 1),
                   THREADS, (kept, result, count // 2))
        return result

    def problem_of(draw: Draw) -> str:
        arguments = [3, 2 ** 63 - 1], 600
        return disagreement(relative_errors({"noise": draw(*arguments)}, {"noise": on_host(*arguments)}), ALLOWED)
    return first_that_agrees([lambda: on_gpu], problem_of, on_host, "noise on the GPU", "drawing it on the CPU")
