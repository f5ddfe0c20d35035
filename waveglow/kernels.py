"""Triton kernels of one layer of a flow's network, for inference; for use by `fast.py` alone.

The two halves of a layer of `coupling.coupling_network`: matrix products by the tensor cores, float16 in and float32
inside, with all that stands around them done on the way in and out. Tensors are (B, S, channels) without gaps, S steps.
"""
import triton
import triton.language as tl


@triton.jit(do_not_specialize=["S", "dilation"])
def gated_layer(x, ends, weight, condition, condition_stride, gated, S, K, dilation, C: tl.constexpr,
                TAPS: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """The dilated convolution, its condition and the gate: grid (ceil(S / BM), C / BN, B).

    x (B, S, C), read as zero from step ends (B,) int64 on; weight (2C, TAPS * C), tap by tap; condition: rows
    `condition_stride` apart of 2C, K of them in S steps, with both biases; gated (B, S, C).
    """
    row = tl.program_id(2)
    end = tl.load(ends + row)
    step = tl.program_id(0) * BM + tl.arange(0, BM)
    unit = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros([BM, BN], tl.float32)
    gate = tl.zeros([BM, BN], tl.float32)
    for part in range(0, TAPS * C, BK):
        tap = part // C
        place = step + (tap - TAPS // 2) * dilation
        k = part + tl.arange(0, BK)
        real = (place >= 0) & (place < end)
        taken = tl.load(x + (row * S + place)[:, None] * C + (k - tap * C)[None, :], mask=real[:, None], other=0.0)
        matrix = weight + unit[None, :] * TAPS * C + k[:, None]
        total = tl.dot(taken, tl.load(matrix), total)
        gate = tl.dot(taken, tl.load(matrix + TAPS * C * C), gate)
    inside = (step < S)[:, None]
    given = condition + (row * K + step // (S // K))[:, None] * condition_stride + unit[None, :]
    total += tl.load(given, mask=inside, other=0.0).to(tl.float32)
    gate += tl.load(given + C, mask=inside, other=0.0).to(tl.float32)
    result = (2 * tl.sigmoid(2 * total) - 1) * tl.sigmoid(gate)
    tl.store(gated + (row * S + step)[:, None] * C + unit[None, :], result.to(gated.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["rows"])
def residual_layer(gated, weight, bias, x, skip, rows, C: tl.constexpr, FIRST: tl.constexpr, LAST: tl.constexpr,
                   BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """The product after the gate, added to x and skip in place: grid (ceil(rows / BM), outputs / BN); rows = B * S.

    weight (outputs, C), outputs 2C, residual then skip, of the LAST layer C, skip alone; bias (outputs,); x (rows, C);
    skip (rows, C) float32, which the FIRST layer begins.
    """
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    unit = tl.program_id(1) * BN + tl.arange(0, BN)
    inside = (row < rows)[:, None]
    total = tl.zeros([BM, BN], tl.float32)
    for part in range(0, C, BK):
        k = part + tl.arange(0, BK)
        taken = tl.load(gated + row[:, None] * C + k[None, :], mask=inside, other=0.0)
        total = tl.dot(taken, tl.load(weight + unit[None, :] * C + k[:, None]), total)
    total += tl.load(bias + unit).to(tl.float32)[None, :]
    skips_from: tl.constexpr = 0 if LAST else C
    if tl.program_id(1) * BN >= skips_from:
        place = skip + row[:, None] * C + (unit - skips_from)[None, :]
        if not FIRST:
            total += tl.load(place, mask=inside, other=0.0)
        tl.store(place, total, mask=inside)
    else:
        stream = x + row[:, None] * C + unit[None, :]
        total += tl.load(stream, mask=inside, other=0.0).to(tl.float32)
        tl.store(stream, total.to(x.dtype.element_ty), mask=inside)
