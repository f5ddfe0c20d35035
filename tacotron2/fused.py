"""The decoder's recurrences for training on a GPU: hand-written forward and backward, replayed as CUDA graphs.

The results are those of `recurrence.PlainRecurrence`. A frame costs two or three cuBLAS products and a few kernels
(kernels.py), launched without Python:

- The loop contains only the recurrence. Gradients that are sums over frames (all weights, memory and processed memory)
  are large products after it.
- A chunk of frames over static buffers (chunks.py) is recorded once as a CUDA graph and replayed along the utterance.
  The frames are copied in and out around each replay, which costs little. So one recording serves every T, and memory
  does not grow with the number of shapes. Tensors for the backward pass are copies, so calls are independent.
- One buffer holds the gates: first the input's part, then the total of all products, then its gradient.

Triton comes with torch on Linux with CUDA; it is imported when a FusedRecurrence is made.
"""
from typing import Any

import torch
from torch import Tensor

from tacotron2.chunks import AttentionChunk, LstmChunk, fill, take

CHUNK_FRAMES = 32  # frames of one recording
SYMBOL_STEP = 64  # texts are padded to a multiple of this, to share recordings


def _spans(total: int, size: int) -> list[slice]:
    """Returns slices of at most `size` that cover range(total)."""
    return [slice(first, min(first + size, total)) for first in range(0, total, size)]


def _with_one_more(span: slice) -> slice:
    """Returns a slice that ends one later."""
    return slice(span.start, span.stop + 1)


class _Lstm(torch.autograd.Function):
    """PlainRecurrence.lstm by chunks; the backward pass runs them in reverse order."""

    @staticmethod
    def forward(ctx: Any, chunk: LstmChunk, gates: Tensor, weight: Tensor, keep: Tensor | None,
                keep_probability: float) -> Tensor:
        """Has the arguments and the result of PlainRecurrence.lstm; `chunk` holds the buffers."""
        T = len(gates)
        totals = torch.empty_like(gates)
        states = gates.new_zeros(T + 1, *chunk.states.shape[1:])
        cells = gates.new_zeros(T + 1, *chunk.cells.shape[1:], dtype=torch.float32)
        chunk.begin(weight, keep, keep_probability)
        for span in _spans(T, chunk.frames):
            fill(chunk.gates, gates[span])
            chunk.fill_keep(keep, span)
            chunk.forward()
            take(totals[span], chunk.gates)
            take(states[1:][span], chunk.states[1:])
            take(cells[1:][span], chunk.cells[1:])
        ctx.chunk, ctx.keep_probability = chunk, keep_probability
        ctx.save_for_backward(weight, keep, totals, states, cells)
        return states[1:].clone()

    @staticmethod
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of `forward`'s arguments, in their order, from that of the states."""
        chunk = ctx.chunk
        weight, keep, totals, states, cells = ctx.saved_tensors
        d_gates = torch.empty_like(totals)
        chunk.begin(weight, keep, ctx.keep_probability)
        for span in reversed(_spans(len(d_states), chunk.frames)):
            fill(chunk.gates, totals[span])
            fill(chunk.cells, cells[_with_one_more(span)])
            fill(chunk.d_states, d_states[span])
            chunk.fill_keep(keep, span)
            chunk.backward()
            take(d_gates[span], chunk.gates)
        d_weight = d_gates.flatten(0, 1).t() @ states[:-1].flatten(0, 1)
        return None, d_gates, d_weight.to(weight.dtype), None, None


