"""Triton kernels of WaveGlow's inference; only for `fast.py`, which describes the layout of the tensors.

Steps are grouped by their phase, step % PHASES. Each phase is a plane with one row for each frame, so the inputs of a
tap of a dilated convolution, for a tile of frames of one phase, are again a tile, of another phase and some frames
away. The conditioning is in planes after those of the phases, so that one loop of matrix products covers both.
Matrix products take float16 and accumulate in float32. Descriptors give zero outside of their tensor.

affine: the output of a flow's network, for each step GROUP shifts and then GROUP values of log s.
"""
import triton
import triton.language as tl

FAR = tl.constexpr(1 << 16)  # frames; more than the distance of any tap
STEEP = tl.constexpr(15.0)  # tanh is -1 or 1 from here on


@triton.jit
def _tile(block, T, BM: tl.constexpr, PHASES: tl.constexpr):
    """Returns (row of the batch, phase, first frame) of the block-th tile. Planes follow each other."""
    tiles = tl.cdiv(T, BM)
    plane = block // tiles
    return plane // PHASES, plane % PHASES, block % tiles * BM


@triton.jit
def _gated(x, weight, bias, row, phase, frame, unit, dilation, C: tl.constexpr, TAPS: tl.constexpr, COND: tl.constexpr,
           PHASES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """Returns the gated activations (BM, BN) float32 of the BN units from `unit` on.

    x: descriptor of (B * planes, T, C) in blocks of (1, BM, BK). weight: descriptor of (chunks * 2C, BK) in blocks of
    (2 * BN, BK); the two rows of a unit, for its value and its gate, are neighbours. bias: (2C,) float32, likewise.
    COND: chunks of BK channels in the conditioning, for which each phase has its own weights.
    """
    PER_PLANE: tl.constexpr = C // BK
    EXTRA: tl.constexpr = (COND + PER_PLANE - 1) // PER_PLANE
    first = row * (PHASES + EXTRA)
    total = tl.zeros([BM, 2 * BN], tl.float32)
    for i in range(TAPS * PER_PLANE + COND):
        tap = i // PER_PLANE
        step = FAR * PHASES + phase + (tap - TAPS // 2) * dilation
        of_tap = tap < TAPS
        plane = tl.where(of_tap, step % PHASES, PHASES + tap - TAPS)
        shift = tl.where(of_tap, step // PHASES - FAR, 0)
        inputs = x.load([first + plane, frame + shift, (i - tap * PER_PLANE) * BK]).reshape(BM, BK)
        matrix = weight.load([(i + tl.where(of_tap, 0, phase * COND)) * 2 * C + 2 * unit, 0])
        total = tl.dot(inputs, matrix.T, total)
    total += tl.load(bias + 2 * unit + tl.arange(0, 2 * BN))[None, :]
    value, gate = total.reshape(BM, BN, 2).split()
    decay = tl.exp(-2 * tl.maximum(value, -STEEP))
    return (1 - decay) / ((1 + decay) * (1 + tl.exp(-gate)))  # tanh(value) * sigmoid(gate) by one division


@triton.jit(do_not_specialize=["first", "T", "dilation"])
def gated_layer(x, weight, bias, gated, first, T, dilation, C: tl.constexpr, TAPS: tl.constexpr, COND: tl.constexpr,
                PHASES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """Writes `_gated` to gated (B * PHASES, T, C) for the tiles from `first` on. Grid: (tiles * C / BN)."""
    block = first + tl.program_id(0) // (C // BN)
    unit = tl.program_id(0) % (C // BN) * BN
    row, phase, frame = _tile(block, T, BM, PHASES)
    result = _gated(x, weight, bias, row, phase, frame, unit, dilation, C, TAPS, COND, PHASES, BM, BN, BK)
    frames = frame + tl.arange(0, BM)
    index = gated + ((row * PHASES + phase) * T + frames)[:, None] * C + (unit + tl.arange(0, BN))[None, :]
    tl.store(index, result.to(tl.float16), mask=(frames < T)[:, None])


@triton.jit
def _add_affine(affine, result, row, phase, frames, T, PHASES: tl.constexpr, AFFINE: tl.constexpr):
    """Adds result (BM, AFFINE) to affine (B * PHASES, T, AFFINE) float32."""
    index = affine + ((row * PHASES + phase) * T + frames)[:, None] * AFFINE + tl.arange(0, AFFINE)[None, :]
    inside = (frames < T)[:, None]
    tl.store(index, tl.load(index, mask=inside, other=0.0) + result, mask=inside)


@triton.jit
def _add_to_stream(x, result, row, phase, frames, unit, lengths, T, planes, C: tl.constexpr, BN: tl.constexpr):
    """Adds result (BM, BN) to x (B * planes, T, C), and sets it to zero after a row's end."""
    index = ((row * planes + phase) * T + frames)[:, None] * C + (unit + tl.arange(0, BN))[None, :]
    inside, real = (frames < T)[:, None], (frames < tl.load(lengths + row))[:, None]
    total = tl.load(x + index, mask=inside, other=0.0).to(tl.float32) + result
    tl.store(x + index, tl.where(real, total, 0.0).to(tl.float16), mask=inside)


@triton.jit(do_not_specialize=["T", "planes"])
def residual_layer(gated, residual, residual_bias, skip, x, affine, lengths, T, planes, C: tl.constexpr,
                   AFFINE: tl.constexpr, LAST: tl.constexpr, PHASES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
                   BK: tl.constexpr):
    """Adds the residual connection to x, except in the LAST layer, and the skip connection to affine.

    Grid: (tiles, C / BN). gated: descriptor of (B * PHASES, T, C) in blocks of (1, BM, BK). residual: descriptor of
    (C, C) in blocks of (BN, BK). skip: descriptor of (AFFINE, C) in blocks of (AFFINE, BK). residual_bias: (C,)
    float32. x: (B * planes, T, C). affine: (B * PHASES, T, AFFINE) float32. lengths: (B,) frames.
    """
    row, phase, frame = _tile(tl.program_id(0), T, BM, PHASES)
    unit = tl.program_id(1) * BN
    total = tl.zeros([BM, BN], tl.float32)
    result = tl.zeros([BM, AFFINE], tl.float32)
    for k in range(0, C, BK):
        inputs = gated.load([row * PHASES + phase, frame, k]).reshape(BM, BK)
        if not LAST:
            total = tl.dot(inputs, residual.load([unit, k]).T, total)
        result = tl.dot(inputs, skip.load([0, k]).T, result)
    frames = frame + tl.arange(0, BM)
    if unit == 0:
        _add_affine(affine, result, row, phase, frames, T, PHASES, AFFINE)
    if not LAST:
        total += tl.load(residual_bias + unit + tl.arange(0, BN))[None, :]
        _add_to_stream(x, total, row, phase, frames, unit, lengths, T, planes, C, BN)


@triton.jit(do_not_specialize=["T", "planes"])
def next_flow(audio, affine, mixing, start, start_bias, affine_bias, x, lengths, T, planes, C: tl.constexpr,
              GROUP: tl.constexpr, PHASES: tl.constexpr, BM: tl.constexpr):
    """Applies a flow's affine coupling and 1x1 convolution, and starts the next flow. Grid: (tiles).

    audio (B * PHASES, T, GROUP) float32 becomes (audio - shift) / s @ mixing (GROUP, GROUP). x becomes the audio before
    the mixing @ start (GROUP, C) + start_bias. Both are zero after a row's end. affine (B * PHASES, T, 2 * GROUP)
    float32 becomes affine_bias (2 * GROUP,).
    """
    row, phase, frame = _tile(tl.program_id(0), T, BM, PHASES)
    frames, group, unit = frame + tl.arange(0, BM), tl.arange(0, GROUP), tl.arange(0, C)
    inside = frames < T
    real = (frames < tl.load(lengths + row))[:, None]
    index = (row * PHASES + phase) * T + frames
    mixed = tl.zeros([BM, GROUP], tl.float32)
    stream = tl.zeros([BM, C], tl.float32) + tl.load(start_bias + unit)[None, :]
    for c in tl.static_range(GROUP):
        log_scale = tl.load(affine + index * 2 * GROUP + GROUP + c, mask=inside, other=0.0)
        shift = tl.load(affine + index * 2 * GROUP + c, mask=inside, other=0.0)
        sample = (tl.load(audio + index * GROUP + c, mask=inside, other=0.0) - shift) * tl.exp(-log_scale)
        mixed += sample[:, None] * tl.load(mixing + c * GROUP + group)[None, :]
        stream += sample[:, None] * tl.load(start + c * C + unit)[None, :]
    tl.debug_barrier()  # all of the tile's audio and affine is read before any of it is written
    inside = inside[:, None]
    tl.store(audio + index[:, None] * GROUP + group[None, :], tl.where(real, mixed, 0.0), mask=inside)
    both = tl.arange(0, 2 * GROUP)
    tl.store(affine + index[:, None] * 2 * GROUP + both[None, :], tl.load(affine_bias + both)[None, :] + tl.zeros(
        [BM, 2 * GROUP], tl.float32), mask=inside)
    stream_index = ((row * planes + phase) * T + frames)[:, None] * C + unit[None, :]
    tl.store(x + stream_index, tl.where(real, stream, 0.0).to(tl.float16), mask=inside)
