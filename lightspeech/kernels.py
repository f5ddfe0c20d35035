"""Triton kernel of a GRU's steps with the weights held on chip: one launch for a whole utterance.

For use by `gpu.py` alone. A direction's weights are shared out over SPLIT programs, UNITS = H / SPLIT units each, which
keep their part in registers or shared memory from the first step to the last. Where SPLIT is 1 nothing but inputs and
results passes through global memory. Otherwise the results are also how the programs tell each other their states: the
buffer begins as UNWRITTEN words, each word is written once, and a program reads a step's states again and again until
no such word is left. So a step costs one trip through the L2 cache, without counters, flags or fences; the programs of
a group must run at the same time, which a grid no larger than the GPU sees to. A program never waits for ever: after
MOST_READS it goes on with what it has.
"""
import triton
import triton.language as tl

UNWRITTEN = tl.constexpr(-1)  # as int32: a NaN that no arithmetic gives
MOST_READS = tl.constexpr(1 << 16)  # some tens of milliseconds


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _add(a, b, c, d, e, f):
    return a + d, b + e, c + f


@triton.jit
def _states_of_all(states, inside):
    """The words at `states` once they are all written."""
    seen = tl.load(states, mask=inside, other=0, volatile=True)
    reads = 0
    while (tl.max((seen == UNWRITTEN).to(tl.int32)) > 0) & (reads < MOST_READS):
        seen = tl.load(states, mask=inside, other=0, volatile=True)
        reads += 1
    return seen.to(tl.float32, bitcast=True)


@triton.jit(do_not_specialize=["B"])
def steps_of_one(gates, step_apart, way_apart, hidden, states, last, B, H: tl.constexpr, UNITS: tl.constexpr):
    """The steps of `recurrence.plain_steps` for each row apart, by multiply and add: grid (H / UNITS, 2, B).

    gates (L, 2, B, 4H) float32, its steps and its directions so many elements apart; hidden (2, H, 3H); states
    (L + 1, 2, B, H) float32 as int32: zeros, then UNWRITTEN; last (1,) int64: how many steps to go, at most L.
    """
    way, row = tl.program_id(1), tl.program_id(2)
    L = tl.load(last).to(tl.int32)
    unit = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    k = tl.arange(0, H)
    weight = hidden + way * 3 * H * H + k[:, None] * 3 * H + unit[None, :]
    w_reset = tl.load(weight).to(tl.float32)
    w_update = tl.load(weight + H).to(tl.float32)
    w_scaled = tl.load(weight + 2 * H).to(tl.float32)
    state = tl.zeros([UNITS], tl.float32)
    known = gates + way * way_apart + row * 4 * H + unit
    place = states + (way * B + row) * H
    x_reset, x_update = tl.load(known), tl.load(known + H)
    x_scaled, x_other = tl.load(known + 2 * H), tl.load(known + 3 * H)
    for t in range(L):
        known += tl.where(t + 1 < L, step_apart, 0)  # the next step's gates are fetched while this one is computed
        next_reset, next_update = tl.load(known), tl.load(known + H)
        next_scaled, next_other = tl.load(known + 2 * H), tl.load(known + 3 * H)
        if UNITS == H:
            whole = state
        else:
            whole = _states_of_all(place + k, k < H)
        parts = (w_reset * whole[:, None], w_update * whole[:, None], w_scaled * whole[:, None])
        to_reset, to_update, to_scaled = tl.reduce(parts, 0, _add)  # at once, for fewer barriers
        reset, update = tl.sigmoid(x_reset + to_reset), tl.sigmoid(x_update + to_update)
        candidate = _tanh(x_other + reset * (x_scaled + to_scaled))
        state = candidate + update * (state - candidate)
        place += 2 * B * H
        tl.store(place + unit, state.to(tl.int32, bitcast=True))
        x_reset, x_update, x_scaled, x_other = next_reset, next_update, next_scaled, next_other


@triton.jit
def _gates_of_rows(known, inside, H: tl.constexpr):
    return (tl.load(known, mask=inside, other=0.0), tl.load(known + H, mask=inside, other=0.0),
            tl.load(known + 2 * H, mask=inside, other=0.0), tl.load(known + 3 * H, mask=inside, other=0.0))


@triton.jit(do_not_specialize=["B"])
def steps_of_rows(gates, step_apart, way_apart, hidden, states, last, B, H: tl.constexpr, UNITS: tl.constexpr,
                  ROWS: tl.constexpr):
    """As `steps_of_one`, ROWS rows together, by the tensor cores: grid (H / UNITS, 2, ceil(B / ROWS)).

    hidden (2, 3H, H) float16; the products take states rounded to float16 and add up in float32.
    """
    way = tl.program_id(1)
    L = tl.load(last).to(tl.int32)
    unit = tl.program_id(0) * UNITS + tl.arange(0, UNITS)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    k = tl.arange(0, H)
    inside = (row < B)[None, :]
    weight = hidden + way * 3 * H * H + unit[:, None] * H + k[None, :]
    w_reset = tl.load(weight)
    w_update = tl.load(weight + H * H)
    w_scaled = tl.load(weight + 2 * H * H)
    state = tl.zeros([UNITS, ROWS], tl.float32)
    known = gates + way * way_apart + row[None, :] * 4 * H + unit[:, None]
    place = states + (way * B + row)[None, :] * H
    x_reset, x_update, x_scaled, x_other = _gates_of_rows(known, inside, H)
    for t in range(L):
        known += tl.where(t + 1 < L, step_apart, 0)
        next_reset, next_update, next_scaled, next_other = _gates_of_rows(known, inside, H)
        if UNITS == H:
            whole = state.to(tl.float16)
        else:
            whole = _states_of_all(place + k[:, None], inside & (k < H)[:, None]).to(tl.float16)
        reset = tl.sigmoid(tl.dot(w_reset, whole, x_reset))
        update = tl.sigmoid(tl.dot(w_update, whole, x_update))
        candidate = _tanh(x_other + reset * tl.dot(w_scaled, whole, x_scaled))
        state = candidate + update * (state - candidate)
        place += 2 * B * H
        tl.store(place + unit[:, None], state.to(tl.int32, bitcast=True), mask=inside)
        x_reset, x_update, x_scaled, x_other = next_reset, next_update, next_scaled, next_other
