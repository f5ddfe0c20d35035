"""The student's fast inference around the GPU kernel computes what the plain one computes."""
import dataclasses
import math

import pytest
import torch

import lightspeech
from hparams import LightSpeechConfig, UserError
from lightspeech import gru_gpu, prosody_gpu
from lightspeech.durations import align_frames, change_speed, log_to_durations, position_features
from lightspeech.pitch import HarmonicPattern, pitch_contour
from lightspeech.prosody_gpu import ALLOWED_ERROR, prosody_errors
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


def launch(source, name, grid, threads, arguments, defines) -> None:
    """What the kernels of prosody.cu compute."""
    if name == "durations_and_pitch":
        hidden, last, bias, lengths, pauses, durations, ends, pitch, mel_lengths, *_, default_pitch, speed = arguments
        predicted = (hidden.relu() @ last.t() + bias).unflatten(0, durations.shape)
        inside = torch.arange(durations.shape[1]) < lengths[:, None]
        durations.copy_(change_speed(log_to_durations(predicted[..., 0] * inside, lengths), speed.value, pauses.bool()))
        ends.copy_(durations.cumsum(1))
        pitch.copy_(predicted[..., 1:] + default_pitch if len(last) == 3 else torch.zeros(2))
        mel_lengths.copy_(durations.sum(1))
    else:
        durations, ends, pitch, centres, widths, symbol, padding, features, N, T, *_ = arguments
        alignment = align_frames(durations, T)
        symbol.copy_(alignment.symbol)
        padding.copy_(alignment.padding)
        if features is not None:
            found = torch.cat((HarmonicPattern()(pitch_contour(pitch, alignment)), position_features(alignment)), 2)
            features.copy_(found.masked_fill(alignment.padding[..., None], 0.0))


@pytest.fixture
def emulated(monkeypatch) -> None:
    """The kernels, on the CPU."""
    monkeypatch.setattr(gru_gpu, "_launch", kernel)
    monkeypatch.setattr(prosody_gpu, "launch", launch)


def test_inference_around_the_gpu_kernels_is_that_of_the_model(model, emulated) -> None:
    with torch.no_grad():
        for gru in (model.encoder.ahead, model.encoder.back, model.decoder.ahead, model.decoder.back):
            gru.weight_hh_l0.copy_(gru.weight_hh_l0.half())  # as released weights are
    ids, lengths, pauses = torch.randint(1, 148, (3, 7)), torch.tensor([7, 2, 5]), torch.rand(3, 7) < 0.3
    fast = lightspeech.FastLightSpeech(model, lambda function: function)
    for rows, speed in ((slice(0, 1), 0.8), (slice(0, 3), 0.8), (slice(1, 2), 1)):
        found, expected = (speaker.infer(ids[rows], lengths[rows], speed, pauses[rows]) for speaker in (fast, model))
        assert found.frames == expected.frames and found.durations.equal(expected.durations)
        assert found.mel_lengths.equal(expected.mel_lengths)
        torch.testing.assert_close(found.mel, expected.mel, rtol=0, atol=1e-4)
    errors = gru_gpu.gru_errors(32, torch.device("cpu"))
    assert len(errors) == 2 and max(errors.values()) < gru_gpu.ALLOWED_ERROR
    with pytest.raises(UserError, match="speed: found nan"):
        fast.infer(ids, lengths, math.nan)


def test_other_weights_are_an_error_of_the_kernels(model, emulated) -> None:
    fast = lightspeech.FastLightSpeech(model, lambda function: function)
    assert len(fast.head.bias) == 64 and max(prosody_errors(fast.model, fast.head).values()) < ALLOWED_ERROR
    fast.head.last_bias = fast.head.last_bias + 0.1
    assert prosody_errors(fast.model, fast.head)["durations"] > ALLOWED_ERROR


def test_without_the_gpu_kernel_the_plain_network_speaks(caplog) -> None:
    model = lightspeech.LightSpeech(TINY).to("meta")  # a device that no kernel supports
    assert lightspeech.fastest(model, lambda function: function) is model
    (record,) = caplog.records
    assert record.message.startswith("fast student: ") and "speaking by the plain one" in record.message


def test_on_a_cpu_the_plain_network_speaks(model) -> None:
    assert lightspeech.fastest(model, lambda function: function) is model
