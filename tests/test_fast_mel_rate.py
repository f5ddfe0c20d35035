"""The fast form of the vocoder at the mel rate: float16 gives the plain network's waves; on a GPU by graphs."""
import numpy as np
import pytest
import torch

import waveglow
from hparams import AudioConfig, WaveGlowConfig
from runtime.graphs import RecordedFunction
from synthesis.torch_vocoder import TorchVocoder
from synthesis.vocoder_runner import VocoderRunner
from waveglow.fast import ALLOWED, discrepancy
from waveglow.fast_mel_rate import FRAME_STEP, FastMelRate

SIZES = {"squeeze": "mdct", "n_blocks": 2, "block_channels": 32, "block_hidden": 64, "flow_channels": 16}
gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]
FLOWS = [0, 2]


def network(n_flows: int, device: str = "cpu", **sizes: int) -> waveglow.MelRateWaveGlow:
    """A network whose flow changes the noise; untrained, its coupling layers are nearly the identity."""
    torch.manual_seed(0)
    model = waveglow.MelRateWaveGlow(WaveGlowConfig(**{**SIZES, "n_flows": n_flows, **sizes}))
    for flow in model.flows:
        torch.nn.init.normal_(flow.end.weight, std=0.1)
    return model.eval().to(device)


def mels(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(80, length, generator=generator) - 5 for length in lengths]


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("n_flows", FLOWS)
def test_float16_gives_the_plain_waves(n_flows) -> None:
    model = network(n_flows)
    fast = FastMelRate(model, lambda function: function)
    assert 0 < discrepancy(fast) < ALLOWED / 4
    mel, lengths = torch.randn(2, 80, FRAME_STEP + 6) - 5, torch.tensor([FRAME_STEP + 6, 33])
    noise = torch.randn(2, *model.noise_shape(FRAME_STEP + 6))
    wave = fast.infer(mel, None, noise, lengths)
    assert wave.dtype == torch.float32 and error(wave, model.infer(mel, None, noise, lengths)) < ALLOWED / 4
    assert not wave[1, 33 * 256:].any()
    if n_flows:
        assert error(fast.infer(mel, 0.1, noise, lengths), wave) > ALLOWED
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_other_weights_are_a_disagreement() -> None:
    fast = FastMelRate(network(2), lambda function: function)
    with torch.no_grad():
        fast.half.spectrum.bias.add_(0.2)
    assert discrepancy(fast) > ALLOWED
    with torch.no_grad():
        fast.half.spectrum.bias.fill_(float("nan"))
    assert not discrepancy(fast) <= ALLOWED


@pytest.mark.parametrize("n_flows", FLOWS)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=gpu)])
def test_batches_are_as_single_rows_and_parts_join(n_flows, device, monkeypatch) -> None:
    monkeypatch.setattr("synthesis.vocoder_runner.FIRST_CHUNK", 16)
    monkeypatch.setattr(waveglow.MelRateWaveGlow, "margin", 16)
    vocoder = TorchVocoder(network(n_flows, device), AudioConfig())
    vocoder.frames_per_batch = 1000
    runner, rows, seeds = VocoderRunner(vocoder, AudioConfig()), mels(90, 12, 90, 47), [5, 6, 7, 8]
    for _ in range(3):  # on a GPU it is recorded then
        waves = dict(runner.synthesize(rows, seeds, None, 0.0))
        for row, (mel, seed) in enumerate(zip(rows, seeds)):
            (_, alone), = runner.synthesize([mel], [seed], None, 0.0)
            joined = np.concatenate([*runner.stream(mel, seed, None, 0.0)])
            for found in (waves[row], joined):
                np.testing.assert_allclose(found, alone, atol=5e-3 * np.abs(alone).max())
    again, = runner.synthesize(rows[:1], [9], None, 0.0)
    assert np.array_equal(again[1], next(runner.synthesize(rows[:1], [9], None, 0.0))[1])
    assert (np.abs(again[1] - waves[0]).max() > 1e-3 * np.abs(waves[0]).max()) == bool(n_flows)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=gpu)])
def test_waves_that_are_not_finite_are_refused(device) -> None:
    model = network(0, device)
    with torch.no_grad():
        model.spectrum.bias[700] = float("nan")
    runner = VocoderRunner(TorchVocoder(model, AudioConfig()), AudioConfig())
    with pytest.raises(ValueError, match="a sound that is not finite"):
        list(runner.synthesize(mels(20), [0], None, 0.0))


@pytest.mark.parametrize("n_flows", [0, 4])
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_fast_form_is_used_on_a_gpu_and_never_waits(n_flows) -> None:
    model = network(n_flows, "cuda", n_blocks=8, block_channels=256, block_hidden=768, flow_channels=128)
    fast = waveglow.fastest(model, RecordedFunction)
    assert isinstance(fast, FastMelRate)
    frames, lengths = 581, torch.tensor([581, 200], device="cuda")
    mel = torch.randn(2, 80, frames, device="cuda") - 5
    noise = torch.randn(2, *model.noise_shape(frames), device="cuda")
    with torch.no_grad():
        expected = model.infer(mel, noise=noise, mel_lengths=lengths)
    for _ in range(3):
        assert error(fast.infer(mel, None, noise, lengths), expected) < ALLOWED
    torch.cuda.set_sync_debug_mode("error")
    try:
        first = fast.infer(mel, None, noise, lengths)
        other = fast.infer(mel + 1, None, noise, lengths)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert error(first, expected) < ALLOWED < error(other, expected)  # the second call does not overwrite the first
