"""Networks from files that are not trusted: sizes are compared with the file's tensors before memory is taken."""
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.modules import module as torch_hooks

from hparams import UserError

Network = TypeVar("Network", bound=nn.Module)
MOST_TIMES = 4  # a network under construction may be so many times as large as its file: weight norm, discarded parts
SMALL_SIZE = 4096  # a size setting up to this needs no tensor that is as large


class _TooLarge(Exception):
    """The network under construction is larger than its file."""


def build_network(path: Path, config: Any, build: Callable[[Any], Network], tensors: Mapping[str, Tensor]) -> Network:
    """Returns build(config), a network that `tensors` of the file `path` are for.

    Raises UserError if the settings describe a network much larger than these tensors, before its memory is taken
    and without running through millions of layers, and if no network can be built from the settings.
    """
    wrong = UserError(f"{path}: its settings describe a network that is larger than its tensors; "
                      "the file is damaged, copy or export it again")
    largest = max([SMALL_SIZE, len(tensors), *(max(tensor.shape, default=0) for tensor in tensors.values()
                                               if tensor.numel())])
    sizes = [value for value in dataclasses.asdict(config).values() if isinstance(value, int)]
    if max(sizes, default=0) > largest:
        raise wrong
    try:
        with _limited(MOST_TIMES * sum(tensor.numel() for tensor in tensors.values()) + 2 ** 20,
                      MOST_TIMES * len(tensors) + 64):
            return build(config)
    except (_TooLarge, MemoryError):
        raise wrong from None
    except Exception as error:  # forged settings can fail in any way
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{path}: no network can be built from its settings ({reason}); export it again") from None


@contextlib.contextmanager
def _limited(elements: int, tensors: int) -> Iterator[None]:
    """Raises _TooLarge in the block as soon as this thread has registered more parameters and buffers than allowed.

    torch.nn's layers register a parameter before they write to its memory.
    """
    made, thread = [0, 0], threading.get_ident()

    def count(module: nn.Module, name: str, tensor: Any) -> None:
        if isinstance(tensor, Tensor) and threading.get_ident() == thread:
            made[0] += tensor.numel()
            made[1] += 1
            if made[0] > elements or made[1] > tensors:
                raise _TooLarge
    handles = [torch_hooks.register_module_parameter_registration_hook(count),
               torch_hooks.register_module_buffer_registration_hook(count)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def load_tensors(path: Path, network: nn.Module, tensors: Mapping[str, Tensor], what: str, assign: bool = False
                 ) -> None:
    """Loads tensors into a network in place; assign: the network keeps these tensors instead of copying their values.

    what: the kind of weights, for the message. Raises UserError naming the tensors that are missing, unexpected, or of
    another shape.
    """
    expected = network.state_dict()
    shapes = [f"{name} {_described(tensors[name])} instead of {_described(expected[name])}" for name in expected
              if name in tensors and _described(tensors[name]) != _described(expected[name])]
    faults = [(kind, names) for kind, names in (("missing", sorted(expected.keys() - tensors.keys())),
                                                ("unexpected", sorted(tensors.keys() - expected.keys())),
                                                ("of another shape", shapes)) if names]
    if faults:
        listed = "; ".join(f"{len(names)} tensors {kind}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
                           for kind, names in faults)
        raise UserError(f"{path}: not these {what} weights, {listed[:400]}; give a file of this model")
    network.load_state_dict(tensors, assign=assign)


def _described(tensor: Tensor) -> str:
    """Returns the shape of a tensor as text, with its type if that is not a floating point one."""
    kind = "" if tensor.is_floating_point() else f"{tensor.dtype} ".removeprefix("torch.")
    return f"{kind}{tuple(tensor.shape)}"
