"""Runs jobs in processes of their own, several at a time on each GPU."""
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from hparams import UserError
from runtime.console import print_result

Job = tuple[Any, ...]  # a function and its arguments; the device is added as the last argument


def run_jobs(jobs: list[Job], devices: list[str], at_once: int, what: str) -> None:
    """Runs all jobs, `at_once` of them at a time on each device, in processes of their own.

    With one device and at_once 1 they run in this process. what: names the jobs in the progress lines. The first
    error is raised after the running jobs have ended. Raises UserError if a process was killed.
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
    """Starts a thread that ends this process when its parent is killed; a training gets 30 s to save a checkpoint."""
    def watch() -> None:
        """Waits for the end of the parent, then ends this process."""
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()


def _on_device(function: Callable[..., None], arguments: list, device: str) -> None:
    if device.startswith("cuda"):
        import torch
        torch.cuda.set_device(device)
    function(*arguments, device)
