"""Free-running Tacotron 2: the network reads a batch of texts by itself, each row up to its own stop.

Frames are made in blocks of BLOCK steps: one look at the device a block tells whether all rows have stopped. On CUDA
the first block runs as ordinary calls, the rest as replays of one CUDA graph of the very same function.

Axes: B batch, N text symbols, T mel frames, M mel bands, P prenet units, H LSTM units, E encoder features.
"""
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tacotron2.recurrence import Attention, attention_step, first_attention, lstm_cell

if TYPE_CHECKING:
    from tacotron2.model import Decoder, Tacotron2

BLOCK = 16  # steps between two looks at the device


class Tacotron2Inference(NamedTuple):
    """What a free-running reading gives; T is the longest row's length, values beyond a row's length are 0."""
    mel: Tensor  # (B, M, T) float32, after the postnet
    mel_lengths: Tensor  # (B,) int64 frames, the one on which the gate fired included
    alignments: Tensor  # (B, T, N) float32, each real frame sums to 1
    encoder_outputs: Tensor  # (B, N, E) float32
    stopped: Tensor  # (B,) bool, False where max_steps ended the row


class State(NamedTuple):
    """What one step hands to the next."""
    attention: Attention
    hidden: Tensor  # (B, H) of the decoder LSTM
    cell: Tensor  # (B, H)
    frame: Tensor  # (B, M), the frame before

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors in a fixed order."""
        return *self.attention, self.hidden, self.cell, self.frame


class Block(NamedTuple):
    """What BLOCK steps give."""
    frames: Tensor  # (BLOCK, B, M), before the postnet
    gate_logits: Tensor  # (BLOCK, B)
    alignments: Tensor  # (BLOCK, B, N)


def draw_keep_bits(generators: list[torch.Generator], steps: int, prenet_dim: int) -> Tensor:
    """Random bits for the prenet's dropout: (B, steps, bytes) uint8 on the CPU.

    Each row's bits come from its own generator, step after step, in 64-bit words, two layers' worth a step: so a row
    reads the same whatever its neighbours, the batch size and the number of steps drawn.
    """
    words = -(-2 * prenet_dim // 64)
    rows = [torch.empty(steps, words, dtype=torch.int64).random_(-2**63, None, generator=generator)
            for generator in generators]  # from -2**63 with no end: all 64 bits
    return torch.stack(rows).view(torch.uint8)


def unpack_keep(bits: Tensor, prenet_dim: int) -> Tensor:
    """Bits (B, steps, bytes) uint8 -> what the prenet multiplies by, (steps, 2, B, P) float32: 2 (kept) or 0."""
    shifts = torch.arange(8, device=bits.device, dtype=torch.uint8)
    flat = ((bits[..., None] >> shifts) & 1).flatten(2)[..., :2 * prenet_dim]  # (B, steps, 2 * P)
    return 2 * flat.unflatten(2, (2, prenet_dim)).permute(1, 2, 0, 3).float()


class DecoderLoop:
    """The decoder's steps over fixed state tensors, so that a block of them can be captured as a CUDA graph."""

    def __init__(self, decoder: "Decoder", memory: Tensor, mask: Tensor) -> None:
        self.prenet = decoder.prenet
        self.memory, self.mask = memory, mask
        self.processed_memory = decoder.attention_layer.memory_layer(memory)
        self.prenet_product = decoder.prenet_product()
        self.attention_weights = decoder.attention_weights()
        state_weight, self.bias = decoder.state_product()
        self.weight = torch.cat((state_weight, decoder.decoder_rnn.weight_hh), 1)
        self.output_product = decoder.output_product()
        B, H, config = memory.shape[0], decoder.config.decoder_rnn_dim, decoder.config
        self.state = State(first_attention(memory, config.attention_rnn_dim, memory.dtype), memory.new_zeros(B, H),
                           memory.new_zeros(B, H), memory.new_zeros(B, config.n_mels))

    def step(self, state: State, keep: Tensor) -> tuple[State, Tensor]:
        """One frame: keep (2, B, P) as unpack_keep gives it -> the next state and the gate's logits (B,)."""
        gates = F.linear(self.prenet(state.frame, keep), *self.prenet_product)
        attention = attention_step(state.attention, gates, self.memory, self.processed_memory, self.attention_weights,
                                   self.mask)
        gates = F.linear(torch.cat((attention.state, state.hidden), 1), self.weight, self.bias)
        hidden, cell = lstm_cell(gates, state.cell)
        context = attention.state[:, :self.memory.shape[2]]
        output = F.linear(torch.cat((hidden, context), 1), *self.output_product)  # (B, M + 1)
        return State(attention, hidden, cell, output[:, :-1]), output[:, -1]

    def run(self, keep: Tensor) -> Block:
        """A block of steps, keep (BLOCK, 2, B, P); leaves the new state in the fixed tensors of the old."""
        state, frames, gate_logits, alignments = self.state, [], [], []
        for step_keep in keep:
            state, gate = self.step(state, step_keep)
            frames.append(state.frame)
            gate_logits.append(gate)
            alignments.append(state.attention.alignment)
        block = Block(torch.stack(frames), torch.stack(gate_logits), torch.stack(alignments))
        for old, new in zip(self.state.tensors(), state.tensors()):
            old.copy_(new)
        return block

    def capture(self, keep: Tensor) -> Callable[[Tensor], Block]:
        """The same as `run` for keep of this shape, as a CUDA graph; `run` must have run once (it warms up cuBLAS)."""
        keep, graph = keep.clone(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            block = self.run(keep)

        def replay(new_keep: Tensor) -> Block:
            keep.copy_(new_keep)
            graph.replay()
            return Block(*(tensor.clone() for tensor in block))
        return replay


def _run_to_stop(loop: DecoderLoop, bits: Tensor, prenet_dim: int, max_steps: int,
                 gate_threshold: float) -> tuple[Block, Tensor]:
    """Runs until every row's gate has fired, or for max_steps steps rounded up to whole blocks.

    Returns all frames, and the step (from 1) on which each row's gate first fired, (B,) int64, max_steps + 1 for never.
    """
    fired = torch.full((bits.shape[0],), max_steps + 1, device=bits.device)
    steps = torch.arange(1, BLOCK + 1, device=bits.device)[:, None]
    blocks, run = [], loop.run
    for start in range(0, max_steps, BLOCK):
        keep = unpack_keep(bits[:, start:start + BLOCK], prenet_dim)
        if start == BLOCK and bits.is_cuda:
            run = loop.capture(keep)
        blocks.append(run(keep))
        firing = torch.sigmoid(blocks[-1].gate_logits) > gate_threshold
        fired = torch.minimum(fired, torch.where(firing, start + steps, max_steps + 1).amin(0))
        if bool((fired <= max_steps).all()):
            break
    return Block(*(torch.cat(parts) for parts in zip(*blocks))), fired


@torch.no_grad()
def infer(model: "Tacotron2", ids: Tensor, id_lengths: Tensor, generators: list[torch.Generator], max_steps: int,
          gate_threshold: float) -> Tacotron2Inference:
    """Reads a batch of texts, each row until sigmoid(gate) > gate_threshold or for max_steps frames.

    ids (B, N) int64; id_lengths (B,) int64, at least 1; generators: a CPU generator for each row, for the prenet's
    dropout (it is left advanced by max_steps steps). A row's result is the same, up to rounding, in any batch.
    """
    assert not model.training, "call eval() first: dropout and batch norm must be in inference mode"
    assert len(generators) == len(ids) and max_steps > 0
    prenet_dim = model.config.prenet_dim
    blocks = -(-max_steps // BLOCK)
    bits = draw_keep_bits(generators, blocks * BLOCK, prenet_dim).to(ids.device, non_blocking=True)
    with torch.autocast(ids.device.type, enabled=False), torch.cuda.device_of(ids):
        memory, id_mask = model.encode(ids, id_lengths)
        result, fired = _run_to_stop(DecoderLoop(model.decoder, memory, id_mask), bits, prenet_dim, max_steps,
                                     gate_threshold)
        lengths = fired.clamp(max=max_steps)
        T = int(lengths.max())
        mask = torch.arange(T, device=ids.device)[None] < lengths[:, None]
        mel = result.frames[:T].permute(1, 2, 0).masked_fill(~mask[:, None], 0)  # (B, M, T)
        alignments = result.alignments[:T].transpose(0, 1).masked_fill(~mask[:, :, None], 0)  # (B, T, N)
        return Tacotron2Inference(mel + model.postnet(mel, mask), lengths, alignments, memory, fired <= max_steps)
