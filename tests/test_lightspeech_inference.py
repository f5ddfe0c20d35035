"""The student's fast inference computes what the plain one computes, on the CPU and around the GPU kernel."""
import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import lightspeech
from hparams import LightSpeechConfig
from lightspeech import gru_cpu, gru_gpu
from lightspeech.gru_cpu import InferenceGRU, cpu_steps, gru_steps
from lightspeech.model import BidirectionalGRU
from lightspeech.sequences import reversal_index

TINY = LightSpeechConfig(embedding_dim=12, encoder_dim=32, decoder_dim=6)


@pytest.fixture(params=[False, True], ids=["", "pitch"])
def model(request) -> lightspeech.LightSpeech:
    torch.manual_seed(1)
    model = lightspeech.LightSpeech(dataclasses.replace(TINY, pitch=request.param)).eval()
    with torch.no_grad():  # an untrained head predicts less than one frame; this one about 4, more and less
        model.duration_head[2].bias.fill_(1.6)
        model.duration_head[2].weight.mul_(8)
    return model


def test_reversal_index_example() -> None:
    assert reversal_index(torch.tensor([3, 5]), 5).tolist() == [[2, 1, 0, 3, 4], [4, 3, 2, 1, 0]]


@pytest.mark.parametrize("steps", [gru_steps, cpu_steps])
def test_the_inference_gru_computes_what_the_module_computes(steps) -> None:
    torch.manual_seed(0)
    module = BidirectionalGRU(5, 7)
    inputs, lengths = torch.randn(3, 9, 5), torch.tensor([44, 3, 16])
    index = torch.tensor([[0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 8] * 4] * 3)  # more steps than share the buffers once
    repeated = inputs[torch.arange(3)[:, None], index]
    with torch.inference_mode():
        gru = InferenceGRU(module.ahead, module.back, steps=steps)
        found = gru.run(gru.project_inputs(inputs), lengths, index)
        expected = module(repeated, lengths)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[row, :length], expected[row, :length])


def test_one_direction_after_the_other_gives_the_same(monkeypatch) -> None:
    gates, recurrent = torch.randn(20, 2, 3, 4 * 7), torch.randn(2, 7, 3 * 7)
    together = cpu_steps(gates, recurrent)
    monkeypatch.setattr(gru_cpu, "MAX_CACHED_WEIGHTS", 0)
    torch.testing.assert_close(cpu_steps(gates, recurrent), together)


@pytest.mark.parametrize("speed", [1.0, 1.7])
def test_fast_and_plain_inference_agree(model, speed) -> None:
    ids, lengths = torch.randint(1, 148, (4, 20)), torch.tensor([20, 1, 13, 5])
    pauses = torch.rand(4, 20) < 0.2
    for rows in (slice(0, 4), slice(0, 1), slice(1, 2)):
        batch = ids[rows], lengths[rows], speed, pauses[rows]
        expected, found = model.infer(*batch), lightspeech.FastLightSpeech(model).infer(*batch)
        assert found.frames == expected.frames
        for name in ("mel", "mel_lengths", "durations"):
            torch.testing.assert_close(getattr(found, name), getattr(expected, name))


def number_of_threads() -> int:
    """PyTorch's number of CPU threads in a thread that starts now."""
    with ThreadPoolExecutor(1) as new_thread:
        return new_thread.submit(torch.get_num_threads).result()


def test_inference_uses_one_cpu_thread_and_leaves_that_of_other_threads_alone(model, monkeypatch) -> None:
    usual, seen = torch.get_num_threads(), []

    def steps(gates: torch.Tensor, recurrent: torch.Tensor) -> torch.Tensor:
        seen.append((torch.get_num_threads(), number_of_threads()))
        return gru_steps(gates, recurrent)
    monkeypatch.setattr(gru_cpu, "_scripted_steps", lambda: steps)
    torch.set_num_threads(3)
    try:
        lightspeech.FastLightSpeech(model).infer(torch.tensor([[5, 6]]), torch.tensor([2]))
        assert seen == [(1, 3), (1, 3)] and torch.get_num_threads() == number_of_threads() == 3
    finally:
        torch.set_num_threads(usual)


def kernel(gates: torch.Tensor, recurrent: torch.Tensor, scaled_bias: torch.Tensor,
           lengths: torch.Tensor) -> torch.Tensor:
    """What the kernel of gru_gpu.cu computes; NaN in the padding."""
    B, L, _, width = gates.shape
    states = torch.full((B, L, 2, width // 3), torch.nan)
    for row, length in enumerate(lengths.tolist()):
        for direction, order in ((0, range(length)), (1, range(length)[::-1])):
            state = torch.zeros(width // 3)
            for step in order:
                reset, update, candidate = gates[row, step, direction].chunk(3)
                for_reset, for_update, scaled = (recurrent[direction].float() @ state).chunk(3)
                scaled = torch.sigmoid(reset + for_reset) * (scaled + scaled_bias[direction])
                state = torch.lerp(torch.tanh(candidate + scaled), state, torch.sigmoid(update + for_update))
                states[row, step, direction] = state
    return states


def test_inference_around_the_gpu_kernel_is_that_of_the_model(model, monkeypatch) -> None:
    monkeypatch.setattr(gru_gpu, "_launch", kernel)
    with torch.no_grad():
        for gru in (model.encoder.ahead, model.encoder.back, model.decoder.ahead, model.decoder.back):
            gru.weight_hh_l0.copy_(gru.weight_hh_l0.half())  # as released weights are
    ids, lengths, pauses = torch.randint(1, 148, (3, 7)), torch.tensor([7, 2, 5]), torch.rand(3, 7) < 0.3
    fast = lightspeech.FastLightSpeech(model, gru_gpu.GpuInferenceGRU, lambda function: function)
    for rows in (slice(0, 1), slice(0, 3)):
        found, expected = (speaker.infer(ids[rows], lengths[rows], 0.8, pauses[rows]) for speaker in (fast, model))
        assert found.frames == expected.frames and found.durations.equal(expected.durations)
        torch.testing.assert_close(found.mel, expected.mel, rtol=0, atol=1e-4)
    errors = gru_gpu.gru_errors(32, torch.device("cpu"))
    assert len(errors) == 2 and max(errors.values()) < gru_gpu.ALLOWED_ERROR


def test_without_the_gpu_kernel_the_plain_network_speaks(caplog) -> None:
    model = lightspeech.LightSpeech(TINY).to("meta")  # a device that no kernel supports
    assert lightspeech.fastest(model, lambda function: function) is model
    (record,) = caplog.records
    assert record.message.startswith("fast student: ") and "speaking by the plain one" in record.message


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python has no TorchScript")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_compiles_the_steps() -> None:  # otherwise they would run uncompiled, slower, without notice
    assert isinstance(torch.jit.script(gru_steps), torch.jit.ScriptFunction)


def test_without_torchscript_the_steps_run_uncompiled(monkeypatch) -> None:
    def gone(function: object) -> None:
        raise RuntimeError("not in this Python")
    monkeypatch.setattr(torch.jit, "script", gone)
    gru_cpu._scripted_steps.cache_clear()
    assert gru_cpu._scripted_steps() is gru_steps
    gru_cpu._scripted_steps.cache_clear()
