"""The recurrence of a finished BidirectionalGRU, for inference: its steps with less around them.

The same function as `model.BidirectionalGRU` computes, split where the work can be saved:

- `project`: what the inputs add to the gates, one matrix product. It commutes with repeating inputs over time, so the
  decoder's runs once a symbol instead of once a frame.
- `run`: gathers those rows in the order of the steps, the backward direction's reversed, and goes through the steps.

A step of both directions costs one small product and four operations on it, all into buffers that are there already.
What nn.GRU spends on the CPU beside the arithmetic, some ten tensors a step and direction, is three quarters of its
time.
"""
import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightspeech.durations import real

# gates, hidden -> states, as `plain_steps`.
Steps = Callable[[Tensor, Tensor], Tensor]

CACHED = 2**18  # weights (1 MiB) that stay in a core's cache from step to step beside all else


def reversed_places(lengths: Tensor, width: int) -> Tensor:
    """Returns (B, width) int64: the places of each row in reverse within its length (B,), then its padding as it is.

        length 3 of 5:   a b c . .  --index 2 1 0 3 4-->  c b a . .   (the index is its own inverse)
    """
    place = torch.arange(width, device=lengths.device)
    return torch.where(real(lengths, width), lengths[:, None] - 1 - place, place)


def reorder(rows: Tensor, order: Tensor) -> Tensor:
    """Position l of the result is position order[l] of each row; rows: (B, L, D), order: (B, L) int64."""
    return rows.gather(1, order[..., None].expand(-1, -1, rows.shape[2]))


