"""The machine that figures are measured on: what every file of them says of it, and waiting for its GPU."""
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch


def about(device: torch.device) -> dict[str, Any]:
    """Machine, versions and commit as plain values for JSON; "changed_since": tracked files differ from the commit."""
    def git(*command: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True).stdout.strip()

    try:
        import triton
    except ImportError:
        triton = None
    return {"device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
            "cpu": platform.processor() or platform.machine(), "threads": torch.get_num_threads(),
            "python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda,
            "triton": triton and triton.__version__, "commit": git("rev-parse", "HEAD"),
            "changed_since": bool(git("status", "--porcelain", "--untracked-files=no"))}


def synchronize(device: torch.device) -> None:
    """Waits for the GPU, if there is one."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
