"""The fast form of the vocoder at the mel rate gives the plain network's waves; on a GPU by its kernels and graphs."""
import numpy as np
import pytest
import torch

import waveglow
from hparams import AudioConfig, WaveGlowConfig
from runtime.graphs import RecordedFunction
from synthesis.noise_gpu import draw_on_cpu, draw_on_gpu, noise_source
from synthesis.torch_vocoder import TorchVocoder
from synthesis.vocoder_runner import VocoderRunner
from tests.cuda_on_cpu import launch_on_cpu, needs_compiler
from waveglow.fast import ALLOWED, discrepancy
from waveglow.fast_mel_rate import FastMelRate, Product
from waveglow.mel_rate import EDGE
from waveglow.mel_rate_gpu import MelRateKernels, neighbours

SIZES = {"squeeze": "mdct", "n_blocks": 2, "block_channels": 128, "block_hidden": 64, "flow_channels": 64}
DEFAULT_SIZES = {"n_blocks": 8, "block_channels": 256, "block_hidden": 768, "flow_channels": 128}
gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]
FLOWS = [0, 2]


def network(n_flows: int, device: str = "cpu", **sizes: int) -> waveglow.MelRateWaveGlow:
    """A network whose flow changes the noise; untrained, its coupling layers are nearly the identity.

    Its scales and shifts are not those of an untrained network, which change nothing.
    """
    torch.manual_seed(0)
    model = waveglow.MelRateWaveGlow(WaveGlowConfig(**{**SIZES, "n_flows": n_flows, **sizes}))
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for flow in model.flows:
        torch.nn.init.normal_(flow.end.weight, std=0.1)
    return model.eval().to(device)


def mels(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(80, length, generator=generator) - 5 for length in lengths]


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.fixture
def on_cpu(monkeypatch):
    """A function that makes the fast form of a network on the CPU."""
    def product_with_gelu(x: torch.Tensor, product: Product) -> torch.Tensor:
        return torch.nn.functional.gelu(product(x), approximate="tanh")
    monkeypatch.setattr("waveglow.fast_mel_rate.product_with_gelu", product_with_gelu)
    monkeypatch.setattr("waveglow.mel_rate_gpu.launch", launch_on_cpu)
    return FastMelRate


@needs_compiler
@pytest.mark.parametrize("n_flows, sizes", [(0, {}), (1, {}), (2, {}),
                                            (1, {"block_channels": 192, "flow_channels": 256})])
def test_the_fast_form_gives_the_plain_waves(n_flows, sizes, on_cpu) -> None:
    model = network(n_flows, **sizes)
    fast = on_cpu(model)
    mel, lengths = torch.randn(3, 80, 15) - 5, torch.tensor([15, 8, 1])
    noise = torch.randn(3, *model.noise_shape(15))
    wave, expected = fast.infer(mel, None, noise, lengths), model.infer(mel, None, noise, lengths)
    assert wave.dtype == torch.float32
    for row, length in enumerate(lengths.tolist()):
        assert error(wave[row], expected[row]) < ALLOWED / 4
        assert not wave[row, length * 256:].any() and wave[row, length * 256 - 9:length * 256].any()
    if n_flows:
        assert error(fast.infer(mel, 0.1, noise, lengths), wave) > ALLOWED
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@needs_compiler
def test_frames_after_the_end_of_a_row_do_not_enter_a_convolution(on_cpu) -> None:
    fast, x, lengths = on_cpu(network(0)), torch.randn(2 * 21, 128).half(), torch.tensor([5, 1])
    offset, taps = torch.randn(128), torch.randn(8, 128)
    found = fast.kernels.block_input(x, offset, taps, lengths).float()
    inside = torch.arange(21) < lengths[:, None] + 2 * EDGE
    channels = ((x.float().view(2, 21, 128) + offset) * inside[..., None]).transpose(1, 2)
    y = torch.conv1d(channels, taps[:7].t()[:, None], taps[7], padding=3, groups=128).transpose(1, 2)
    torch.testing.assert_close(found.view_as(y), torch.layer_norm(y, (128,)), rtol=0, atol=5e-3)


