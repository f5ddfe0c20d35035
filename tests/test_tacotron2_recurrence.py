"""The plain recurrences against torch's own LSTM and the attention written out layer by layer."""
import pytest
import torch
from torch import nn

from tacotron2.recurrence import PLAIN, fold_location

T, B, N, H, E, A, K, FILTERS = 6, 3, 9, 8, 4, 6, 5, 3
LENGTHS = torch.tensor([9, 4, 1])


@pytest.fixture
def case() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"gates": (T, B, 4 * H), "memory": (B, N, E), "processed_memory": (B, N, A), "weight": (4 * H, E + H),
              "query_weight": (A, H), "location_weight": (2 * K, A), "v": (A,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_lstm_is_torchs():
    torch.manual_seed(0)
    lstm = nn.LSTM(2, H)
    x = torch.randn(T, B, 2)
    gates = x @ lstm.weight_ih_l0.t() + lstm.bias_ih_l0 + lstm.bias_hh_l0
    torch.testing.assert_close(PLAIN.lstm(gates, lstm.weight_hh_l0), lstm(x)[0])


def test_dropout_feeds_back_and_is_scaled():
    generator = torch.Generator().manual_seed(0)
    gates, weight = torch.randn(2, 1, 4 * H, generator=generator), torch.randn(4 * H, H, generator=generator)
    keep = torch.tensor([1, 0] * (H // 2), dtype=torch.uint8).repeat(2, 1, 1)
    free, dropped = PLAIN.lstm(gates, weight), PLAIN.lstm(gates, weight, keep, 0.5)
    torch.testing.assert_close(dropped[0], free[0] * keep[0] * 2)
    _, c = lstm_step(gates[0], torch.zeros(1, H), torch.zeros(1, H), weight)
    second, _ = lstm_step(gates[1], dropped[0], c, weight)
    torch.testing.assert_close(dropped[1], second * keep[1] * 2)


def lstm_step(gates, hidden, cell, weight):
    i, f, g, o = (gates + hidden @ weight.t()).chunk(4, 1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def test_attention_is_the_layers_one_by_one(case):
    torch.manual_seed(0)
    convolution = nn.Conv1d(2, FILTERS, K, padding=K // 2, bias=False)
    dense = nn.Linear(FILTERS, A, bias=False)
    case["location_weight"] = fold_location(convolution.weight, dense.weight)
    states, alignments = PLAIN.attention(**case, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS.tolist()):
        memory, processed = case["memory"][b, :length], case["processed_memory"][b, :length]
        context, hidden, cell = torch.zeros(1, E), torch.zeros(1, H), torch.zeros(1, H)
        last, total = torch.zeros(length), torch.zeros(length)
        for t in range(T):
            hidden, cell = lstm_step(case["gates"][t, b:b + 1], torch.cat((context, hidden), 1), cell, case["weight"])
            location = dense(convolution(torch.stack((last, total))[None]).transpose(1, 2))[0]
            energy = torch.tanh(hidden @ case["query_weight"].t() + location + processed) @ case["v"]
            last = energy.softmax(0)
            total = total + last
            context = last[None] @ memory
            torch.testing.assert_close(states[t, b], torch.cat((context, hidden), 1)[0])
            torch.testing.assert_close(alignments[t, b, :length], last)


def test_padding_is_not_seen(case):
    states, alignments = PLAIN.attention(**case, lengths=LENGTHS)
    torch.testing.assert_close(alignments.sum(2), torch.ones(T, B))
    for b, length in enumerate(LENGTHS.tolist()):
        assert (alignments[:, b, length:] == 0).all()
        case["memory"][b, length:] = 1e3
        case["processed_memory"][b, length:] = -1e3
    torch.testing.assert_close(PLAIN.attention(**case, lengths=LENGTHS)[0], states)


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_gates(case, autocast):
    exact, _ = PLAIN.attention(**case, lengths=LENGTHS)
    case["gates"] = case["gates"].bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        states, alignments = PLAIN.attention(**case, lengths=LENGTHS)
        hidden = PLAIN.lstm(case["gates"], case["weight"][:, :H])
    assert states.dtype == hidden.dtype == torch.bfloat16 and alignments.dtype == torch.float32
    torch.testing.assert_close(alignments.sum(2), torch.ones(T, B))
    assert (states.float() - exact).norm() < 0.05 * exact.norm()
