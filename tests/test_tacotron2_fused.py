"""The fused recurrences against the plain ones: tiny sizes anywhere, by Triton's interpreter if there is no GPU."""
import logging
import os

import pytest
import torch
from torch import Tensor

from hparams import Tacotron2Config
from tacotron2.recurrence import PLAIN, PlainRecurrence

if not torch.cuda.is_available():  # read by Triton when it is imported: its kernels then run on CPU tensors
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton")

from tacotron2 import Tacotron2, fused, recurrence_choice

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CHUNK = 4
H, E, A, K = 32, 16, 16, 5
TINY = Tacotron2Config(n_symbols=20, n_mels=8, embedding_dim=12, encoder_dim=E, prenet_dim=10, attention_rnn_dim=H,
                       decoder_rnn_dim=16, attention_dim=A, location_n_filters=4, location_kernel_size=K,
                       postnet_dim=10)
ATTENTION = ("gates", "memory", "processed_memory", "weight", "query_weight", "location_weight", "v")


def case(T: int, N: int, B: int = 2, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((T, B, 4 * H), (B, N, E), (B, N, A), (4 * H, E + H), (A, H), (2 * K, A), (A,))
    return {name: torch.randn(shape, generator=generator) * (0.3 if "weight" in name else 1)
            for name, shape in zip(ATTENTION, shapes)}


def mask(T: int, B: int = 2, width: int = H) -> Tensor:
    return (torch.rand(T, B, width, generator=torch.Generator().manual_seed(5)) < 0.8).to(torch.uint8)


def attend(recurrence, inputs: dict[str, Tensor], lengths: list[int], keep: Tensor | None,
           device: str) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    given = {name: tensor.to(device, copy=True).requires_grad_() for name, tensor in inputs.items()}
    keep = None if keep is None else keep.to(device)
    return given, *recurrence.attention(**given, lengths=torch.tensor(lengths, device=device), keep=keep,
                                        keep_probability=0.8)


def attention_results(recurrence, *arguments, loss_sees_alignments: bool = True) -> dict[str, Tensor]:
    """Outputs and all gradients of the attention recurrence for a fixed random loss."""
    given, states, alignments = attend(recurrence, *arguments)
    generator = torch.Generator().manual_seed(9)
    outer = [torch.randn(output.shape, generator=generator).to(output) for output in (states, alignments)]
    loss = (states * outer[0]).sum()
    if loss_sees_alignments:
        loss = loss + (alignments * outer[1]).sum()
    loss.backward()
    return {"states": states, "alignments": alignments, **{name: tensor.grad for name, tensor in given.items()}}


def assert_equal(found: dict[str, Tensor], true: dict[str, Tensor], bound: float = 1e-4) -> None:
    for name, tensor in true.items():
        error = (found[name].detach().cpu() - tensor.detach()).norm() / tensor.detach().norm().clamp_min(1e-6)
        assert error < bound, f"{name}: relative error {error:.1e}"


def poison(recurrence: fused.FusedRecurrence) -> None:
    """Not a number, wherever a buffer could be read that this call has not written."""
    for chunk in recurrence.chunks.values():
        for buffer in vars(chunk).values():
            if isinstance(buffer, Tensor) and buffer.is_floating_point():
                buffer.fill_(torch.nan)


@pytest.mark.parametrize(("T", "N", "lengths"), [(2 * CHUNK + 1, 70, [70, 39]), (CHUNK, 6, [1, 6]), (1, 1, [1, 1])],
                         ids=["three chunks, three blocks", "one chunk", "one frame, one symbol"])
def test_attention_equals_the_plain_one(T, N, lengths):
    recurrence = fused.FusedRecurrence(CHUNK)
    attend(recurrence, case(1, N), lengths, None, DEVICE)  # makes the buffers
    poison(recurrence)
    arguments = case(T, N), lengths, mask(T)
    found = attention_results(recurrence, *arguments, DEVICE)
    assert_equal(found, attention_results(PLAIN, *arguments, "cpu"))
    for row, length in enumerate(lengths):
        assert (found["alignments"][:, row, length:] == 0).all()


def test_attention_without_dropout_or_loss_on_alignments():
    arguments = case(CHUNK + 2, 5), [5, 3], None
    found = attention_results(fused.FusedRecurrence(CHUNK), *arguments, DEVICE, loss_sees_alignments=False)
    assert_equal(found, attention_results(PLAIN, *arguments, "cpu", loss_sees_alignments=False))


@pytest.mark.parametrize("keep", [None, mask(2 * CHUNK + 1)])
def test_lstm_equals_the_plain_one(keep):
    recurrence = fused.FusedRecurrence(CHUNK)
    inputs = case(2 * CHUNK + 1, 1)
    results = []
    for path, device in ((PLAIN, "cpu"), (recurrence, DEVICE), (recurrence, DEVICE)):
        poison(recurrence)
        gates, weight = (inputs[name].to(device, copy=True).requires_grad_() for name in ("gates", "weight"))
        hidden = path.lstm(gates, weight[:, E:], None if keep is None else keep.to(device), 0.8)
        (hidden * torch.arange(H, device=device)).sum().backward()
        results.append({"hidden": hidden, "gates": gates.grad, "weight": weight.grad})
    assert_equal(results[1], results[0])
    assert_equal(results[2], results[0])


def test_calls_are_independent():
    """Two forwards, then their two backwards: buffers are shared, results are not."""
    recurrence = fused.FusedRecurrence(CHUNK)
    arguments = [(case(CHUNK + 1, 7, seed=1), [7, 2], mask(CHUNK + 1), DEVICE),
                 (case(3, 9, seed=2), [4, 9], None, DEVICE)]
    runs = [attend(recurrence, *each) for each in arguments]
    for given, states, alignments in runs:
        (states.square().sum() + alignments.square().sum()).backward()
    for each, (given, *_) in zip(arguments, runs):
        plain, states, alignments = attend(PLAIN, *each[:3], "cpu")
        (states.square().sum() + alignments.square().sum()).backward()
        assert_equal({name: tensor.grad for name, tensor in given.items()},
                     {name: tensor.grad for name, tensor in plain.items()})


def test_buffers_made_in_inference_mode_serve_training():
    recurrence = fused.FusedRecurrence(CHUNK)
    with torch.inference_mode():
        recurrence.attention(**{name: tensor.to(DEVICE) for name, tensor in case(2, 3).items()},
                             lengths=torch.tensor([3, 2], device=DEVICE))
    arguments = case(2, 3), [3, 2], None
    assert_equal(attention_results(recurrence, *arguments, DEVICE), attention_results(PLAIN, *arguments, "cpu"))


def test_the_whole_network_learns_the_same():
    model = Tacotron2(TINY).to(DEVICE)
    ids, mel = torch.randint(0, 20, (2, 7), device=DEVICE), torch.randn(2, 8, 6, device=DEVICE)
    gradients = []
    for recurrence in (PLAIN, fused.FusedRecurrence(CHUNK)):
        torch.manual_seed(1)  # prenet and dropout
        output = model(ids, torch.tensor([7, 4]), mel, torch.tensor([6, 5]), recurrence)
        (output.mel_postnet.square().mean() + output.gate_logits.mean() + output.alignments.square().mean()).backward()
        gradients.append({name: parameter.grad.cpu() for name, parameter in model.named_parameters()})
        model.zero_grad()
    absolute = 1e-5 if DEVICE == "cpu" else 1e-3  # biases before a batch norm have gradients that are mere rounding
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=absolute)