def plain_steps(gates: Tensor, hidden: Tensor) -> Tensor:
    """Goes through the steps of a GRU (Cho et al. 2014, arXiv 1406.1078, in cuDNN's form) from a state of zeros.

    gates: (L, 2, B, 4H), for each direction what is known before: of the candidate's part that the reset gate scales,
    of the reset and the update gate, and of the candidate's other part; hidden: (2, H, 3H), the states' weights for the
    first three. Returns the states (L, 2, B, H). Plain enough for TorchScript.
    """
    L, ways, B, width = gates.shape
    H = width // 4
    states = gates.new_empty(L, ways, B, H)
    state = gates.new_zeros(ways, B, H)
    # Views of each step's own rows would cost as much as another operation: the steps work in the same places, in turn.
    slots = max(2, min(16, 64 // B))  # as many as stay in the cache
    total = gates.new_empty(slots, ways, B, 3 * H)
    candidate, reached = gates.new_empty(slots, ways, B, H), gates.new_empty(slots, ways, B, H)
    totals, candidates, places = total.unbind(0), candidate.unbind(0), reached.unbind(0)
    scaled, reset, update = [part.unbind(0) for part in total.split(H, 3)]
    reset_and_update = total[..., H:].unbind(0)
    for first in range(0, L, slots):
        known = gates[first:first + slots]
        total[:len(known)] = known[..., :3 * H]
        candidate[:len(known)] = known[..., 3 * H:]
        for slot in range(len(known)):
            totals[slot].baddbmm_(state, hidden)
            reset_and_update[slot].sigmoid_()
            candidates[slot].addcmul_(reset[slot], scaled[slot]).tanh_()
            state = torch.lerp(candidates[slot], state, update[slot], out=places[slot])
        states[first:first + slots] = reached[:len(known)]
    return states


@functools.cache
def _scripted() -> Steps:
    """`plain_steps` without Python between its operations, a fifth faster; itself where TorchScript is gone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.script(plain_steps)
    except Exception:  # noqa: BLE001, whatever a Python without TorchScript raises
        return plain_steps


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Work so short that threads would only wait for each other: one does it, on the CPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def cpu_steps(gates: Tensor, hidden: Tensor) -> Tensor:
    """As `plain_steps`, on one thread; one direction after the other where the cache would not hold both weights."""
    steps = _scripted()
    with one_thread():
        if hidden.numel() <= CACHED:
            return steps(gates, hidden)
        return torch.cat([steps(*way) for way in zip(gates.split(1, 1), hidden.split(1))], 1)


class Recurrence:
    """A snapshot of a BidirectionalGRU's weights; what is done to the module afterwards does not reach it.

    ahead, back: the nn.GRU of each direction; late: how many of the inputs, the last, differ from step to step where
    the others repeat: `run` is given them; steps: what goes through the steps, as `plain_steps`.
    """

    def __init__(self, ahead: nn.GRU, back: nn.GRU, late: int = 0, steps: Steps = cpu_steps) -> None:
        self.steps = steps
        self.size = ahead.hidden_size
        ways = [[weight.detach() for weight in (way.weight_ih_l0, way.bias_ih_l0, way.weight_hh_l0, way.bias_hh_l0)]
                for way in (ahead, back)]
        early = ahead.input_size - late
        self.weight = torch.cat([weight[:, :early] for weight, _, _, _ in ways])  # (2 * 3H, early)
        self.late_weight = torch.stack([weight[:, early:].t() for weight, _, _, _ in ways])  # (2, late, 3H)
        self.bias = torch.cat([bias + F.pad(state_bias[:2 * self.size], (0, self.size))
                               for _, bias, _, state_bias in ways])
        hidden = torch.stack([weight.roll(self.size, 0).t() for _, _, weight, _ in ways])  # the scaled part comes first
        self.hidden = hidden.contiguous()  # (2, H, 3H)
        self.scaled_bias = torch.stack([state_bias[2 * self.size:] for _, _, _, state_bias in ways])  # (2, H)

    def absorb(self, before: nn.Linear) -> None:
        """From now on `project` takes what this layer takes in place of what it gives: two products become one."""
        early = self.weight.shape[1]
        weight, bias = (tensor.detach()[:early] for tensor in (before.weight, before.bias))
        self.bias = self.bias + self.weight @ bias
        self.weight = (weight.t() @ self.weight.t()).t()  # in this order in memory a CPU's product is faster

    def project(self, inputs: Tensor) -> Tensor:
        """inputs: (B, N, D - late), or what an absorbed layer takes -> gates (B, N, 2, 4H), as `plain_steps` likes.
        """
        gates = F.linear(inputs, self.weight, self.bias).unflatten(2, (2, -1))
        return torch.cat((self.scaled_bias.expand(*gates.shape[:3], -1), gates), 3)

    def run(self, gates: Tensor, lengths: Tensor, source: Tensor, late: Tensor | None = None) -> Tensor:
        """gates: (B, N, 2, 4H) of `project`, or (1, N, 2, 4H) for all rows; source: (B, L) int64, whose gates each step
        takes; lengths: (B,) int64; late: (B, L, late) float, the inputs that no row of gates holds, if there are any.

        Returns (B, L, 2H), ahead first. A row's result does not depend on the others; in its padding it means nothing.
        """
        (B, L), (own, N, _, width) = source.shape, gates.shape
        order = reversed_places(lengths, L)
        row, way = (torch.arange(size, device=gates.device) for size in (B, 2))
        first = row * N if own > 1 else 0  # of a row's gates
        taken = torch.stack((source, source.gather(1, order))).transpose(1, 2) + first  # (2, L, B)
        steps = gates.flatten(0, 2).index_select(0, (taken * 2 + way[:, None, None]).flatten()).view(2, L * B, width)
        if late is not None and late.shape[2]:
            shown = torch.stack((late, reorder(late, order))).transpose(1, 2).flatten(1, 2)  # (2, L * B, late)
            for part, inputs, weight in zip(steps[..., self.size:], shown, self.late_weight):
                part.addmm_(inputs, weight)
        states = self.steps(steps.view(2, L, B, width).transpose(0, 1), self.hidden)
        place = torch.stack((torch.arange(L, device=gates.device).expand(B, L), order), 2)  # (B, L, 2)
        found = ((place * 2 + way) * B + row[:, None, None]).flatten()
        return states.flatten(0, 2).index_select(0, found).view(B, L, -1)
