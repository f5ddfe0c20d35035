"""Triton kernels of one frame of the decoder's recurrences, forward and backward.

They run between two cuBLAS products; only `chunks.py` calls them. Axes as in `recurrence.py`. All arithmetic is
float32, for any dtype of the buffers. No element that a program writes is touched by another program of the launch, so
results do not depend on their order.

The location convolution and the dense layer after it are one product: `window` (BLOCK, ROWS) with the folded matrix
`location` (ROWS, A), where ROWS is 2K rounded up to a power of two and the rows in excess are zero. `history` keeps
the previous alignment and the cumulative one, (B, 2, N).
"""
import triton
import triton.language as tl


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _activations(gate, H: tl.constexpr):
    """Returns input, forget, candidate and output activations, for gates at the pointers gate + 0, H, 2H and 3H."""
    return (tl.sigmoid(tl.load(gate).to(tl.float32)), tl.sigmoid(tl.load(gate + H).to(tl.float32)),
            _tanh(tl.load(gate + 2 * H).to(tl.float32)), tl.sigmoid(tl.load(gate + 3 * H).to(tl.float32)))


@triton.jit
def cell_forward(gates, cell_before, cell_after, keep, scale, hidden, hidden_stride,
                 H: tl.constexpr, BLOCK: tl.constexpr):
    """Computes an LSTM cell with dropout on its output, for one row and BLOCK units. Grid (B, H / BLOCK).

    gates (B, 4H); cells (B, H) float32; keep (B, H) uint8; scale (1,) float32, 1 / keep probability; hidden: rows
    `hidden_stride` apart.
    """
    row = tl.program_id(0)
    unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    enter, forget, candidate, leave = _activations(gates + row * 4 * H + unit, H)
    cell = forget * tl.load(cell_before + row * H + unit) + enter * candidate
    tl.store(cell_after + row * H + unit, cell)
    kept = tl.load(keep + row * H + unit).to(tl.float32) * tl.load(scale)
    tl.store(hidden + row * hidden_stride + unit, (leave * _tanh(cell) * kept).to(hidden.dtype.element_ty))


@triton.jit
def cell_backward(gates, cell_before, cell_after, keep, scale, d_hidden, d_hidden_stride, d_output, d_output_stride,
                  d_cell, H: tl.constexpr, BLOCK: tl.constexpr):
    """Computes the gradient of `cell_forward`. Grid (B, H / BLOCK).

    The gates (B, 4H) are replaced by their gradients, and d_cell (B, H) float32, the gradient of the cell after, by
    that of the cell before. The output's gradient is the sum of those from the next frame (d_hidden) and from the loss
    (d_output). The activations are computed again, because rounded ones would make 1 - activation far too coarse.
    """
    row = tl.program_id(0)
    unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    at = row * H + unit
    gate = gates + row * 4 * H + unit
    enter, forget, candidate, leave = _activations(gate, H)
    squashed = _tanh(tl.load(cell_after + at))
    d_dropped = (tl.load(d_hidden + row * d_hidden_stride + unit).to(tl.float32)
                 + tl.load(d_output + row * d_output_stride + unit).to(tl.float32))
    d_out = d_dropped * tl.load(keep + at).to(tl.float32) * tl.load(scale)
    d_inner = tl.load(d_cell + at) + d_out * leave * (1 - squashed * squashed)
    dtype = gates.dtype.element_ty
    tl.store(gate, (d_inner * candidate * enter * (1 - enter)).to(dtype))
    tl.store(gate + H, (d_inner * tl.load(cell_before + at) * forget * (1 - forget)).to(dtype))
    tl.store(gate + 2 * H, (d_inner * enter * (1 - candidate * candidate)).to(dtype))
    tl.store(gate + 3 * H, (d_out * squashed * leave * (1 - leave)).to(dtype))
    tl.store(d_cell + at, d_inner * forget)