class Wrong(PlainRecurrence):
    def lstm(self, gates, weight, keep=None, keep_probability=1.0):
        return super().lstm(gates * 1.02, weight, keep, keep_probability)


def test_the_check_tells_right_from_wrong(monkeypatch):
    monkeypatch.setattr(recurrence_choice, "CHUNK_FRAMES", 2)  # T is this and 8
    monkeypatch.setattr(recurrence_choice, "SYMBOL_STEP", 16)  # N is this and 6
    assert recurrence_choice.discrepancy(fused.FusedRecurrence(CHUNK), DEVICE, TINY, torch.float32) == ""
    assert recurrence_choice.discrepancy(Wrong(), DEVICE, TINY, torch.float32).startswith("hidden off by ")


def test_no_gpu_means_the_plain_path_and_silence(caplog):
    assert recurrence_choice.best_recurrence("cpu", TINY) is PLAIN
    assert not caplog.records


@pytest.mark.parametrize(("trouble", "told"), [
    (ImportError("No module named 'triton'\nmore"), "ImportError: No module named 'triton'"),
    ("relative error of v 2.0e-01, allowed 1.0e-02", "relative error of v 2.0e-01")])
def test_a_fallback_is_reported_in_one_line(monkeypatch, caplog, trouble, told):
    def discrepancy(*_) -> str:
        if isinstance(trouble, str):
            return trouble
        raise trouble
    monkeypatch.setattr(recurrence_choice, "discrepancy", discrepancy)
    with caplog.at_level(logging.WARNING):
        assert recurrence_choice.best_recurrence("cuda", TINY) is PLAIN
    (record,) = caplog.records
    assert told in record.getMessage() and "\n" not in record.getMessage()


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE != "cuda", reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_real_sizes(dtype):
    """Rounding of bfloat16 at most doubles against the plain path's own; in float32 the cuBLAS products dominate."""
    assert recurrence_choice.discrepancy(fused.FusedRecurrence(), DEVICE, Tacotron2Config(), dtype) == ""
    assert isinstance(recurrence_choice.best_recurrence(DEVICE, Tacotron2Config(), dtype), fused.FusedRecurrence)


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE != "cuda", reason="needs an NVIDIA GPU")
@pytest.mark.parametrize(("dtype", "loss_bound", "gradient_bound"),
                         [(torch.float32, 1e-4, 0.01), (torch.bfloat16, 2e-3, 0.25)])
