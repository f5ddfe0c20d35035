"""A trained BidirectionalGRU for inference on an NVIDIA GPU: the kernel of gru_gpu.cu runs all steps in one launch.

It needs compute capability 9.0 or more, for clusters of blocks that write into each other's shared memory.
"""
import copy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightspeech.model import BidirectionalGRU
from lightspeech.sequences import sequence_mask
from runtime.cuda_kernels import launch
from runtime.fast_path import relative_errors

SOURCE = Path(__file__).with_suffix(".cu")
ROWS_PER_BLOCK = 4
ONE_BLOCK_UNITS = 128  # a direction of up to so many units runs on one multiprocessor; a larger one is divided
BLOCK_UNITS = 64  # into blocks of so many units
MAX_UNITS = 256
ALLOWED_ERROR = 1e-4  # of the states, relative, for weights that float16 represents exactly, as released ones


class GpuInferenceGRU:
    """A BidirectionalGRU for inference on a GPU; holds its weights as they are now.

    forward, backward: the nn.GRU of each direction. Gates are those of nn.GRU, forward direction first; `weight` and
    `bias` make the inputs' part of them, (B, L, D) -> (B, L, 6H).
    """

    def __init__(self, forward: nn.GRU, backward: nn.GRU) -> None:
        H, grus = forward.hidden_size, (forward, backward)
        weights = [[weight.detach() for weight in (gru.weight_ih_l0, gru.bias_ih_l0, gru.bias_hh_l0)] for gru in grus]
        self.weight = torch.cat([weight for weight, _, _ in weights])  # (6H, D)
        self.bias = torch.cat([bias + F.pad(recurrent_bias[:2 * H], (0, H)) for _, bias, recurrent_bias in weights])
        self.scaled_bias = torch.stack([recurrent_bias[2 * H:] for _, _, recurrent_bias in weights])  # (2, H)
        self.half_recurrent = torch.stack([gru.weight_hh_l0.detach() for gru in grus]).half()  # (2, 3H, H)

    def run(self, gates: Tensor, lengths: Tensor) -> Tensor:
        """Runs the steps of both directions. Never waits for the GPU.

        gates: (B, L, 6H) float32, the inputs' part; lengths: (B,) int64 steps. Returns (B, L, 2H), forward direction
        first, arbitrary in the padding. A row's result does not depend on the others.
        """
        return _launch(gates.unflatten(2, (2, -1)), self.half_recurrent, self.scaled_bias, lengths).flatten(2)


def check_support(hidden_size: int, device: torch.device) -> None:
    """Raises RuntimeError if a GRU of this size cannot run on this GPU."""
    multiple = 32 if hidden_size <= ONE_BLOCK_UNITS else BLOCK_UNITS
    if not 0 < hidden_size <= MAX_UNITS or hidden_size % multiple:
        raise RuntimeError(f"a GRU of {hidden_size} units has no CUDA kernel")
    if torch.cuda.get_device_capability(device) < (9, 0):
        raise RuntimeError(f"{torch.cuda.get_device_name(device)} is older than the CUDA kernel needs")


@torch.no_grad()
def gru_errors(hidden_size: int, device: torch.device) -> dict[str, float]:
    """Returns the relative errors of the kernel against nn.GRU on the CPU, for 1 and for 17 rows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain, inputs = BidirectionalGRU(8, hidden_size), torch.randn(17, 9, 8)
    for gru in (plain.ahead, plain.back):
        gru.weight_hh_l0.copy_(gru.weight_hh_l0.half())
    fast = GpuInferenceGRU(*(copy.deepcopy(gru).to(device) for gru in (plain.ahead, plain.back)))
    errors = {}
    for B in (1, 17):
        lengths, gates = 9 - torch.arange(B) % 9, F.linear(inputs[:B].to(device), fast.weight, fast.bias)
        expected, found = plain(inputs[:B], lengths), fast.run(gates, lengths.to(device)).cpu()
        mask, name = sequence_mask(lengths, 9), f"{B} rows of a GRU of {hidden_size} units"
        errors |= relative_errors({name: found[mask]}, {name: expected[mask]})
    return errors


def _launch(gates: Tensor, recurrent: Tensor, scaled_bias: Tensor, lengths: Tensor) -> Tensor:
    """Runs the kernel; computes in float32 except for the weights.

    gates: (B, L, 2, 3H) float32; recurrent: (2, 3H, H) float16; scaled_bias: (2, H) float32; lengths: (B,) int64, at
    least 1. Returns the states (B, L, 2, H) float32, those of the backward direction at their positions in the row,
    arbitrary in the padding.
    """
    B, L, _, width = gates.shape
    H = width // 3
    assert all(tensor.is_contiguous() for tensor in (gates, recurrent, scaled_bias, lengths))
    states = gates.new_empty(B, L, 2, H)
    blocks = _blocks(H)
    launch(SOURCE, "steps", (blocks, 2, -(-B // ROWS_PER_BLOCK)), 2 * H // blocks,
           (gates, recurrent, scaled_bias, lengths, states, B, L), (("H", H), ("PARTS", blocks)))
    return states


def _blocks(H: int) -> int:
    """Returns how many blocks a direction of H units is divided into."""
    return 1 if H <= ONE_BLOCK_UNITS else H // BLOCK_UNITS