@needs_compiler
def test_other_weights_are_a_disagreement(on_cpu) -> None:
    fast = on_cpu(network(1))
    assert 0 < discrepancy(fast) < ALLOWED / 4
    fast.heads.bias[-1026:] += 0.2
    assert discrepancy(fast) > ALLOWED
    fast.heads.bias.fill_(float("nan"))
    assert not discrepancy(fast) <= ALLOWED


def test_interpolation_between_two_bands_is_the_whole_one() -> None:
    model, mel = network(2), torch.randn(5, 80)
    for interpolation in (model.to_bins, model.to_coefficients):
        bands, shares = neighbours(interpolation)
        found = torch.lerp(mel[:, bands.long()], mel[:, bands.long() + 1], shares)
        torch.testing.assert_close(found, mel @ interpolation, rtol=0, atol=1e-5)


@needs_compiler
def test_noise_of_the_kernel_is_that_of_numpy(monkeypatch) -> None:
    monkeypatch.setattr("synthesis.noise_gpu.launch", launch_on_cpu)
    seeds = torch.tensor([7, 2 ** 63 - 1, 0])
    np.testing.assert_allclose(draw_on_gpu(seeds, 300, 80), draw_on_cpu(seeds, 300, 80), rtol=0, atol=1e-5)


def test_sizes_without_a_kernel_are_refused() -> None:
    for sizes in ({"block_channels": 48}, {"flow_channels": 1024}):
        with pytest.raises(RuntimeError, match="channels have no CUDA kernel"):
            MelRateKernels(network(2, **sizes))


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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("n_flows, sizes", [(0, DEFAULT_SIZES), (4, DEFAULT_SIZES), (3, SIZES),
                                            (1, {"block_channels": 192, "flow_channels": 512})])
def test_the_kernels_compute_the_plain_network_and_never_wait(n_flows, sizes) -> None:
    model = network(n_flows, "cuda", **{key: value for key, value in sizes.items() if key != "squeeze"})
    fast = waveglow.fastest(model)
    assert isinstance(fast, FastMelRate)
    frames, lengths = 581, torch.tensor([581, 200, 1], device="cuda")
    mel = torch.randn(3, 80, frames, device="cuda") - 5
    noise = torch.randn(3, *model.noise_shape(frames), device="cuda")
    with torch.no_grad():
        expected = model.infer(mel, noise=noise, mel_lengths=lengths)
    recorded = RecordedFunction(lambda *arguments: fast.infer(arguments[0], None, *arguments[1:]))
    for _ in range(3):
        found = recorded(mel, noise, lengths)
        assert all(error(row, true) < ALLOWED / 2 for row, true in zip(found, expected))
        assert not found[1, 200 * 256:].any() and not found[2, 256:].any()
    torch.cuda.set_sync_debug_mode("error")
    try:
        first, other = recorded(mel, noise, lengths), fast.infer(mel + 1, None, noise, lengths)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert error(first, expected) < ALLOWED < error(other, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_network_without_kernels_speaks_by_the_plain_path(caplog) -> None:
    model = network(2, "cuda", block_channels=48)
    assert waveglow.fastest(model) is model
    assert "blocks of 48 channels have no CUDA kernel" in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_noise_on_a_gpu_is_that_of_the_cpu_for_each_row() -> None:
    seeds = torch.tensor([7, 2 ** 63 - 1, 0], device="cuda")
    found = draw_on_gpu(seeds, 4000, 0).cpu()
    assert noise_source(seeds.device) is draw_on_gpu
    assert torch.equal(draw_on_gpu(seeds[1:], 600, 80).cpu(), found[1:, 80:680])
    np.testing.assert_allclose(found, draw_on_cpu(seeds.cpu(), 4000, 0), rtol=0, atol=1e-5)
