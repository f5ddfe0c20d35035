"""A trained BidirectionalGRU for inference on the CPU: the same function with less work around its steps.

- `project_inputs`: the inputs' part of the gates, one matrix product. It commutes with repeating inputs over time, so
  for the decoder it runs once a symbol, not once a frame.
- `run`: gathers those rows in the order of the steps, reversed for the backward direction, and runs the steps.

A step of both directions costs one small product and four elementwise operations, all into preallocated buffers.
nn.GRU on the CPU allocates some ten tensors a step and direction, which takes three quarters of its time.
"""
import functools
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightspeech.sequences import reorder, reversal_index

# (gates, recurrent weights) -> states, as `gru_steps`.
Steps = Callable[[Tensor, Tensor], Tensor]

MAX_CACHED_WEIGHTS = 2**18  # float32 weights (1 MiB) that stay in a core's cache from step to step


def gru_steps(gates: Tensor, recurrent: Tensor) -> Tensor:
    """Runs the steps of both directions of a GRU (Cho et al. 2014, arXiv 1406.1078, cuDNN's form) from a zero state.

    gates: (L, 2, B, 4H), for each step and direction: the bias of the candidate's recurrent part, which the reset gate
    scales, then the inputs' parts of the reset gate, the update gate and the candidate. recurrent: (2, H, 3H), the
    states' weights for the first three. Returns the states (L, 2, B, H). Plain enough for TorchScript.
    """
    L, directions, B, width = gates.shape
    H = width // 4
    states = gates.new_empty(L, directions, B, H)
    state = gates.new_zeros(directions, B, H)
    # Views of each step's own rows would cost as much as another operation, so the steps share some buffers in turn.
    slots = max(2, min(16, 64 // B))  # as many as stay in the cache
    totals = gates.new_empty(slots, directions, B, 3 * H)
    candidates, outputs = gates.new_empty(slots, directions, B, H), gates.new_empty(slots, directions, B, H)
    total, candidate, output = totals.unbind(0), candidates.unbind(0), outputs.unbind(0)
    scaled, reset, update = [part.unbind(0) for part in totals.split(H, 3)]
    reset_and_update = totals[..., H:].unbind(0)
    for first in range(0, L, slots):
        chunk = gates[first:first + slots]
        totals[:len(chunk)] = chunk[..., :3 * H]
        candidates[:len(chunk)] = chunk[..., 3 * H:]
        for slot in range(len(chunk)):
            total[slot].baddbmm_(state, recurrent)
            reset_and_update[slot].sigmoid_()
            candidate[slot].addcmul_(reset[slot], scaled[slot]).tanh_()
            state = torch.lerp(candidate[slot], state, update[slot], out=output[slot])
        states[first:first + slots] = outputs[:len(chunk)]
    return states


@functools.cache
def _scripted_steps() -> Steps:
    """Returns `gru_steps` compiled by TorchScript, a fifth faster; uncompiled if this Python has no TorchScript."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.script(gru_steps)
    except Exception:  # noqa: BLE001, whatever a Python without TorchScript raises
        return gru_steps


@functools.cache
def single_thread_pool() -> ThreadPoolExecutor:
    """Returns threads whose PyTorch operations use one CPU thread each; as many as PyTorch uses at the first call.

    torch.set_num_threads sets the number of the calling thread and of all threads that start later. Called around
    every utterance, it would leave threads that start meanwhile with one CPU thread for good. So it is called once, by
    threads that do nothing else, and the number for later threads is restored at once.
    """
    usual = torch.get_num_threads()
    started = threading.Barrier(usual + 1)

    def start() -> None:
        torch.get_num_threads()  # the first call in a thread overwrites its number, so it comes before the next line
        torch.set_num_threads(1)
        started.wait()
    pool = ThreadPoolExecutor(usual)
    for _ in range(usual):
        pool.submit(start)
    started.wait()
    torch.set_num_threads(usual)
    return pool


def cpu_steps(gates: Tensor, recurrent: Tensor) -> Tensor:
    """Same as `gru_steps` on one CPU thread: the operations are so short that several would only wait for each other.
    """
    if torch.get_num_threads() == 1:
        return _steps_in_cache(gates, recurrent)
    return single_thread_pool().submit(_steps_in_cache, gates, recurrent).result()


@torch.inference_mode()
def _steps_in_cache(gates: Tensor, recurrent: Tensor) -> Tensor:
    """Same as `gru_steps`, but one direction after the other if the cache cannot hold the weights of both."""
    steps = _scripted_steps()
    if recurrent.numel() <= MAX_CACHED_WEIGHTS:
        return steps(gates, recurrent)
    return torch.cat([steps(*direction) for direction in zip(gates.split(1, 1), recurrent.split(1))], 1)


class InferenceGRU:
    """A BidirectionalGRU for inference; holds its weights as they are now.

    forward, backward: the nn.GRU of each direction; n_step_inputs: how many of the inputs, the last ones, differ at
    each step while the others repeat; they are passed to `run`. steps: runs the steps, like `gru_steps`.
    """

    def __init__(self, forward: nn.GRU, backward: nn.GRU, n_step_inputs: int = 0, steps: Steps = cpu_steps) -> None:
        self.steps = steps
        if steps is cpu_steps:
            single_thread_pool()  # starts the threads now, while hardly any others start
        H = self.hidden_size = forward.hidden_size
        weights = [[weight.detach() for weight in (gru.weight_ih_l0, gru.bias_ih_l0, gru.weight_hh_l0, gru.bias_hh_l0)]
                   for gru in (forward, backward)]
        repeated = forward.input_size - n_step_inputs
        self.weight = torch.cat([weight[:, :repeated] for weight, _, _, _ in weights])  # (2 * 3H, repeated)
        self.step_weight = torch.stack([weight[:, repeated:].t() for weight, _, _, _ in weights])  # (2, n, 3H)
        self.bias = torch.cat([bias + F.pad(recurrent_bias[:2 * H], (0, H)) for _, bias, _, recurrent_bias in weights])
        recurrent = torch.stack([weight.roll(H, 0).t() for _, _, weight, _ in weights])  # the scaled part first
        self.recurrent = recurrent.contiguous()  # (2, H, 3H)
        self.scaled_bias = torch.stack([recurrent_bias[2 * H:] for _, _, _, recurrent_bias in weights])  # (2, H)

    def fuse_linear(self, linear: nn.Linear) -> None:
        """Fuses a linear layer into the input projection, so that one matrix product replaces two.

        linear: the layer before the GRU; `project_inputs` then takes that layer's inputs.
        """
        repeated = self.weight.shape[1]
        weight, bias = (tensor.detach()[:repeated] for tensor in (linear.weight, linear.bias))
        self.bias = self.bias + self.weight @ bias
        self.weight = (weight.t() @ self.weight.t()).t()  # this memory layout makes the product faster on a CPU

    def project_inputs(self, inputs: Tensor) -> Tensor:
        """Returns the inputs' part of the gates, (B, N, 2, 4H) in the order of `gru_steps`.

        inputs: (B, N, D), without the step inputs.
        """
        gates = F.linear(inputs, self.weight, self.bias).unflatten(2, (2, -1))
        return torch.cat((self.scaled_bias.expand(*gates.shape[:3], -1), gates), 3)

    def run(self, gates: Tensor, lengths: Tensor, index: Tensor, step_inputs: Tensor | None = None) -> Tensor:
        """Runs the steps of both directions.

        gates: (B, N, 2, 4H) of `project_inputs`, or (1, N, 2, 4H) shared by all rows; lengths: (B,) int64 steps;
        index: (B, L) int64, which of the N gates each step takes; step_inputs: (B, L, n_step_inputs) float.
        Returns (B, L, 2H), forward direction first, arbitrary in the padding. A row's result does not depend on the
        others.
        """
        (B, L), (gate_rows, N, _, width) = index.shape, gates.shape
        order = reversal_index(lengths, L)
        row, direction = (torch.arange(size, device=gates.device) for size in (B, 2))
        first = row * N if gate_rows > 1 else 0  # number of a row's first gate
        taken = torch.stack((index, index.gather(1, order))).transpose(1, 2) + first  # (2, L, B)
        taken = (taken * 2 + direction[:, None, None]).flatten()
        steps = gates.flatten(0, 2).index_select(0, taken).view(2, L * B, width)
        if step_inputs is not None and step_inputs.shape[2]:
            both = torch.stack((step_inputs, reorder(step_inputs, order))).transpose(1, 2).flatten(1, 2)
            for part, inputs, weight in zip(steps[..., self.hidden_size:], both, self.step_weight):
                part.addmm_(inputs, weight)
        states = self.steps(steps.view(2, L, B, width).transpose(0, 1), self.recurrent)  # (L, 2, B, H)
        step = torch.stack((torch.arange(L, device=gates.device).expand(B, L), order), 2)  # (B, L, 2)
        taken = ((step * 2 + direction) * B + row[:, None, None]).flatten()
        return states.flatten(0, 2).index_select(0, taken).view(B, L, -1)
