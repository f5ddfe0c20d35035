"""Triton kernels of WaveGlow's inference; for use by `fast.py` alone, which says how the tensors lie.

Steps stand apart by their phase, step % PHASES, each phase a plane of one row a frame: wherever a tap of a dilated
convolution looks from a tile of frames of one phase, it sees a tile again, of another phase, some frames aside. What
the layers are conditioned on stands in planes behind the phases, so that one loop of products goes through both.
Products take float16 and add up in float32. Descriptors give zero outside of their tensor.
"""
import triton
import triton.language as tl

FAR = tl.constexpr(1 << 16)  # frames; more than any tap reaches
STEEP = tl.constexpr(15.0)  # tanh is -1 or 1 from here on


@triton.jit
def _tile(block, T, BM: tl.constexpr, PHASES: tl.constexpr):
    """Row of the batch, phase and first frame of the block-th tile; planes follow each other."""
    tiles = tl.cdiv(T, BM)
    plane = block // tiles
    return plane // PHASES, plane % PHASES, block % tiles * BM


@triton.jit
def _gated(x, weight, bias, row, phase, frame, unit, dilation, C: tl.constexpr, TAPS: tl.constexpr, GIVEN: tl.constexpr,
           OWN: tl.constexpr, GROUPS: tl.constexpr, PHASES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
           BK: tl.constexpr):
    """The dilated convolution, its condition and the gate: (BM, BN) float32 for BN units from `unit` on.

    x: descriptor of (B * planes, T, C) by (1, BM, BK); weight: of (chunks * 2C, BK) by (2 * BN, BK), a unit's two rows
    beside each other; bias (2C,) float32 likewise. The condition: GIVEN chunks of BK channels, in one of GROUPS groups
    of planes by the phase; OWN: each phase has its own weights for them.
    """
    PER_PLANE: tl.constexpr = C // BK
    EXTRA: tl.constexpr = (GIVEN + PER_PLANE - 1) // PER_PLANE
    first = row * (PHASES + GROUPS * EXTRA)
    given = PHASES + phase * GROUPS // PHASES * EXTRA
    own = phase * GIVEN if OWN else 0
    total = tl.zeros([BM, 2 * BN], tl.float32)
    for i in range(TAPS * PER_PLANE + GIVEN):
        tap = i // PER_PLANE
        place = FAR * PHASES + phase + (tap - TAPS // 2) * dilation
        of_tap = tap < TAPS
        plane = tl.where(of_tap, place % PHASES, given + tap - TAPS)
        shift = tl.where(of_tap, place // PHASES - FAR, 0)
        taken = x.load([first + plane, frame + shift, (i - tap * PER_PLANE) * BK]).reshape(BM, BK)
        matrix = weight.load([(i + tl.where(of_tap, 0, own)) * 2 * C + 2 * unit, 0])
        total = tl.dot(taken, matrix.T, total)
    total += tl.load(bias + 2 * unit + tl.arange(0, 2 * BN))[None, :]
    value, gate = total.reshape(BM, BN, 2).split()
    falling = tl.exp(-2 * tl.maximum(value, -STEEP))
    return (1 - falling) / ((1 + falling) * (1 + tl.exp(-gate)))  # tanh(value) * sigmoid(gate) by one division


@triton.jit(do_not_specialize=["first", "T", "dilation"])
def gated_layer(x, weight, bias, gated, first, T, dilation, C: tl.constexpr, TAPS: tl.constexpr, GIVEN: tl.constexpr,
                OWN: tl.constexpr, GROUPS: tl.constexpr, PHASES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
                BK: tl.constexpr):
    """`_gated` for the tiles from `first` on: grid (tiles * C / BN). gated (B * PHASES, T, C)."""
    block = first + tl.program_id(0) // (C // BN)
    unit = tl.program_id(0) % (C // BN) * BN
    row, phase, frame = _tile(block, T, BM, PHASES)
    result = _gated(x, weight, bias, row, phase, frame, unit, dilation, C, TAPS, GIVEN, OWN, GROUPS, PHASES, BM, BN, BK)
    frames = frame + tl.arange(0, BM)
    place = gated + ((row * PHASES + phase) * T + frames)[:, None] * C + (unit + tl.arange(0, BN))[None, :]
    tl.store(place, result.to(tl.float16), mask=(frames < T)[:, None])


@triton.jit
def _add_told(told, result, row, phase, frames, T, PHASES: tl.constexpr, TOLD: tl.constexpr):
    """Adds result (BM, TOLD) to told (B * PHASES, T, TOLD) float32."""
    place = told + ((row * PHASES + phase) * T + frames)[:, None] * TOLD + tl.arange(0, TOLD)[None, :]
    inside = (frames < T)[:, None]
    tl.store(place, tl.load(place, mask=inside, other=0.0) + result, mask=inside)


@triton.jit
def _add_to_stream(before, after, result, row, phase, frames, unit, lengths, T, planes, C: tl.constexpr,
                   BN: tl.constexpr):
    """after = before + result (BM, BN), both (B * planes, T, C); zero from a row's end on, as its taps shall see it."""
    place = ((row * planes + phase) * T + frames)[:, None] * C + (unit + tl.arange(0, BN))[None, :]
    inside, real = (frames < T)[:, None], (frames < tl.load(lengths + row))[:, None]
    total = tl.load(before + place, mask=inside, other=0.0).to(tl.float32) + result
    tl.store(after + place, tl.where(real, total, 0.0).to(tl.float16), mask=inside)


@triton.jit(do_not_specialize=["T", "planes"])
def residual_layer(gated, residual, residual_bias, to_told, x, told, lengths, T, planes, C: tl.constexpr,
                   TOLD: tl.constexpr, LAST: tl.constexpr, PHASES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
                   BK: tl.constexpr):
    """The products after the gate, added to x (but by the LAST layer) and to told: grid (tiles, C / BN).

    gated: descriptor of (B * PHASES, T, C) by (1, BM, BK); residual: of (C, C) by (BN, BK); to_told: of (TOLD, C) by
    (TOLD, BK); residual_bias (C,) float32; x (B * planes, T, C); told (B * PHASES, T, TOLD) float32; lengths (B,).
    """
    row, phase, frame = _tile(tl.program_id(0), T, BM, PHASES)
    unit = tl.program_id(1) * BN
    total = tl.zeros([BM, BN], tl.float32)
    result = tl.zeros([BM, TOLD], tl.float32)
    for k in range(0, C, BK):
        taken = gated.load([row * PHASES + phase, frame, k]).reshape(BM, BK)
        if not LAST:
            total = tl.dot(taken, residual.load([unit, k]).T, total)
        result = tl.dot(taken, to_told.load([0, k]).T, result)
    frames = frame + tl.arange(0, BM)
    if unit == 0:
        _add_told(told, result, row, phase, frames, T, PHASES, TOLD)
    if not LAST:
        total += tl.load(residual_bias + unit + tl.arange(0, BN))[None, :]
        _add_to_stream(x, x, total, row, phase, frames, unit, lengths, T, planes, C, BN)


@triton.jit(do_not_specialize=["T", "planes", "dilation"])
def whole_layer(x, weight, bias, residual, residual_bias, to_told, before, after, told, lengths, T, planes, dilation,
                C: tl.constexpr, TAPS: tl.constexpr, GIVEN: tl.constexpr, OWN: tl.constexpr, GROUPS: tl.constexpr,
                TOLD: tl.constexpr, LAST: tl.constexpr, PHASES: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr):
    """`gated_layer` and `residual_layer` at once, for few channels: grid (tiles). x describes `before`."""
    row, phase, frame = _tile(tl.program_id(0), T, BM, PHASES)
    gated = _gated(x, weight, bias, row, phase, frame, 0, dilation, C, TAPS, GIVEN, OWN, GROUPS, PHASES, BM, C,
                   BK).to(tl.float16)
    frames, unit = frame + tl.arange(0, BM), tl.arange(0, C)
    matrix = tl.load(to_told + tl.arange(0, TOLD)[None, :] * C + unit[:, None])
    _add_told(told, tl.dot(gated, matrix), row, phase, frames, T, PHASES, TOLD)
    if not LAST:
        matrix = tl.load(residual + unit[None, :] * C + unit[:, None])
        total = tl.dot(gated, matrix) + tl.load(residual_bias + unit)[None, :]
        _add_to_stream(before, after, total, row, phase, frames, 0, lengths, T, planes, C, C)


@triton.jit(do_not_specialize=["T", "planes"])
def turn(audio, told, mixing, start, start_bias, told_bias, x, lengths, T, planes, C: tl.constexpr, GROUP: tl.constexpr,
         BOUND: tl.constexpr, PHASES: tl.constexpr, BM: tl.constexpr):
    """From one flow to the next: grid (tiles). audio (B * PHASES, T, GROUP) float32, told (..., 2 * GROUP) float32.

    audio = (audio - shift) / s @ mixing (GROUP, GROUP), where told is shift, then log s (softly within BOUND, if that
    is not 0); x = the audio before the mixing @ start (GROUP, C) + start_bias, zero from a row's end on, as is audio;
    told = told_bias (2 * GROUP,).
    """
    row, phase, frame = _tile(tl.program_id(0), T, BM, PHASES)
    frames, group, unit = frame + tl.arange(0, BM), tl.arange(0, GROUP), tl.arange(0, C)
    inside = frames < T
    real = (frames < tl.load(lengths + row))[:, None]
    place = (row * PHASES + phase) * T + frames
    mixed = tl.zeros([BM, GROUP], tl.float32)
    stream = tl.zeros([BM, C], tl.float32) + tl.load(start_bias + unit)[None, :]
    for c in tl.static_range(GROUP):
        log_scale = tl.load(told + place * 2 * GROUP + GROUP + c, mask=inside, other=0.0)
        if BOUND > 0:
            log_scale = BOUND * (2 * tl.sigmoid(2 / BOUND * log_scale) - 1)
        shift = tl.load(told + place * 2 * GROUP + c, mask=inside, other=0.0)
        sample = (tl.load(audio + place * GROUP + c, mask=inside, other=0.0) - shift) * tl.exp(-log_scale)
        mixed += sample[:, None] * tl.load(mixing + c * GROUP + group)[None, :]
        stream += sample[:, None] * tl.load(start + c * C + unit)[None, :]
    tl.debug_barrier()  # all of the tile's audio and told is read before any of it is written
    inside = inside[:, None]
    tl.store(audio + place[:, None] * GROUP + group[None, :], tl.where(real, mixed, 0.0), mask=inside)
    both = tl.arange(0, 2 * GROUP)
    tl.store(told + place[:, None] * 2 * GROUP + both[None, :], tl.load(told_bias + both)[None, :] + tl.zeros(
        [BM, 2 * GROUP], tl.float32), mask=inside)
    stream_place = ((row * planes + phase) * T + frames)[:, None] * C + unit[None, :]
    tl.store(x + stream_place, tl.where(real, stream, 0.0).to(tl.float16), mask=inside)
