"""Jobs in processes of their own, several at once on each GPU."""
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import torch

from runtime.console import print_result
from runtime.errors import UserError

Job = tuple[Callable[..., None], ...]  # a function and what it is called with, before the device


def run_jobs(jobs: list[Job], devices: list[str], at_once: int, what: str) -> None:
    """Runs jobs, so many at once on each device, in processes of their own; a single one at a time in this process.

    The first error ends it, once the jobs under way have come to their end.
    """
    free, running, waiting = devices * at_once, {}, list(jobs)
    if len(free) == 1:
        for number, (function, *arguments) in enumerate(jobs, 1):
            function(*arguments, free[0])
            print_result(f"{what}: {number} of {len(jobs)}")
        return
    with ProcessPoolExecutor(len(free), multiprocessing.get_context("spawn"), _end_with_parent) as pool:
        while waiting or running:
            while waiting and free:
                (function, *arguments), device = waiting.pop(0), free.pop(0)
                running[pool.submit(_on_device, function, arguments, device)] = device
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                free.append(running.pop(future))
                try:
                    future.result()
                except BrokenProcessPool:
                    raise UserError(f"{what}: a process was killed; if memory is short, lower --at-once") from None
                print_result(f"{what}: {len(jobs) - len(waiting) - len(running)} of {len(jobs)}")


def _end_with_parent() -> None:
    """Has this process end when the command that started it was killed; a training is left the time to be saved."""
    def watch() -> None:
        multiprocessing.parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()


def _on_device(function: Callable[..., None], arguments: list, device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    function(*arguments, device)
