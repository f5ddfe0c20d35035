"""Which device and how many CPUs to use."""
import os
import re
from typing import TYPE_CHECKING

from hparams import UserError

if TYPE_CHECKING:
    import torch


def pick_device(name: str, local_rank: int = 0) -> "torch.device":
    """Returns the device called `name`: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    local_rank: index of the GPU if `name` gives none. Raises UserError for another name or a GPU that does not exist.
    """
    import torch
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d{1,2})?", name):
        raise UserError(f"--device: found {name!r}, expected auto, cpu, cuda or cuda:N")
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
