"""The noise of noise.py for vocoders in PyTorch: on a GPU one kernel draws it for all rows."""
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from runtime.cuda_kernels import launch
from runtime.fast_path import disagreement, first_that_agrees, relative_errors
from synthesis.noise import normal_noise

Draw = Callable[[Tensor, int, int], Tensor]
SOURCE = Path(__file__).with_name("noise.cu")
THREADS = 256  # of a block
ALLOWED = 1e-4  # relative error


def noise_source(device: torch.device) -> Draw:
    """Returns a function that draws noise on a device: seeds (B,) int64, count, first -> (B, count) float32.

    See normal_noise for count and first. If a GPU cannot run the kernel, the CPU draws, and one line is logged.
    """
    if device.type != "cuda":
        return draw_on_cpu

    def problem_of(draw: Draw) -> str:
        arguments = torch.tensor([3, 2 ** 63 - 1], device=device), 600, 8
        return disagreement(relative_errors({"noise": draw(*arguments)}, {"noise": draw_on_cpu(*arguments)}), ALLOWED)
    return first_that_agrees([lambda: draw_on_gpu], problem_of, draw_on_cpu, "noise on the GPU", "the CPU draws it")


def draw_on_cpu(seeds: Tensor, count: int, first: int) -> Tensor:
    """Returns the noise of `noise_source`, drawn by the CPU."""
    return torch.from_numpy(np.stack([normal_noise(count, seed, first) for seed in seeds.tolist()])).to(seeds.device)


def draw_on_gpu(seeds: Tensor, count: int, first: int) -> Tensor:
    """Returns the noise of `noise_source`, drawn by a GPU."""
    result = seeds.new_empty(len(seeds), count, dtype=torch.float32)
    if count:
        launch(SOURCE, "normal_noise", (-(-count // 2 // THREADS), len(seeds), 1), THREADS,
               (seeds, result, count // 2, first))
    return result
