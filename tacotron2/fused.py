"""The decoder's recurrences for training on a GPU: hand-written forward and backward, replayed as CUDA graphs.

The same functions as `recurrence.PlainRecurrence` computes, but a frame costs no more than its two or three cuBLAS
products and the few kernels of `kernels.py` between them, launched without Python:

- The loop holds only what truly recurs. Gradients that are sums over frames (all weights, memory and processed
  memory) are large products after it.
- A chunk of frames over static buffers is recorded once as a CUDA graph and replayed along the utterance; the frames
  are copied in and out around each replay, which costs little beside it. So one recording serves every T and
  memory does not grow with the number of shapes; what one call keeps for its backward is ordinary tensors, and calls
  are independent of one another as anywhere in torch.
- The gates gather in one buffer: the input's part, then the total of all products, then its gradient.

Triton comes with torch on Linux with CUDA; it is imported when a FusedRecurrence is made.
"""
from typing import Any

import torch
from torch import Tensor

from hparams import Tacotron2Config
from runtime.fast_path import disagreement, first_that_agrees, relative_errors
from tacotron2.chunks import AttentionChunk, LstmChunk, fill, take
from tacotron2.recurrence import PLAIN, PlainRecurrence

CHUNK_FRAMES = 32  # frames of one recording
SYMBOL_STEP = 64  # texts are padded to a multiple of this, to share recordings
ERROR_FACTOR = 2.0  # of the plain path's own rounding error, allowed to the fused one at the check
ERROR_FLOOR = 3e-3  # relative error that is allowed in any case: TF32 products inside the kernels


def _spans(total: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, total)) for first in range(0, total, size)]


def _with_one_more(span: slice) -> slice:
    return slice(span.start, span.stop + 1)