class _Attention(torch.autograd.Function):
    """PlainRecurrence.attention by chunks; sums over all frames are computed after the last chunk."""

    @staticmethod
    def forward(ctx: Any, chunk: AttentionChunk, gates: Tensor, memory: Tensor, processed_memory: Tensor,
                weight: Tensor, query_weight: Tensor, location_weight: Tensor, v: Tensor, lengths: Tensor,
                keep: Tensor | None, keep_probability: float) -> tuple[Tensor, Tensor]:
        """Has the arguments and the result of PlainRecurrence.attention; `chunk` holds the buffers."""
        T = len(gates)
        totals = torch.empty_like(gates)
        states = gates.new_zeros(T + 1, *chunk.states.shape[1:])
        cells = gates.new_zeros(T + 1, *chunk.cells.shape[1:], dtype=torch.float32)
        history = gates.new_zeros(T + 1, *chunk.history.shape[1:], dtype=torch.float32)
        queries = gates.new_empty(T, *chunk.queries.shape[1:])
        chunk.begin(weight, keep, keep_probability)
        chunk.begin_text(memory, processed_memory, query_weight, location_weight, v, lengths)
        for span in _spans(T, chunk.frames):
            fill(chunk.gates, gates[span])
            chunk.fill_keep(keep, span)
            chunk.forward()
            take(totals[span], chunk.gates)
            take(queries[span], chunk.queries)
            for kept, buffer in ((states, chunk.states), (cells, chunk.cells), (history, chunk.history)):
                take(kept[1:][span], buffer[1:])
        ctx.chunk, ctx.keep_probability = chunk, keep_probability
        ctx.save_for_backward(memory, processed_memory, weight, query_weight, location_weight, v, lengths, keep,
                              totals, states, cells, history, queries)
        return states[1:].clone(), history[1:, :, 0, :memory.shape[1]].clone()

    @staticmethod
    def backward(ctx: Any, d_states: Tensor, d_alignments: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of `forward`'s arguments, in their order, from those of states and alignments."""
        chunk = ctx.chunk
        (memory, processed_memory, weight, query_weight, location_weight, v, lengths, keep,
         totals, states, cells, history, queries) = ctx.saved_tensors
        T, _, N = d_alignments.shape
        d_gates = torch.empty_like(totals)
        d_queries = queries.new_empty(T, *chunk.d_queries.shape[1:])
        d_contexts = queries.new_empty(T, *chunk.d_contexts.shape[1:])
        d_energies = cells.new_empty(T, *chunk.d_energies.shape[1:])
        chunk.begin(weight, keep, ctx.keep_probability)
        chunk.begin_text(memory, processed_memory, query_weight, location_weight, v, lengths)
        for span in reversed(_spans(T, chunk.frames)):
            for buffer, saved in ((chunk.cells, cells), (chunk.history, history)):
                fill(buffer, saved[_with_one_more(span)])
            for buffer, frames in ((chunk.gates, totals), (chunk.queries, queries), (chunk.d_states, d_states),
                                   (chunk.d_alignments[:, :, :N], d_alignments)):
                fill(buffer, frames[span])
            chunk.fill_keep(keep, span)
            chunk.backward()
            for frames, buffer in ((d_gates, chunk.gates), (d_queries, chunk.d_queries),
                                   (d_contexts, chunk.d_contexts), (d_energies, chunk.d_energies)):
                take(frames[span], buffer)
        d_processed, d_location, d_v = chunk.sums(queries, history[:-1], d_energies)
        d_weight = d_gates.flatten(0, 1).t() @ states[:-1].flatten(0, 1)
        d_query_weight = d_queries.sum(2).flatten(0, 1).t() @ states[1:, :, chunk.E:].flatten(0, 1)
        d_memory = torch.bmm(history[1:, :, 0, :N].permute(1, 2, 0).to(d_contexts.dtype), d_contexts.transpose(0, 1))
        gradients = (d_memory, d_processed[:, :N], d_weight, d_query_weight, d_location, d_v)
        inputs = (memory, processed_memory, weight, query_weight, location_weight, v)
        return None, d_gates, *(gradient.to(like.dtype) for gradient, like in zip(gradients, inputs)), None, None, None


class FusedRecurrence:
    """The two methods of `PlainRecurrence` with fused kernels, for CUDA. Triton's interpreter runs them elsewhere.

    H, E and A must be powers of two of at least 16, K odd. The first call with a new number of rows, or with texts of
    another multiple of SYMBOL_STEP, takes about a second more, to record.
    """

    def __init__(self, chunk_frames: int = CHUNK_FRAMES) -> None:
        """Raises ImportError where Triton is not installed. chunk_frames: of one recording."""
        from tacotron2 import kernels
        self.kernels = kernels
        self.chunk_frames = chunk_frames
        self.chunks: dict[tuple, LstmChunk] = {}
        self.pool = torch.cuda.graph_pool_handle() if torch.cuda.is_available() else None

    def attention(self, gates: Tensor, memory: Tensor, processed_memory: Tensor, weight: Tensor, query_weight: Tensor,
                  location_weight: Tensor, v: Tensor, lengths: Tensor, keep: Tensor | None = None,
                  keep_probability: float = 1.0) -> tuple[Tensor, Tensor]:
        """See PlainRecurrence.attention. There are no second derivatives."""
        (_, B, width), (_, N, E), (taps, A) = gates.shape, memory.shape, location_weight.shape
        sizes = (B, -(-N // SYMBOL_STEP) * SYMBOL_STEP, width // 4, E, A, taps // 2)
        assert all(size >= 16 and size & (size - 1) == 0 for size in sizes[2:5]) and sizes[5] % 2, sizes
        with torch.cuda.device_of(gates), torch.autocast(gates.device.type, enabled=False):
            chunk = self._chunk(AttentionChunk, sizes, gates)
            return _Attention.apply(chunk, gates, memory, processed_memory, weight, query_weight, location_weight, v,
                                    lengths, keep, keep_probability)

    def lstm(self, gates: Tensor, weight: Tensor, keep: Tensor | None = None,
             keep_probability: float = 1.0) -> Tensor:
        """See PlainRecurrence.lstm."""
        H = weight.shape[1]
        assert H >= 16 and H & (H - 1) == 0, H
        with torch.cuda.device_of(gates), torch.autocast(gates.device.type, enabled=False):
            chunk = self._chunk(LstmChunk, (gates.shape[1], H, H), gates)
            return _Lstm.apply(chunk, gates, weight, keep, keep_probability)

    @torch.inference_mode(False)  # the buffers outlive the call, and later ones must be able to write to them
    @torch.no_grad()
    def _chunk(self, kind: type[LstmChunk], sizes: tuple[int, ...], gates: Tensor) -> LstmChunk:
        """Returns the buffers and recorded kernels for these sizes, made at their first use."""
        key = (kind, sizes, gates.dtype, gates.device)
        if key not in self.chunks:
            chunk = kind(self.kernels, self.chunk_frames, *sizes, like=gates)
            if gates.is_cuda:
                chunk.record(self.pool)
            self.chunks[key] = chunk
        return self.chunks[key]
