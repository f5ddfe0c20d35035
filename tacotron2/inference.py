"""Free-running decoding: each frame is predicted from the frames before it, until each row's own stop.

Frames are made in blocks of BLOCK steps: after each block, one look at the device tells whether all rows have stopped.
On CUDA the first block runs as ordinary calls, the rest as replays of a CUDA graph of the same function.

Axes: B batch, N text symbols, T mel frames, M mel bands, P prenet units, H LSTM units, E encoder features.
"""
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tacotron2.decoder import Decoder
from tacotron2.recurrence import AttentionState, attention_step, initial_attention, lstm_cell

BLOCK = 16  # steps between two looks at the device


class DecoderState(NamedTuple):
    """The input of a step from the step before."""
    attention: AttentionState
    hidden: Tensor  # (B, H) of the decoder LSTM
    cell: Tensor  # (B, H)
    frame: Tensor  # (B, M)

    def tensors(self) -> tuple[Tensor, ...]:
        """Returns all tensors in a fixed order."""
        return *self.attention, self.hidden, self.cell, self.frame


class DecodedFrames(NamedTuple):
    """The output of some steps."""
    frames: Tensor  # (steps, B, M), before the postnet
    gate_logits: Tensor  # (steps, B)
    alignments: Tensor  # (steps, B, N)


def draw_dropout_bits(generators: list[torch.Generator], steps: int, prenet_dim: int) -> Tensor:
    """Draws random bits for the prenet's dropout: (B, steps, bytes) uint8 on the CPU.

    Each row's bits come from its own generator, step by step, in 64-bit words, two layers' worth a step. So a row is
    the same whatever its neighbours, the batch size and the number of steps drawn.
    """
    words = -(-2 * prenet_dim // 64)
    rows = [torch.empty(steps, words, dtype=torch.int64).random_(-2**63, None, generator=generator)
            for generator in generators]  # from -2**63 with no end: all 64 bits
    return torch.stack(rows).view(torch.uint8)


def unpack_dropout(bits: Tensor, prenet_dim: int) -> Tensor:
    """Converts bits (B, steps, bytes) uint8 to the prenet's factors (steps, 2, B, P) float32: 2 (kept) or 0."""
    shifts = torch.arange(8, device=bits.device, dtype=torch.uint8)
    flat = ((bits[..., None] >> shifts) & 1).flatten(2)[..., :2 * prenet_dim]  # (B, steps, 2 * P)
    return 2 * flat.unflatten(2, (2, prenet_dim)).permute(1, 2, 0, 3).float()


class DecoderLoop:
    """The decoder's steps over fixed state tensors, so that a block of them can be captured as a CUDA graph."""

    def __init__(self, decoder: Decoder, memory: Tensor, mask: Tensor) -> None:
        """memory: (B, N, E) encoder outputs; mask: (B, N)."""
        self.prenet = decoder.prenet
        self.memory, self.mask = memory, mask
        self.processed_memory = decoder.attention_layer.memory_layer(memory)
        self.prenet_product = decoder.prenet_product()
        self.attention_weights = decoder.attention_weights()
        state_weight, self.bias = decoder.state_product()
        self.weight = torch.cat((state_weight, decoder.decoder_rnn.weight_hh), 1)
        self.output_product = decoder.output_product()
        B, H, config = memory.shape[0], decoder.config.decoder_rnn_dim, decoder.config
        self.state = DecoderState(initial_attention(memory, config.attention_rnn_dim, memory.dtype),
                                  memory.new_zeros(B, H), memory.new_zeros(B, H), memory.new_zeros(B, config.n_mels))

    def step(self, state: DecoderState, keep: Tensor) -> tuple[DecoderState, Tensor]:
        """Decodes one frame with dropout factors keep (2, B, P). Returns the next state and gate logits (B,)."""
        gates = F.linear(self.prenet(state.frame, keep), *self.prenet_product)
        attention = attention_step(state.attention, gates, self.memory, self.processed_memory, self.attention_weights,
                                   self.mask)
        gates = F.linear(torch.cat((attention.state, state.hidden), 1), self.weight, self.bias)
        hidden, cell = lstm_cell(gates, state.cell)
        context = attention.state[:, :self.memory.shape[2]]
        output = F.linear(torch.cat((hidden, context), 1), *self.output_product)  # (B, M + 1)
        return DecoderState(attention, hidden, cell, output[:, :-1]), output[:, -1]

    def run(self, keep: Tensor) -> DecodedFrames:
        """Runs a block of steps, keep (BLOCK, 2, B, P), and writes the new state into the fixed state tensors."""
        state, frames, gate_logits, alignments = self.state, [], [], []
        for step_keep in keep:
            state, gate = self.step(state, step_keep)
            frames.append(state.frame)
            gate_logits.append(gate)
            alignments.append(state.attention.alignment)
        block = DecodedFrames(torch.stack(frames), torch.stack(gate_logits), torch.stack(alignments))
        for old, new in zip(self.state.tensors(), state.tensors()):
            old.copy_(new)
        return block

    def capture(self, keep: Tensor) -> Callable[[Tensor], DecodedFrames]:
        """Returns a CUDA graph of `run` for this shape of keep. `run` must have run once before, to set up cuBLAS."""
        keep, graph = keep.clone(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            block = self.run(keep)

        def replay(new_keep: Tensor) -> DecodedFrames:
            keep.copy_(new_keep)
            graph.replay()
            return DecodedFrames(*(tensor.clone() for tensor in block))
        return replay


def decode(decoder: Decoder, memory: Tensor, mask: Tensor, generators: list[torch.Generator], max_steps: int,
           gate_threshold: float) -> tuple[DecodedFrames, Tensor]:
    """Decodes until every row's gate has fired, or for max_steps steps rounded up to whole blocks.

    memory (B, N, E), mask (B, N); generators: one on the CPU for each row, advanced by max_steps steps rounded up.
    Returns all frames, and (B,) int64 the step, from 1, on which each row's gate first fired; max_steps + 1 for never.
    """
    loop, prenet_dim, device = DecoderLoop(decoder, memory, mask), decoder.config.prenet_dim, memory.device
    bits = draw_dropout_bits(generators, -(-max_steps // BLOCK) * BLOCK, prenet_dim).to(device, non_blocking=True)
    fired = torch.full((len(generators),), max_steps + 1, device=device)
    steps = torch.arange(1, BLOCK + 1, device=device)[:, None]
    blocks: list[DecodedFrames] = []
    run: Callable[[Tensor], DecodedFrames] = loop.run
    for start in range(0, max_steps, BLOCK):
        keep = unpack_dropout(bits[:, start:start + BLOCK], prenet_dim)
        if start == BLOCK and bits.is_cuda:
            run = loop.capture(keep)
        blocks.append(run(keep))
        firing = torch.sigmoid(blocks[-1].gate_logits) > gate_threshold
        fired = torch.minimum(fired, torch.where(firing, start + steps, max_steps + 1).amin(0))
        if bool((fired <= max_steps).all()):
            break
    return DecodedFrames(*(torch.cat(parts) for parts in zip(*blocks))), fired
