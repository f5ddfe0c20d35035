"""Several processes, one GPU each, started by torchrun; a single process needs nothing of this.

Gradients are averaged after the backward pass, by one all-reduce over all of them a network, and not by
DistributedDataParallel's hooks during it: hooks do not fire inside a replayed CUDA graph, and the vocoder's whole step
is one. The result is the same, every process takes the same step; what is lost is that the averaging does not overlap
with the backward pass.
"""
import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
import torch.distributed as dist

from runtime.devices import pick_device


class Workers(NamedTuple):
    """This process's place among those of the run."""
    rank: int
    count: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """True for the one process that logs and writes checkpoints."""
        return self.rank == 0


@contextlib.contextmanager
def process_group(device_name: str) -> Iterator[Workers]:
    """Joins the process group that torchrun describes in the environment, if any, and leaves it at the end."""
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = pick_device(device_name, int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")  # TF32 where float32 products are left beside bfloat16
    if count > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers(rank, count, device)
        if count > 1 and device.type == "cpu":
            dist.barrier()  # a thread of gloo that still holds a tensor of the last exchange would abort Python's exit
    finally:
        if count > 1:
            dist.destroy_process_group()


@torch.no_grad()
def all_reduce_mean(tensors: Iterable[torch.Tensor], workers: Workers) -> None:
    """Replaces every tensor by its mean over the processes, in place, by one all-reduce."""
    tensors = list(tensors)
    if workers.count == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= workers.count
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts):
        tensor.copy_(part.view_as(tensor))


@torch.no_grad()
def broadcast_from_main(tensors: Iterable[torch.Tensor], workers: Workers) -> None:
    """Replaces every tensor by that of the main process, in place."""
    if workers.count > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def any_process(flag: bool, workers: Workers) -> bool:
    """True on all processes if `flag` is true on one."""
    if workers.count == 1:
        return flag
    votes = torch.tensor(float(flag), device=workers.device)
    dist.all_reduce(votes)
    return votes.item() > 0