@triton.jit
def _window(history, symbol, length, N, K: tl.constexpr, ROWS: tl.constexpr):
    """Returns the location convolution's input around each symbol: (BLOCK, ROWS), 0 outside the text.

    history: (2, N) of one row; symbol: (BLOCK,) indices.
    """
    row = tl.arange(0, ROWS)
    channel = row // K
    index = symbol[:, None] + (row - channel * K - K // 2)[None, :]
    inside = (index >= 0) & (index < length) & (channel < 2)[None, :]
    return tl.load(history + channel[None, :] * N + index, mask=inside, other=0.0)


@triton.jit
def _inner(window, matrix, query, processed, symbol, length, A: tl.constexpr, PRECISION: tl.constexpr):
    """Returns tanh(location features + query + processed memory), (BLOCK, A). processed: (N, A) of one row."""
    unit = tl.arange(0, A)
    total = tl.dot(window, matrix, input_precision=PRECISION) + tl.load(query + unit).to(tl.float32)[None, :]
    pointer = processed + symbol[:, None] * A + unit[None, :]
    return _tanh(total + tl.load(pointer, mask=(symbol < length)[:, None], other=0.0).to(tl.float32))


@triton.jit
def attention_energies(query, processed, location, v, lengths, history, energies, N, A: tl.constexpr, K: tl.constexpr,
                       ROWS: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    """Computes the energies (B, N) float32 of the real symbols. Grid (B, ceil(N / BLOCK)).

    query (B, A), processed (B, N, A), v (A,), lengths (B,) int32, history (B, 2, N).
    """
    row = tl.program_id(0)
    length = tl.load(lengths + row)
    if tl.program_id(1) * BLOCK < length:
        unit = tl.arange(0, A)
        symbol = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        window = _window(history + row * 2 * N, symbol, length, N, K, ROWS)
        matrix = tl.load(location + tl.arange(0, ROWS)[:, None] * A + unit[None, :])
        inner = _inner(window, matrix, query + row * A, processed + row * N * A, symbol, length, A, PRECISION)
        energy = tl.sum(inner * tl.load(v + unit)[None, :], 1)
        tl.store(energies + row * N + symbol, energy, mask=symbol < length)


@triton.jit
def attention_context(energies, memory, lengths, history, next_history, context, context_stride, N, E: tl.constexpr,
                      SPAN: tl.constexpr, BLOCK: tl.constexpr, PART: tl.constexpr):
    """Computes the softmax over the real symbols and the context, PART features a program. Grid (B, E / PART).

    memory (B, N, E); SPAN >= N. Writes all of next_history (B, 2, N), 0 on padding, and the context.
    """
    row = tl.program_id(0)
    length = tl.load(lengths + row)
    everywhere = tl.arange(0, SPAN)
    energy = tl.load(energies + row * N + everywhere, mask=everywhere < length, other=-float("inf"))
    highest = tl.max(energy, 0)
    total = tl.sum(tl.exp(energy - highest), 0)
    if tl.program_id(1) == 0:  # one program a row keeps the record
        record = row * 2 * N + everywhere
        alignment = tl.exp(energy - highest) / total
        cumulative = tl.load(history + record + N, mask=everywhere < N, other=0.0) + alignment
        tl.store(next_history + record, alignment, mask=everywhere < N)
        tl.store(next_history + record + N, cumulative, mask=everywhere < N)
    feature = tl.program_id(1) * PART + tl.arange(0, PART)
    result = tl.zeros([PART], tl.float32)
    for start in range(0, length, BLOCK):
        symbol = start + tl.arange(0, BLOCK)
        real = symbol < length
        share = tl.exp(tl.load(energies + row * N + symbol, mask=real, other=-float("inf")) - highest)
        seen = tl.load(memory + (row * N + symbol)[:, None] * E + feature[None, :], mask=real[:, None], other=0.0)
        result += tl.sum(share[:, None] * seen.to(tl.float32), 0)
    tl.store(context + row * context_stride + feature, (result / total).to(context.dtype.element_ty))


@triton.jit
def alignment_backward(d_state, d_output, state_stride, memory, lengths, d_window, d_given, d_cumulative, d_alignment,
                       d_context, N, E: tl.constexpr, K: tl.constexpr, ROWS: tl.constexpr, TAPS: tl.constexpr,
                       BLOCK: tl.constexpr):
    """Computes the gradient of a frame's alignment (B, N) float32. Grid (B, ceil(N / BLOCK)).

    It is the sum of those from the context (d_state, from the next frame, plus d_output, from the loss; their sum is
    written to d_context (B, E)), from the loss on alignments (d_given (B, N)), and from the next frame's location
    windows, d_window (B, N, ROWS), which read the previous and the cumulative alignment. The latter's gradient is
    accumulated over the frames in d_cumulative (B, N). TAPS: K rounded up to a power of two.
    """
    row = tl.program_id(0)
    length = tl.load(lengths + row)
    feature = tl.arange(0, E)
    d_seen = (tl.load(d_state + row * state_stride + feature).to(tl.float32)
              + tl.load(d_output + row * state_stride + feature).to(tl.float32))
    if tl.program_id(1) == 0:
        tl.store(d_context + row * E + feature, d_seen.to(d_context.dtype.element_ty))
    if tl.program_id(1) * BLOCK < length:
        symbol = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        real = symbol < length
        tap = tl.arange(0, TAPS)
        reader = symbol[:, None] - tap[None, :] + K // 2  # the symbols whose window has this one under this tap
        inside = (reader >= 0) & (reader < length) & (tap < K)[None, :]
        read = d_window + (row * N + reader) * ROWS + tap[None, :]
        d_previous = tl.sum(tl.load(read, mask=inside, other=0.0), 1)
        at = row * N + symbol
        d_sum = tl.load(d_cumulative + at, mask=real, other=0.0)
        d_sum += tl.sum(tl.load(read + K, mask=inside, other=0.0), 1)
        tl.store(d_cumulative + at, d_sum, mask=real)
        seen = tl.load(memory + at[:, None] * E + feature[None, :], mask=real[:, None], other=0.0)
        d_symbol = tl.sum(seen.to(tl.float32) * d_seen[None, :], 1)
        d_symbol += tl.load(d_given + at, mask=real, other=0.0) + d_previous + d_sum
        tl.store(d_alignment + at, d_symbol, mask=real)


@triton.jit
def energies_backward(query, processed, location, v, lengths, history, next_history, d_alignment, d_window, d_energies,
                      d_query, N, A: tl.constexpr, K: tl.constexpr, ROWS: tl.constexpr, SPAN: tl.constexpr,
                      BLOCK: tl.constexpr, SPLITS: tl.constexpr, PRECISION: tl.constexpr):
    """Computes the gradients of the energies, the query and the location windows. Grid (B, SPLITS).

    The programs of a row take its blocks of symbols in turn; each writes its part of d_query (B, SPLITS, A).
    """
    row = tl.program_id(0)
    length = tl.load(lengths + row)
    everywhere = tl.arange(0, SPAN)
    alignment = tl.load(next_history + row * 2 * N + everywhere, mask=everywhere < length, other=0.0)
    mean = tl.sum(alignment * tl.load(d_alignment + row * N + everywhere, mask=everywhere < length, other=0.0), 0)
    unit = tl.arange(0, A)
    tap = tl.arange(0, ROWS)
    weight = tl.load(v + unit)
    matrix = tl.load(location + tap[:, None] * A + unit[None, :])
    d_total = tl.zeros([A], tl.float32)
    for start in range(tl.program_id(1) * BLOCK, length, SPLITS * BLOCK):
        symbol = start + tl.arange(0, BLOCK)
        real = symbol < length
        at = row * N + symbol
        window = _window(history + row * 2 * N, symbol, length, N, K, ROWS)
        inner = _inner(window, matrix, query + row * A, processed + row * N * A, symbol, length, A, PRECISION)
        share = tl.load(next_history + row * 2 * N + symbol, mask=real, other=0.0)
        d_energy = share * (tl.load(d_alignment + at, mask=real, other=0.0) - mean)
        tl.store(d_energies + at, d_energy, mask=real)
        d_inner = d_energy[:, None] * weight[None, :] * (1 - inner * inner)
        d_total += tl.sum(d_inner, 0)
        d_seen = tl.dot(d_inner, tl.trans(matrix), input_precision=PRECISION)
        tl.store(d_window + at[:, None] * ROWS + tap[None, :], d_seen, mask=real[:, None])
    tl.store(d_query + (row * SPLITS + tl.program_id(1)) * A + unit, d_total.to(d_query.dtype.element_ty))


@triton.jit(do_not_specialize=["T"])
def attention_sums(query, processed, location, v, lengths, history, d_energies, d_processed, d_location, d_v, T, N,
                   A: tl.constexpr, K: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
                   PRECISION: tl.constexpr):
    """Computes gradients that are sums over frames. Grid (B, ceil(N / BLOCK), parts of the frames).

    query (T, B, A), history (T, B, 2, N) as each frame read it, d_energies (T, B, N). Each program writes its part of
    d_processed (parts, B, N, A), d_location (parts, B, blocks, ROWS, A) and d_v (parts, B, blocks, A), all float32.
    """
    row = tl.program_id(0)
    rows = tl.num_programs(0)
    frames = tl.cdiv(T, tl.num_programs(2))
    first = tl.program_id(2) * frames
    length = tl.load(lengths + row)
    unit = tl.arange(0, A)
    tap = tl.arange(0, ROWS)
    symbol = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = symbol < length
    weight = tl.load(v + unit)
    matrix = tl.load(location + tap[:, None] * A + unit[None, :])
    sum_inner = tl.zeros([BLOCK, A], tl.float32)
    sum_location = tl.zeros([ROWS, A], tl.float32)
    sum_v = tl.zeros([A], tl.float32)
    last = tl.where(tl.program_id(1) * BLOCK < length, tl.minimum(first + frames, T), first)
    for t in range(first, last):
        at = t * rows + row
        window = _window(history + at * 2 * N, symbol, length, N, K, ROWS)
        inner = _inner(window, matrix, query + at * A, processed + row * N * A, symbol, length, A, PRECISION)
        d_energy = tl.load(d_energies + at * N + symbol, mask=real, other=0.0)
        d_inner = d_energy[:, None] * weight[None, :] * (1 - inner * inner)
        sum_inner += d_inner
        sum_v += tl.sum(d_energy[:, None] * inner, 0)
        sum_location += tl.dot(tl.trans(window), d_inner, input_precision=PRECISION)
    part = tl.program_id(2) * rows + row
    block = part * tl.num_programs(1) + tl.program_id(1)
    tl.store(d_processed + (part * N + symbol)[:, None] * A + unit[None, :], sum_inner, mask=(symbol < N)[:, None])
    tl.store(d_location + (block * ROWS + tap)[:, None] * A + unit[None, :], sum_location)
    tl.store(d_v + block * A + unit, sum_v)
