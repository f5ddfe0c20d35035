"""Which device and how many CPUs to use."""
import importlib.util
import os
import re
import sys
from typing import TYPE_CHECKING

from hparams import UserError
from runtime.packages import require_package

if TYPE_CHECKING:
    import torch


def pick_device(name: str, local_rank: int = 0) -> "torch.device":
    """Returns the device called `name`: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    local_rank: index of the GPU if `name` gives none. Raises UserError for another name or a GPU that does not exist.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,2})?", name):
        raise UserError(f"--device: found {name!r}, expected auto, cpu, cuda or cuda:N")
    require_package("torch", f"--device {name}")
    import torch
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: no GPU that PyTorch can use was found; run with --device cpu")
    if device.type == "cuda":
        device = torch.device("cuda", local_rank if device.index is None else device.index)
        if device.index >= torch.cuda.device_count():
            raise UserError(f"--device {name}: found {torch.cuda.device_count()} GPUs, "
                            f"expected more than {device.index}")
    return device


def available_cpus() -> int:
    """Returns the number of CPUs that this process may use; on systems without affinity (macOS), of all CPUs."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_threads() -> int:
    """Returns the number of threads for work on the CPU: OMP_NUM_THREADS, if it is set, else all available CPUs."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and 0 < int(wanted) <= 1024 else available_cpus()


def may_have_gpu() -> bool:
    """Returns False if PyTorch cannot find an NVIDIA GPU here, which this finds out without importing PyTorch.

    True if PyTorch and a driver of NVIDIA are installed.
    """
    import ctypes
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return importlib.util.find_spec("torch") is not None


def find_device(name: str) -> str:
    """Returns "cpu" or "cuda:N" for the device called `name`; imports PyTorch only if that may be a GPU.

    See `pick_device` for the names and the errors.
    """
    if name == "cpu" or name == "auto" and not may_have_gpu():
        return "cpu"
    return str(pick_device(name))


def describe_device(device: str) -> str:
    """Returns the name of a GPU "cuda:N", or the number of threads of the CPU."""
    if device == "cpu":
        threads = cpu_threads()
        return f"CPU, {threads} thread{'s' * (threads > 1)}"
    import torch
    return torch.cuda.get_device_name(device)
