"""The machine that figures are measured on, and how they are timed."""
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def describe_machine(device: "torch.device") -> dict[str, Any]:
    """Returns the hardware, the versions and the commit, as plain values for JSON.

    "changed_since" is True if tracked files differ from the commit.
    """
    import onnxruntime
    import torch
    try:
        import triton
    except ImportError:
        triton = None
    return {"device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
            "cpu": cpu_name(), "threads": torch.get_num_threads(),
            "python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda,
            "onnxruntime": onnxruntime.__version__,
            "triton": triton and triton.__version__, "commit": _git("rev-parse", "HEAD"),
            "changed_since": bool(_git("status", "--porcelain", "--untracked-files=no"))}


def cpu_name() -> str:
    """Returns the processor's name from /proc/cpuinfo; on other systems what the platform module knows."""
    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return name[1] if name else platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    folder = Path(__file__).parent
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True).stdout.strip()


def synchronize(device: "torch.device | None") -> None:
    """Waits until the GPU has finished its work; does nothing on the CPU, or for None."""
    if device is not None and device.type == "cuda":
        import torch
        torch.cuda.synchronize(device)


def median_seconds(run: Callable[[], Any], device: "torch.device | None", max_runs: int, warmup: int = 5,
                   budget: float = 20.0) -> float:
    """Returns the median time of a call in seconds; the device is synchronized before and after each call.

    Calls it `warmup` + `max_runs` times, or fewer times, at least once, after `budget` seconds. The first calls, up to
    `warmup` but at most half of all, are not counted.
    """
    measured: list[float] = []
    begin = time.perf_counter()
    while not measured or len(measured) < warmup + max_runs and time.perf_counter() - begin < budget:
        synchronize(device)
        start = time.perf_counter()
        run()
        synchronize(device)
        measured.append(time.perf_counter() - start)
    return statistics.median(measured[min(warmup, len(measured) // 2):])


def least_cpu_seconds(run: Callable[[], Any], runs: int = 10) -> float:
    """Returns the least CPU time of `runs` calls, all threads together: it hardly depends on what else is running."""
    spent = []
    for _ in range(runs):
        start = time.process_time()
        run()
        spent.append(time.process_time() - start)
    return min(spent)
