"""A chunk of frames of the decoder's recurrences over static buffers, recorded once as CUDA graphs.

Used by `fused.py`. Axes as in `recurrence.py`.
"""
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

BLOCK = 32  # symbols for each Triton program
CONTEXT_BLOCK = 64  # the same for the context, which needs fewer registers
SPLITS = 2  # programs for each row in the backward pass of the energies
FRAME_PARTS = 4  # programs that share the frames of one block in the sums after the loop


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def fill(buffer: Tensor, frames: Tensor) -> None:
    """Copies frames to the front of a buffer and sets the rest to 0, so that unused frames get no gradient."""
    buffer[:len(frames)].copy_(frames)
    buffer[len(frames):].zero_()


def take(frames: Tensor, buffer: Tensor) -> None:
    """Copies the front of a buffer to `frames`."""
    frames.copy_(buffer[:len(frames)])


class LstmChunk:
    """Static buffers for some frames of an LSTM with B rows and H units, and its recorded loops.

    Buffers with frames + 1 entries begin with the state before the first frame.
    """

    def __init__(self, kernels: Any, frames: int, B: int, H: int, width: int, like: Tensor) -> None:
        """width: of the recurrent input, at least H; its last H columns are the hidden state."""
        self.kernels, self.frames, self.block = kernels, frames, min(512, H)
        self.launch = (B, H // self.block)
        self.gates = like.new_zeros(frames, B, 4 * H)
        self.states = like.new_zeros(frames + 1, B, width)
        self.cells = like.new_zeros(frames + 1, B, H, dtype=torch.float32)
        self.keep = like.new_zeros(frames, B, H, dtype=torch.uint8)
        self.scale = like.new_zeros(1, dtype=torch.float32)  # 1 / keep probability
        self.weight = like.new_zeros(4 * H, width)
        self.d_states = like.new_zeros(frames, B, width)  # gradients from the loss
        self.d_state = like.new_zeros(B, width)  # gradient from the next frame
        self.d_cell = like.new_zeros(B, H, dtype=torch.float32)
        self.carried = [self.states, self.cells]
        self.carried_back = [self.d_state, self.d_cell]
        self.forward: Callable[[], None] = self.run_forward
        self.backward: Callable[[], None] = self.run_backward

    def record(self, pool: Any) -> None:
        """Records `forward` and `backward` as CUDA graphs. pool: memory that graphs share.

        Both run once before on a side stream, so that all kernels are compiled and cuBLAS is set up.
        """
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.run_forward()
            self.run_backward()
        torch.cuda.current_stream().wait_stream(side)
        graphs = []
        for run in (self.run_forward, self.run_backward):
            graphs.append(torch.cuda.CUDAGraph())
            # other threads (data loading, NCCL's watchdog) may call CUDA meanwhile
            with torch.cuda.graph(graphs[-1], pool=pool, capture_error_mode="thread_local"):
                run()
        self.forward, self.backward = graphs[0].replay, graphs[1].replay

    def begin(self, weight: Tensor, keep: Tensor | None, keep_probability: float) -> None:
        """Copies the weights of a call into the buffers and sets the states at both ends to 0."""
        self.weight.copy_(weight)
        self.scale.fill_(1.0 if keep is None else 1 / keep_probability)
        for buffer in itertools.chain((buffer[-1] for buffer in self.carried), self.carried_back):
            buffer.zero_()

    def fill_keep(self, keep: Tensor | None, span: slice) -> None:
        """Copies the dropout mask (T, B, H) of a span of frames; None keeps every unit."""
        if keep is None:
            self.keep.fill_(1)
        else:
            fill(self.keep, keep[span])

    def run_forward(self) -> None:
        """Computes the chunk's frames from the end of the chunk before: gates (then totals), states and cells."""
        for buffer in self.carried:
            buffer[0].copy_(buffer[-1])
        for t in range(self.frames):
            self.forward_frame(t)

    def run_backward(self) -> None:
        """Replaces the gates' totals by their gradients, from cells and d_states."""
        for t in reversed(range(self.frames)):
            self.backward_frame(t)

    def forward_frame(self, t: int) -> None:
        """Computes frame t of `run_forward`."""
        H = self.cells.shape[2]
        self.gates[t].addmm_(self.states[t], self.weight.t())
        hidden = self.states[t + 1][:, -H:]
        self.kernels.cell_forward[self.launch](
            self.gates[t], self.cells[t], self.cells[t + 1], self.keep[t], self.scale, hidden, hidden.stride(0),
            H=H, BLOCK=self.block)

    def backward_frame(self, t: int) -> None:
        """Computes frame t of `run_backward`."""
        H = self.cells.shape[2]
        d_hidden, d_output = self.d_state[:, -H:], self.d_states[t][:, -H:]
        self.kernels.cell_backward[self.launch](
            self.gates[t], self.cells[t], self.cells[t + 1], self.keep[t], self.scale, d_hidden, d_hidden.stride(0),
            d_output, d_output.stride(0), self.d_cell, H=H, BLOCK=self.block)
        torch.mm(self.gates[t], self.weight, out=self.d_state)


class AttentionChunk(LstmChunk):
    """An LstmChunk with attention after each frame; a state is [context | hidden state]."""

    def __init__(self, kernels: Any, frames: int, B: int, N: int, H: int, E: int, A: int, K: int,
                 like: Tensor) -> None:
        super().__init__(kernels, frames, B, H, E + H, like)
        self.sizes: dict[str, Any] = {"A": A, "K": K, "ROWS": max(16, _power_of_two(2 * K)), "BLOCK": BLOCK,
                      "PRECISION": "ieee" if like.dtype == torch.float32 else "tf32"}
        self.E, self.N, self.part, self.n_blocks = E, N, min(128, E), -(-N // BLOCK)
        rows = self.sizes["ROWS"]
        exact = {"dtype": torch.float32}
        self.memory = like.new_zeros(B, N, E)
        self.processed = like.new_zeros(B, N, A)
        self.query_weight = like.new_zeros(SPLITS, A, H)  # repeated: one product sums the parts of the query's gradient
        self.location = like.new_zeros(rows, A, **exact)
        self.v = like.new_zeros(A, **exact)
        self.lengths = like.new_ones(B, dtype=torch.int32)
        self.queries = like.new_zeros(frames, B, A)
        self.history = like.new_zeros(frames + 1, B, 2, N, **exact)  # the alignment, and the sum of all so far
        self.energies = like.new_zeros(B, N, **exact)
        self.d_alignments = like.new_zeros(frames, B, N, **exact)  # gradients from the loss
        self.d_alignment = like.new_zeros(B, N, **exact)
        self.d_cumulative = like.new_zeros(B, N, **exact)
        self.d_window = like.new_zeros(B, N, rows, **exact)
        self.d_energies = like.new_zeros(frames, B, N, **exact)
        self.d_queries = like.new_zeros(frames, B, SPLITS, A)
        self.d_contexts = like.new_zeros(frames, B, E)
        self.carried.append(self.history)
        self.carried_back += [self.d_cumulative, self.d_window]

    def begin_text(self, memory: Tensor, processed_memory: Tensor, query_weight: Tensor, location_weight: Tensor,
                   v: Tensor, lengths: Tensor) -> None:
        """Copies the texts of a call, which may be shorter than N, and the attention's weights into the buffers."""
        self.memory[:, :memory.shape[1]].copy_(memory)
        self.processed[:, :memory.shape[1]].copy_(processed_memory)
        self.query_weight.copy_(query_weight)
        fill(self.location, location_weight)
        self.v.copy_(v)
        self.lengths.copy_(lengths)

    def forward_frame(self, t: int) -> None:
        """Computes frame t of `run_forward`: the LSTM, then the attention."""
        super().forward_frame(t)
        B = len(self.lengths)
        torch.mm(self.states[t + 1][:, self.E:], self.query_weight[0].t(), out=self.queries[t])
        self.kernels.attention_energies[(B, self.n_blocks)](
            self.queries[t], self.processed, self.location, self.v, self.lengths, self.history[t], self.energies,
            self.N, **self.sizes)
        self.kernels.attention_context[(B, self.E // self.part)](
            self.energies, self.memory, self.lengths, self.history[t], self.history[t + 1], self.states[t + 1],
            self.states.stride(1), self.N, E=self.E, SPAN=_power_of_two(self.N), BLOCK=CONTEXT_BLOCK, PART=self.part)

    def backward_frame(self, t: int) -> None:
        """Computes frame t of `run_backward`: the attention, then the LSTM."""
        B = len(self.lengths)
        K, rows = self.sizes["K"], self.sizes["ROWS"]
        self.kernels.alignment_backward[(B, self.n_blocks)](
            self.d_state, self.d_states[t], self.d_state.stride(0), self.memory, self.lengths, self.d_window,
            self.d_alignments[t], self.d_cumulative, self.d_alignment, self.d_contexts[t], self.N,
            E=self.E, K=K, ROWS=rows, TAPS=_power_of_two(K), BLOCK=BLOCK, num_warps=8)
        self.kernels.energies_backward[(B, SPLITS)](
            self.queries[t], self.processed, self.location, self.v, self.lengths, self.history[t],
            self.history[t + 1], self.d_alignment, self.d_window, self.d_energies[t], self.d_queries[t], self.N,
            SPAN=_power_of_two(self.N), SPLITS=SPLITS, num_warps=8, **self.sizes)
        self.d_state[:, self.E:].addmm_(self.d_queries[t].flatten(1), self.query_weight.flatten(0, 1))
        super().backward_frame(t)

    def sums(self, queries: Tensor, history: Tensor, d_energies: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns gradients of processed memory (B, N, A), location weight (2K, A) and v (A,), float32, all frames.

        queries (T, B, A), history (T, B, 2, N) as each frame read it, d_energies (T, B, N).
        """
        T, B, N = d_energies.shape
        A, rows = self.sizes["A"], self.sizes["ROWS"]
        new = self.v.new_empty
        d_processed = new(FRAME_PARTS, B, N, A)
        d_location = new(FRAME_PARTS, B, self.n_blocks, rows, A)
        d_v = new(FRAME_PARTS, B, self.n_blocks, A)
        self.kernels.attention_sums[(B, self.n_blocks, FRAME_PARTS)](
            queries, self.processed, self.location, self.v, self.lengths, history, d_energies, d_processed,
            d_location, d_v, T, N, num_warps=8, **self.sizes)
        return d_processed.sum(0), d_location.sum((0, 1, 2))[:2 * self.sizes["K"]], d_v.sum((0, 1, 2))
