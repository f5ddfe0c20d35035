"""The two true recurrences of Tacotron2's decoder under teacher forcing, by ordinary torch operations.

One is attention LSTM -> location-sensitive attention -> attention LSTM (Chorowski et al. 2015, arXiv 1506.07503; Shen
et al. 2018, arXiv 1712.05884), the other the decoder LSTM with NVIDIA's dropout on its recurrent state. All else in the
decoder is a large product before or after them: the prenet's part of the attention LSTM's input is known beforehand,
because the targets are, and the decoder LSTM does not feed back into the attention.

`fused.FusedRecurrence` computes the same with hand-written kernels. Both have the two methods of `PlainRecurrence`.

Axes: B batch, T mel frames, N text symbols, H LSTM units, E encoder features, A attention units, K taps of the
location convolution. Gates are in torch's order: input, forget, cell, output.
"""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class AttentionWeights(NamedTuple):
    """Weights of the attention recurrence; their dtypes may differ."""
    weight: Tensor  # (4H, E + H): columns of the context, then of the hidden state
    query_weight: Tensor  # (A, H)
    location_weight: Tensor  # (2K, A), see fold_location
    v: Tensor  # (A,)


class AttentionState(NamedTuple):
    """The state of the attention recurrence between two frames."""
    state: Tensor  # (B, E + H), dtype of the gates: context, then hidden state after dropout
    cell: Tensor  # (B, H) float32
    alignment: Tensor  # (B, N) float32, rows sum to 1, 0 on padding; all 0 before the first step
    cumulative: Tensor  # (B, N) float32, the sum of all alignments so far


def fold_location(convolution: Tensor, dense: Tensor) -> Tensor:
    """Fuses the location convolution (F, 2, K) and the dense layer (A, F) after it into one matrix (2K, A).

    Row channel * K + tap; channel 0 reads the previous alignment, channel 1 the cumulative one.
    """
    return (dense @ convolution.flatten(1)).t()


def lstm_cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Applies an LSTM's nonlinearities: gates (B, 4H), cell (B, H) -> hidden state, new cell, both (B, H) float32."""
    input_gate, forget_gate, candidate, output_gate = gates.float().chunk(4, 1)
    cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * candidate.tanh()
    return output_gate.sigmoid() * cell.tanh(), cell


def apply_dropout(hidden: Tensor, keep: Tensor | None, keep_probability: float) -> Tensor:
    """Applies a dropout mask of the shape of `hidden`, 1 where a unit is kept; None changes nothing."""
    return hidden if keep is None else hidden * keep * (1 / keep_probability)


def initial_attention(memory: Tensor, hidden_size: int, dtype: torch.dtype) -> AttentionState:
    """Returns the all-zero state before the first frame, for memory (B, N, E)."""
    B, N, E = memory.shape
    return AttentionState(memory.new_zeros(B, E + hidden_size, dtype=dtype),
                          memory.new_zeros(B, hidden_size, dtype=torch.float32),
                          memory.new_zeros(B, N, dtype=torch.float32), memory.new_zeros(B, N, dtype=torch.float32))


def attention_step(last: AttentionState, gates: Tensor, memory: Tensor, processed_memory: Tensor,
                   weights: AttentionWeights, mask: Tensor, keep: Tensor | None = None,
                   keep_probability: float = 1.0) -> AttentionState:
    """Computes one frame of the attention recurrence: attention LSTM, query, location-sensitive weights, context.

    gates (B, 4H): the prenet's part of the LSTM's input, both biases included; memory (B, N, E); processed_memory
    (B, N, A); mask (B, N) bool, False on padding. The products run in the gates' dtype, all else in float32.
    """
    hidden, cell = lstm_cell(torch.addmm(gates, last.state, weights.weight.to(gates.dtype).t()), last.cell)
    hidden = apply_dropout(hidden, keep, keep_probability).to(gates.dtype)
    taps = weights.location_weight.float().t().unflatten(1, (2, -1))  # (A, 2, K)
    location = F.conv1d(torch.stack((last.alignment, last.cumulative), 1), taps, padding=taps.shape[2] // 2)
    query = hidden @ weights.query_weight.to(gates.dtype).t()
    inner = torch.tanh(location.transpose(1, 2) + query.float()[:, None] + processed_memory.float())  # (B, N, A)
    energies = (inner @ weights.v.float()).masked_fill(~mask, -torch.inf)
    alignment = energies.softmax(1)
    context = torch.bmm(alignment.to(memory.dtype)[:, None], memory)[:, 0]
    return AttentionState(torch.cat((context.to(gates.dtype), hidden), 1), cell, alignment, last.cumulative + alignment)


class PlainRecurrence:
    """Both recurrences, frame by frame, with gradients by autograd. Works on every device; slow on a GPU."""

    def attention(self, gates: Tensor, memory: Tensor, processed_memory: Tensor, weight: Tensor,
                  query_weight: Tensor, location_weight: Tensor, v: Tensor, lengths: Tensor,
                  keep: Tensor | None = None, keep_probability: float = 1.0) -> tuple[Tensor, Tensor]:
        """Runs the attention LSTM and its attention over all frames.

        gates (T, B, 4H): the prenet's part of the LSTM's input product, both biases included; memory (B, N, E);
        processed_memory (B, N, A); weight, query_weight, location_weight, v: see AttentionWeights; lengths (B,)
        int64, symbols of each row, at least 1; keep (T, B, H) uint8, 1 where dropout keeps a unit, or None for no
        dropout; keep_probability: what kept units are divided by. Gates in bfloat16 make the products bfloat16; cell
        state, softmax and alignments are float32 in any case.
        Returns states (T, B, E + H), context and hidden state after dropout, in the gates' dtype, and alignments
        (T, B, N) float32, 0 on padding.
        """
        mask = torch.arange(memory.shape[1], device=memory.device)[None] < lengths[:, None]
        weights = AttentionWeights(weight.to(gates.dtype), query_weight.to(gates.dtype), location_weight, v)
        memory = memory.to(gates.dtype)
        states, alignments = [], []
        with torch.autocast(gates.device.type, enabled=False):  # the dtypes are explicit here
            step = initial_attention(memory, gates.shape[2] // 4, gates.dtype)
            for t, frame in enumerate(gates):
                step = attention_step(step, frame, memory, processed_memory, weights, mask,
                                      None if keep is None else keep[t], keep_probability)
                states.append(step.state)
                alignments.append(step.alignment)
        return torch.stack(states), torch.stack(alignments)

    def lstm(self, gates: Tensor, weight: Tensor, keep: Tensor | None = None,
             keep_probability: float = 1.0) -> Tensor:
        """Runs an LSTM with dropout on its recurrent state.

        gates (T, B, 4H): the whole input product, both biases included; weight (4H, H); keep as in `attention`.
        Returns hidden states after dropout (T, B, H) in the gates' dtype.
        """
        weight = weight.to(gates.dtype)
        hidden = gates.new_zeros(gates.shape[1], weight.shape[1])
        cell = hidden.float()
        states = []
        with torch.autocast(gates.device.type, enabled=False):
            for t, frame in enumerate(gates):
                hidden, cell = lstm_cell(torch.addmm(frame, hidden, weight.t()), cell)
                hidden = apply_dropout(hidden, None if keep is None else keep[t], keep_probability).to(gates.dtype)
                states.append(hidden)
        return torch.stack(states)


PLAIN = PlainRecurrence()
