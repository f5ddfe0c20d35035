"""The student's fast inference around the GPU kernel computes what the plain one computes."""
import dataclasses

import pytest
import torch

import lightspeech
from hparams import LightSpeechConfig
from lightspeech import gru_gpu
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


def test_inference_around_the_gpu_kernel_is_that_of_the_model(model, monkeypatch) -> None:
    monkeypatch.setattr(gru_gpu, "_launch", kernel)
    with torch.no_grad():
        for gru in (model.encoder.ahead, model.encoder.back, model.decoder.ahead, model.decoder.back):
            gru.weight_hh_l0.copy_(gru.weight_hh_l0.half())  # as released weights are
    ids, lengths, pauses = torch.randint(1, 148, (3, 7)), torch.tensor([7, 2, 5]), torch.rand(3, 7) < 0.3
    fast = lightspeech.FastLightSpeech(model, lambda function: function)
    for rows, speed in ((slice(0, 1), 0.8), (slice(0, 3), 0.8), (slice(1, 2), 1.0)):
        found, expected = (speaker.infer(ids[rows], lengths[rows], speed, pauses[rows]) for speaker in (fast, model))
        assert found.frames == expected.frames and found.durations.equal(expected.durations)
        assert found.mel_lengths.equal(expected.mel_lengths)
        torch.testing.assert_close(found.mel, expected.mel, rtol=0, atol=1e-4)
    errors = gru_gpu.gru_errors(32, torch.device("cpu"))
    assert len(errors) == 2 and max(errors.values()) < gru_gpu.ALLOWED_ERROR


def test_without_the_gpu_kernel_the_plain_network_speaks(caplog) -> None:
    model = lightspeech.LightSpeech(TINY).to("meta")  # a device that no kernel supports
    assert lightspeech.fastest(model, lambda function: function) is model
    (record,) = caplog.records
    assert record.message.startswith("fast student: ") and "speaking by the plain one" in record.message


def test_on_a_cpu_the_plain_network_speaks(model) -> None:
    assert lightspeech.fastest(model, lambda function: function) is model
