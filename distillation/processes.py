"""The processes of one run, started by torchrun; a single process needs none of this."""
import contextlib
import dataclasses
import datetime
import os
from collections.abc import Callable, Iterator


@dataclasses.dataclass(frozen=True)
class Processes:
    """This process among those of the run."""
    rank: int
    count: int
    local_rank: int  # among those on this machine

    @classmethod
    def from_environment(cls) -> "Processes":
        """Reads torchrun's environment variables. Without them there is one process."""
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")),
                   int(os.environ.get("LOCAL_RANK", "0")))

    @property
    def is_main(self) -> bool:
        """True in the one process that locks the folder, reports, and writes the files that exist once."""
        return self.rank == 0


@contextlib.contextmanager
def barrier(processes: Processes) -> Iterator[Callable[[], None]]:
    """Yields a function that waits until all processes have called it. With a single process it does nothing."""
    if processes.count == 1:
        yield lambda: None
        return
    import torch.distributed as dist
    dist.init_process_group("gloo", timeout=datetime.timedelta(days=7))  # they may end hours apart
    try:
        yield dist.barrier
    finally:
        dist.destroy_process_group()
