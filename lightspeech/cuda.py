"""A GRU's steps by the kernel of `steps.cu`, which NVRTC compiles when it is first needed, in some tenths of a second.

Needs a GPU of compute capability 9.0 or more, where blocks form clusters that reach each other's shared memory, and
NVIDIA's `cuda.bindings`, which PyTorch for CUDA brings along; no CUDA toolkit.
"""
import ctypes
import functools
from pathlib import Path
from typing import Any

import torch
from cuda.bindings import driver, nvrtc
from torch import Tensor

ROWS = 4  # of a block
WHOLE = 128  # a direction of so many units fits into one multiprocessor; a larger one is shared out,
PART = 64  # so many units to each
LARGEST = 256
ALLOWED = 2e-4  # difference of states in [-1, 1] from float32, for weights that float16 does not hold
ARGUMENTS = (ctypes.c_void_p,) * 5 + (ctypes.c_int,) * 2


def suits(H: int, device: torch.device) -> bool:
    """True if a recurrence of H units can run on this GPU."""
    divisor = 32 if H <= WHOLE else PART
    return 0 < H <= LARGEST and H % divisor == 0 and torch.cuda.get_device_capability(device) >= (9, 0)


def steps(gates: Tensor, hidden: Tensor, scaled_bias: Tensor, lengths: Tensor) -> Tensor:
    """A GpuSteps of gpu.py; in float32 but for the weights."""
    B, L, _, width = gates.shape
    H = width // 3
    assert all(tensor.is_contiguous() for tensor in (gates, hidden, scaled_bias, lengths))
    states = gates.new_empty(B, L, 2, H)
    tensors = (gates, hidden, scaled_bias, lengths, states)
    values = (*(tensor.data_ptr() for tensor in tensors), B, L)
    parts = _parts(H)
    with torch.cuda.device_of(gates):
        kernel, stream = _compiled(H, gates.device), torch.cuda.current_stream().cuda_stream
        _checked(driver.cuLaunchKernel(kernel, parts, 2, -(-B // ROWS), 2 * H // parts, 1, 1, 0, stream,
                                       (values, ARGUMENTS), 0))
    return states


def _parts(H: int) -> int:
    return 1 if H <= WHOLE else H // PART


@functools.cache
def _compiled(H: int, device: torch.device) -> driver.CUfunction:
    """The kernel for this many units, on the current GPU."""
    source = Path(__file__).with_name("steps.cu")
    program = _checked(nvrtc.nvrtcCreateProgram(source.read_bytes(), source.name.encode(), 0, [], []))
    major, minor = torch.cuda.get_device_capability(device)
    options = f"--gpu-architecture=sm_{major}{minor} --use_fast_math -DH={H} -DPARTS={_parts(H)}".encode().split()
    _checked(nvrtc.nvrtcCompileProgram(program, len(options), options))
    binary = bytes(_checked(nvrtc.nvrtcGetCUBINSize(program)))
    _checked(nvrtc.nvrtcGetCUBIN(program, binary))
    _checked(nvrtc.nvrtcDestroyProgram(program))
    return _checked(driver.cuModuleGetFunction(_checked(driver.cuModuleLoadData(binary)), b"steps"))


def _checked(answer: tuple) -> Any:
    """What a call of cuda.bindings gives after its status; raises where that is an error."""
    status, *result = answer
    if status != 0:
        raise RuntimeError(f"CUDA: {status.name}")
    return result[0] if result else None
