"""Triton kernel of a GRU's steps with the weights held on chip: one launch for a whole utterance.

A direction's weights are shared out over SPLIT programs, UNITS = H / SPLIT units each, which keep their part in
registers or shared memory from the first step to the last. Where SPLIT is 1 nothing but inputs and results passes
through global memory. Otherwise the results are also how the programs tell each other their states: the buffer begins
as UNWRITTEN words, each word is written once, and a program reads a step's states again and again until no such word is
left. So a step costs one trip through the L2 cache, without counters, flags or fences; the programs of a group must run
at the same time, which a grid no larger than the GPU sees to. A program never waits for ever: after MOST_READS it goes
on with what it has.
"""
import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS = 16  # of a program on the tensor cores, which take no fewer
WHOLE = 128  # a direction of so many units fits into one multiprocessor; a larger one is shared out,
PART = 32  # so many units to each
LARGEST = 256
ALLOWED = 5e-3  # difference of states in [-1, 1] from float32: the products take float16, as precise as TF32
UNWRITTEN = tl.constexpr(-1)  # as int32: a NaN that no arithmetic gives
MOST_READS = tl.constexpr(1 << 16)  # some tens of milliseconds


def suits(H: int, device: torch.device) -> bool:
    """True if a recurrence of H units, a power of two, can run on this GPU, of compute capability 8.0 or more."""
    return 16 <= H <= LARGEST and H & (H - 1) == 0 and torch.cuda.get_device_capability(device) >= (8, 0)


def steps(gates: Tensor, hidden: Tensor, scaled_bias: Tensor, lengths: Tensor) -> Tensor:
    """A GpuSteps of gpu.py; the products take states rounded to float16."""
    B, L, _, width = gates.shape
    H = width // 3
    assert gates.is_contiguous() and hidden.is_contiguous() and scaled_bias.is_contiguous()
    parts = 1 if H <= WHOLE else H // PART
    most = ROWS * (_multiprocessors(gates.device) // (2 * parts)) if parts > 1 else B  # all programs must run at once
    states = torch.full((B, L, 2, H), UNWRITTEN.value, dtype=torch.int32, device=gates.device)
    with torch.cuda.device_of(gates):
        for rows in (slice(first, first + most) for first in range(0, B, most)):
            count, warps = len(lengths[rows]), 8 if parts == 1 else 4
            steps_of_rows[(parts, 2, -(-count // ROWS))](gates[rows], hidden, scaled_bias, lengths[rows], states[rows],
                                                         count, L, H, H // parts, ROWS, num_warps=warps)
    return states.view(torch.float32)


def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1 << 10


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _states_of_all(states, inside):
    """The words at `states` once they are all written."""
    seen = tl.load(states, mask=inside, other=0, volatile=True)
    reads = 0
    while (tl.max((seen == UNWRITTEN).to(tl.int32)) > 0) & (reads < MOST_READS):
        seen = tl.load(states, mask=inside, other=0, volatile=True)
        reads += 1
    return seen.to(tl.float32, bitcast=True)


@triton.jit
def _gates_of_rows(known, inside, H: tl.constexpr):
    return (tl.load(known, mask=inside, other=0.0), tl.load(known + H, mask=inside, other=0.0),
            tl.load(known + 2 * H, mask=inside, other=0.0))


@triton.jit(do_not_specialize=["B", "L"])
def steps_of_rows(gates, hidden, scaled_bias, lengths, states, B, L, H: tl.constexpr, UNITS: tl.constexpr,
                  ROWS: tl.constexpr):
    """The steps of ROWS rows together: grid (H / UNITS, 2, ceil(B / ROWS)).

    gates (B, L, 2, 3H) float32; hidden (2, 3H, H) float16; scaled_bias (2, H) float32; lengths (B,) int64, at least 1;
    states (B, L, 2, H) float32 as int32, UNWRITTEN.
    """
    way = tl.program_id(1)
    unit = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    k = tl.arange(0, H)
    inside = (row < B)[None, :]
    length = tl.load(lengths + row, mask=row < B, other=0).to(tl.int32)
    weight = hidden + way * 3 * H * H + unit[:, None] * H + k[None, :]
    w_reset = tl.load(weight)
    w_update = tl.load(weight + H * H)
    w_scaled = tl.load(weight + 2 * H * H)
    bias = tl.load(scaled_bias + way * H + unit)[:, None] + tl.zeros([UNITS, ROWS], tl.float32)
    state = tl.zeros([UNITS, ROWS], tl.float32)
    apart = 1 - 2 * way  # from a step's place to the next one's
    first = (row.to(tl.int64) * L + way * (length - 1)) * 2 + way
    known = gates + first[None, :] * 3 * H + unit[:, None]
    place = states + first[None, :] * H
    x_reset, x_update, x_other = _gates_of_rows(known, inside, H)
    for t in range(tl.max(length, 0)):
        known += tl.where(t + 1 < length, apart * 6 * H, 0)[None, :]  # the next step's gates are fetched while this one
        next_reset, next_update, next_other = _gates_of_rows(known, inside, H)  # is computed
        going = (t < length)[None, :]
        if UNITS == H:
            whole = state.to(tl.float16)
        else:
            before = place - apart * 2 * H
            whole = _states_of_all(before + k[:, None], going & (t > 0) & (k < H)[:, None]).to(tl.float16)
        reset = tl.sigmoid(tl.dot(w_reset, whole, x_reset))
        update = tl.sigmoid(tl.dot(w_update, whole, x_update))
        candidate = _tanh(x_other + reset * tl.dot(w_scaled, whole, bias))
        state = candidate + update * (state - candidate)
        tl.store(place + unit[:, None], state.to(tl.int32, bitcast=True), mask=going)
        place += apart * 2 * H
        x_reset, x_update, x_other = next_reset, next_update, next_other