class _Lstm(torch.autograd.Function):
    """PlainRecurrence.lstm, chunk by chunk; backwards the chunks come in reverse."""

    @staticmethod
    def forward(ctx: Any, chunk: LstmChunk, gates: Tensor, weight: Tensor, keep: Tensor | None,
                keep_probability: float) -> Tensor:
        """Takes and returns what PlainRecurrence.lstm does, and its chunk."""
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
        """The gradients of `forward`'s arguments, in their order, from that of the states."""
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
    """PlainRecurrence.attention, chunk by chunk; sums over all frames are taken after the last chunk."""

    @staticmethod
    def forward(ctx: Any, chunk: AttentionChunk, gates: Tensor, memory: Tensor, processed_memory: Tensor,
                weight: Tensor, query_weight: Tensor, location_weight: Tensor, v: Tensor, lengths: Tensor,
                keep: Tensor | None, keep_probability: float) -> tuple[Tensor, Tensor]:
        """Takes and returns what PlainRecurrence.attention does, and its chunk."""
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
        """The gradients of `forward`'s arguments, in their order, from those of states and alignments."""
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
    """The two methods of `PlainRecurrence`, fused. Made for CUDA; runs elsewhere only by Triton's interpreter.

    H, E and A must be powers of two of 16 or more, K odd. The first call with a new number of rows, or texts of another
    multiple of SYMBOL_STEP, takes a second or so more than later ones, to record.
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
        """As PlainRecurrence.attention. Second derivatives are not to be had."""
        (_, B, width), (_, N, E), (taps, A) = gates.shape, memory.shape, location_weight.shape
        sizes = (B, -(-N // SYMBOL_STEP) * SYMBOL_STEP, width // 4, E, A, taps // 2)
        assert all(size >= 16 and size & (size - 1) == 0 for size in sizes[2:5]) and sizes[5] % 2, sizes
        with torch.cuda.device_of(gates), torch.autocast(gates.device.type, enabled=False):
            chunk = self._chunk(AttentionChunk, sizes, gates)
            return _Attention.apply(chunk, gates, memory, processed_memory, weight, query_weight, location_weight, v,
                                    lengths, keep, keep_probability)

    def lstm(self, gates: Tensor, weight: Tensor, keep: Tensor | None = None,
             keep_probability: float = 1.0) -> Tensor:
        """As PlainRecurrence.lstm."""
        H = weight.shape[1]
        assert H >= 16 and H & (H - 1) == 0, H
        with torch.cuda.device_of(gates), torch.autocast(gates.device.type, enabled=False):
            chunk = self._chunk(LstmChunk, (gates.shape[1], H, H), gates)
            return _Lstm.apply(chunk, gates, weight, keep, keep_probability)

    @torch.inference_mode(False)  # the buffers outlive the call, and later ones must be able to write to them
    @torch.no_grad()
    def _chunk(self, kind: type[LstmChunk], sizes: tuple[int, ...], gates: Tensor) -> LstmChunk:
        key = (kind, sizes, gates.dtype, gates.device)
        if key not in self.chunks:
            chunk = kind(self.kernels, self.chunk_frames, *sizes, like=gates)
            if gates.is_cuda:
                chunk.record(self.pool)
            self.chunks[key] = chunk
        return self.chunks[key]


def best_recurrence(device: torch.device | str, config: Tacotron2Config,
                    dtype: torch.dtype = torch.bfloat16) -> PlainRecurrence | FusedRecurrence:
    """The fused recurrence if it works on this device and computes what the plain one does, else the plain one.

    On a GPU a fall-back is told in one line. dtype: of the gates in training.
    """
    if torch.device(device).type != "cuda":
        return PLAIN
    return first_that_agrees([FusedRecurrence], lambda fused: discrepancy(fused, device, config, dtype), PLAIN,
                             "fused recurrence", "training by the plain one, many times slower")


def discrepancy(fused: PlainRecurrence | FusedRecurrence, device: torch.device | str, config: Tacotron2Config,
                dtype: torch.dtype) -> str:
    """Compares a recurrence with the plain one on random input, outputs and gradients; returns "" if they agree.

    The truth is the plain path in float32 on the CPU. A tensor's relative error, |found - true| / |true|, may be
    ERROR_FACTOR times that of the plain path in the same dtype on the same device, or ERROR_FLOOR. Otherwise returns
    what differs, and how much.
    """
    true = _trial(PLAIN, config, dtype, torch.float32, "cpu")
    plain = relative_errors(_trial(PLAIN, config, dtype, dtype, device), true)
    allowed = {name: max(ERROR_FACTOR * error, ERROR_FLOOR) for name, error in plain.items()}
    return disagreement(relative_errors(_trial(fused, config, dtype, dtype, device), true), allowed)


def _trial(recurrence: PlainRecurrence | FusedRecurrence, config: Tacotron2Config, rounding: torch.dtype,
           dtype: torch.dtype, device: torch.device | str) -> dict[str, Tensor]:
    """Runs both recurrences and their backward on fixed random numbers; outputs and gradients, float32 on the CPU.

    The inputs are rounded to `rounding` and given as `dtype`, weights as float32. Energies spread by about one: were
    the attention sharp at random, it would be chaotic, and amplify rounding at its whim.
    """
    B, N, T, H, D = 4, SYMBOL_STEP + 6, CHUNK_FRAMES + 8, config.attention_rnn_dim, config.decoder_rnn_dim
    E, A, taps = config.encoder_dim, config.attention_dim, 2 * config.location_kernel_size
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=generator) * scale).to(rounding).float()

    streams = {"gates": normal(T, B, 4 * H), "memory": normal(B, N, E), "processed_memory": normal(B, N, A, scale=0.5)}
    weights = {"weight": normal(4 * H, E + H, scale=(E + H) ** -0.5), "query_weight": normal(A, H, scale=H ** -0.5),
               "location_weight": normal(taps, A, scale=0.1), "v": normal(A, scale=1.5 * A ** -0.5)}
    lstm = {"lstm_gates": normal(T, B, 4 * D), "lstm_weight": normal(4 * D, D, scale=D ** -0.5)}
    outer = {"states": normal(T, B, E + H), "alignments": normal(T, B, N), "hidden": normal(T, B, D)}
    keep, lstm_keep = ((torch.rand(T, B, size, generator=generator) < 0.9).to(device, torch.uint8) for size in (H, D))
    lengths = torch.linspace(1, N, B).long().to(device)
    given = {name: tensor.to(device, torch.float32 if "weight" in name or name == "v" else dtype).requires_grad_()
             for name, tensor in {**streams, **weights, **lstm}.items()}
    states, alignments = recurrence.attention(*(given[name] for name in (*streams, *weights)), lengths, keep, 0.9)
    hidden = recurrence.lstm(given["lstm_gates"], given["lstm_weight"], lstm_keep, 0.9)
    outputs = {"states": states, "alignments": alignments, "hidden": hidden}
    sum((outputs[name].float() * outer[name].to(device)).sum() for name in outer).backward()
    results = {**outputs, **{f"gradient of {name}": tensor.grad for name, tensor in given.items()}}
    return {name: tensor.detach().float().cpu() for name, tensor in results.items()}