def test_a_real_batch_trains_the_same(dtype, loss_bound, gradient_bound):
    """One batch of 64, relative to the plain path in the same dtype: loss, and each gradient of the decoder.

    The bound on bfloat16 gradients is wide since the plain path adds up those of its weights in bfloat16.
    """
    torch.manual_seed(0)
    model = Tacotron2(Tacotron2Config()).cuda()
    ids, mel = torch.randint(0, 148, (64, 112), device=DEVICE), torch.randn(64, 80, 200, device=DEVICE) - 5
    id_lengths, mel_lengths = torch.linspace(40, 112, 64).long(), torch.linspace(90, 200, 64).long()
    losses, gradients = [], []
    for recurrence in (PLAIN, fused.FusedRecurrence()):
        torch.manual_seed(1)  # prenet and dropout
        with (torch.autocast("cuda", torch.bfloat16, enabled=dtype == torch.bfloat16),
              torch.backends.cudnn.flags(allow_tf32=False)):
            output = model(ids, id_lengths, mel, mel_lengths, recurrence)
            loss = (output.mel - mel).square().mean() + output.alignments.square().sum(2).mean()
            loss.backward()
        losses.append(loss.item())
        gradients.append({name: parameter.grad for name, parameter in model.decoder.named_parameters()
                          if parameter.grad is not None})
        model.zero_grad()
    assert losses[1] == pytest.approx(losses[0], rel=loss_bound)
    largest = max(gradient.norm() for gradient in gradients[0].values())
    for name, true in gradients[0].items():
        error = (gradients[1][name] - true).norm() / true.norm().clamp_min(1e-3 * largest)
        assert error < gradient_bound, f"{name}: relative error {error:.1e}"
