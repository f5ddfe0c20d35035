"""The student's fast inference around the GPU kernel computes what the plain one computes."""
import dataclasses
import math

import pytest
import torch

import lightspeech
from hparams import LightSpeechConfig, UserError
from lightspeech import gru_gpu, inference, prosody_gpu
from lightspeech.prosody_gpu import ALLOWED_ERRORS, prosody_errors
from lightspeech.sequences import reversal_index
from runtime.fast_path import disagreement
from tests.cuda_on_cpu import launch_on_cpu, needs_compiler

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


@pytest.fixture
def on_cpu(monkeypatch) -> None:
    """The kernels, on the CPU."""
    monkeypatch.setattr(gru_gpu, "_launch", kernel)
    monkeypatch.setattr(prosody_gpu, "launch", launch_on_cpu)
    monkeypatch.setattr(inference, "FRAME_STEP", 16)
    monkeypatch.setattr(inference, "product_in_float32", lambda x, weight: x.float() @ weight.float())


@needs_compiler
def test_inference_by_the_gpu_kernels_is_that_of_the_model(model, on_cpu) -> None:
    with torch.no_grad():
        for gru in (model.encoder.ahead, model.encoder.back, model.decoder.ahead, model.decoder.back):
            gru.weight_hh_l0.copy_(gru.weight_hh_l0.half())  # as released weights are
    ids, lengths, pauses = torch.randint(1, 148, (3, 7)), torch.tensor([7, 2, 5]), torch.rand(3, 7) < 0.3
    fast = lightspeech.FastLightSpeech(model, lambda function: function)
    for rows, speed in ((slice(0, 1), 0.8), (slice(0, 3), 0.8), (slice(1, 2), 1)):
        found, expected = (speaker.infer(ids[rows], lengths[rows], speed, pauses[rows]) for speaker in (fast, model))
        assert found.frames == expected.frames and found.durations.equal(expected.durations)
        assert found.mel_lengths.equal(expected.mel_lengths)
        torch.testing.assert_close(found.mel, expected.mel, rtol=0, atol=5e-3)
    errors = gru_gpu.gru_errors(32, torch.device("cpu"))
    assert len(errors) == 2 and max(errors.values()) < gru_gpu.ALLOWED_ERROR
    with torch.no_grad():
        model.duration_head[2].bias[0] = -20.0  # no symbol has a frame, so the first one gets one
    fast = lightspeech.FastLightSpeech(model, lambda function: function)
    for speed in (0.3, 4.0):
        assert fast.infer(ids, lengths, speed).frames == model.infer(ids, lengths, speed).frames
    with pytest.raises(UserError, match="speed: found nan"):
        fast.infer(ids, lengths, math.nan)


@needs_compiler
def test_other_weights_are_an_error_of_the_kernels(model, on_cpu) -> None:
    with torch.no_grad():
        model.duration_head[2].weight.div_(8)  # durations of some 4 frames
    fast = lightspeech.FastLightSpeech(model, lambda function: function)
    assert len(fast.head.bias) == 64 and not disagreement(prosody_errors(fast.model, fast.head), ALLOWED_ERRORS)
    fast.head.last_bias = fast.head.last_bias + 0.1
    assert disagreement(prosody_errors(fast.model, fast.head), ALLOWED_ERRORS).startswith("durations off by")


def test_without_the_gpu_kernel_the_plain_network_speaks(caplog) -> None:
    model = lightspeech.LightSpeech(TINY).to("meta")  # a device that no kernel supports
    assert lightspeech.fastest(model, lambda function: function) is model
    (record,) = caplog.records
    assert record.message.startswith("fast student: ") and "speaking by the plain one" in record.message


def test_on_a_cpu_the_plain_network_speaks(model) -> None:
    assert lightspeech.fastest(model, lambda function: function) is model
