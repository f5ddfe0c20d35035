"""The recurrence's steps on an NVIDIA GPU, by the kernels of `kernels.py`. Import it only where Triton is installed."""
import torch
from torch import Tensor

from lightspeech import kernels
from lightspeech.recurrence import plain_steps

ROWS = 16  # of a program on the tensor cores, which take no fewer
WHOLE = 128  # a direction of so many units fits into one multiprocessor; a larger one is shared out,
PART = 32  # so many units to each
LARGEST = 256
ALLOWED = 5e-3  # difference of states in [-1, 1] from float32: the products take float16, as precise as TF32


def suits(H: int, device: torch.device) -> bool:
    """True if a recurrence of H units, a power of two, can run on this GPU, of compute capability 8.0 or more."""
    return 16 <= H <= LARGEST and H & (H - 1) == 0 and torch.cuda.get_device_capability(device) >= (8, 0)


def gpu_steps(gates: Tensor, hidden: Tensor, lengths: Tensor) -> Tensor:
    """As `recurrence.plain_steps`, up to the longest row's end; never waits for the GPU. Float32 for one row."""
    L, _, B, width = gates.shape
    H = width // 4
    assert gates[0, 0].is_contiguous() and hidden.is_contiguous()
    parts = 1 if H <= WHOLE else H // PART
    most = ROWS * (_multiprocessors(gates.device) // (2 * parts)) if parts > 1 else B  # all programs must run at once
    if B > most:
        rows = zip(gates.split(most, 2), lengths.split(most))
        return torch.cat([gpu_steps(some.contiguous(), hidden, own) for some, own in rows], 2)
    states = torch.full((L + 1, 2, B, H), kernels.UNWRITTEN.value, dtype=torch.int32, device=gates.device)
    states[0] = 0
    last, apart = lengths.amax(0, keepdim=True), gates.stride()[:2]
    with torch.cuda.device_of(gates):
        if B == 1:
            kernels.steps_of_one[(parts, 2, B)](gates, *apart, hidden, states, last, B, H, H // parts, num_warps=8)
        else:
            hidden = hidden.transpose(1, 2).half().contiguous()
            kernels.steps_of_rows[(parts, 2, -(-B // ROWS))](gates, *apart, hidden, states, last, B, H, H // parts,
                                                             ROWS, num_warps=8 if parts == 1 else 4)
    return states[1:].view(torch.float32)


def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1 << 10


def discrepancy(H: int, device: torch.device) -> float:
    """The largest difference of `gpu_steps` from the plain steps for 1 and for ROWS + 1 rows; NaN if any is one."""
    generator = torch.Generator().manual_seed(0)
    largest = []
    for B in (1, ROWS + 1):
        gates = torch.randn(9, 2, B, 4 * H, generator=generator)
        hidden = torch.randn(2, H, 3 * H, generator=generator) * H ** -0.5
        lengths = torch.full((B,), 9)
        found = gpu_steps(gates.to(device), hidden.to(device), lengths.to(device)).cpu()
        largest.append((found - plain_steps(gates, hidden, lengths)).abs().max())
    return torch.stack(largest).max().item()
