"""Several processes with one GPU each, started by torchrun. A single process works without a process group.

Gradients are averaged by one all-reduce per network after the backward pass. DistributedDataParallel would do it by
hooks during the backward pass, but hooks do not run inside a replayed CUDA graph, and the vocoder's whole step is one.
The result is the same; the averaging does not overlap with the backward pass.
"""
import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from runtime.devices import pick_device


@dataclasses.dataclass(frozen=True)
class Workers:
    """The processes of a run, and which of them this one is."""
    rank: int  # number of this process, from 0
    count: int  # of all processes
    device: torch.device  # of this process

    @property
    def is_main(self) -> bool:
        """True for the one process that writes logs and checkpoints."""
        return self.rank == 0


@contextlib.contextmanager
def process_group(device_name: str) -> Iterator[Workers]:
    """Joins the process group that torchrun's environment variables describe, if any, and leaves it at the end.

    device_name: see pick_device. Yields a Workers.
    """
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = pick_device(device_name, int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")  # TF32 for the float32 products beside bfloat16
    if count > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers(rank, count, device)
        if count > 1 and device.type == "cpu":
            dist.barrier()  # a gloo thread that still holds a tensor of the last exchange would abort Python's exit
    finally:
        if count > 1:
            dist.destroy_process_group()


@torch.no_grad()
def all_reduce_mean(tensors: Iterable[torch.Tensor], workers: Workers) -> None:
    """Replaces every tensor by its mean over the processes, in place, by one all-reduce in float32."""
    tensors = list(tensors)
    if workers.count == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= workers.count
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts):
        tensor.copy_(part.view_as(tensor))


def batch_norm_statistics(network: nn.Module) -> list[torch.Tensor]:
    """Returns the running means and variances of all BatchNorm layers."""
    layers = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [statistic for layer in layers for statistic in (layer.running_mean, layer.running_var)
            if statistic is not None]


@torch.no_grad()
def broadcast_from_main(tensors: Iterable[torch.Tensor], workers: Workers) -> None:
    """Replaces every tensor by that of the main process, in place."""
    if workers.count > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def number_of_main(value: float, workers: Workers) -> float:
    """Returns the main process's `value` on all processes."""
    number = torch.tensor(value, dtype=torch.float64, device=workers.device)
    broadcast_from_main([number], workers)
    return number.item()


def any_process(flag: bool, workers: Workers) -> bool:
    """Returns True on all processes if `flag` is True on at least one."""
    if workers.count == 1:
        return flag
    votes = torch.tensor(float(flag), device=workers.device)
    dist.all_reduce(votes)
    return votes.item() > 0


def gather_objects(value: Any, workers: Workers) -> list[Any]:
    """Returns the `value` of every process, by rank, on all processes."""
    values = [value]
    if workers.count > 1:
        values = [None] * workers.count
        dist.all_gather_object(values, value)
    return values
