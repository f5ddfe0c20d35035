"""Kernels in CUDA C++, compiled by NVRTC when they are first used and launched on PyTorch's tensors.

That takes some hundredths of a second, and needs NVIDIA's `cuda.bindings`, which PyTorch for CUDA installs; no CUDA
toolkit.
"""
import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

Argument: TypeAlias = Tensor | int | float | ctypes.c_double | None
_HEADER = Path(__file__).with_name("half.cuh")  # kernels may include it


def launch(source: Path, name: str, grid: Sequence[int], threads: int, arguments: Sequence[Argument],
           defines: tuple[tuple[str, int], ...] = ()) -> None:
    """Launches the kernel `name` of the file `source` on the GPU of the first argument, a tensor, and its stream.

    grid: three numbers of blocks; threads: of a block. arguments: tensors are passed as pointers, None as the null
    pointer, numbers as int and float. defines: macros of the source. Raises RuntimeError if the kernel cannot be
    compiled or launched.
    """
    from cuda.bindings import driver  # here, so that a file with kernels can be read without a GPU
    first = arguments[0]
    assert isinstance(first, Tensor)
    with torch.cuda.device_of(first):
        kernel = _kernels(source, defines, first.device)(name)
        values, types = zip(*map(typed_argument, arguments))
        _check(driver.cuLaunchKernel(kernel, *grid, threads, 1, 1, 0, torch.cuda.current_stream().cuda_stream,
                                     (values, types), 0))


def typed_argument(value: Argument) -> tuple[Any, Any]:
    """Returns an argument of a kernel, as `launch` takes it, and its type in C."""
    if value is None or isinstance(value, Tensor):
        return 0 if value is None else value.data_ptr(), ctypes.c_void_p
    if isinstance(value, ctypes.c_double):
        return value.value, ctypes.c_double
    return value, ctypes.c_int if isinstance(value, int) else ctypes.c_float


@functools.cache
def _kernels(source: Path, defines: tuple[tuple[str, int], ...], device: torch.device) -> Any:
    """Compiles a file for the current GPU, which is `device`; returns a function from a kernel's name to the kernel."""
    from cuda.bindings import driver
    major, minor = torch.cuda.get_device_capability(device)
    module = _check(driver.cuModuleLoadData(compile_kernels(source, defines, f"sm_{major}{minor}")))
    return functools.cache(lambda name: _check(driver.cuModuleGetFunction(module, name.encode())))


def compile_kernels(source: Path, defines: Sequence[tuple[str, int]], architecture: str) -> bytes:
    """Returns the machine code of a file for an architecture such as "sm_90". Needs no GPU."""
    from cuda.bindings import nvrtc
    program = _check(nvrtc.nvrtcCreateProgram(source.read_bytes(), source.name.encode(), 1, [_HEADER.read_bytes()],
                                              [_HEADER.name.encode()]))
    options = [f"--gpu-architecture={architecture}", "--use_fast_math", *(f"-D{k}={v}" for k, v in defines)]
    _check(nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options]))
    code = bytes(_check(nvrtc.nvrtcGetCUBINSize(program)))
    _check(nvrtc.nvrtcGetCUBIN(program, code))
    _check(nvrtc.nvrtcDestroyProgram(program))
    return code


def _check(answer: tuple) -> Any:
    """Returns the value of a call of cuda.bindings, which follows its status. Raises RuntimeError for an error."""
    status, *values = answer
    if status != 0:
        raise RuntimeError(f"CUDA: {status.name}")
    return values[0] if values else None
