"""The vocoder at the mel rate: a bijection with an exact likelihood, batches, streaming, half precision, sizes."""
import dataclasses
import math

import pytest
import torch

import waveglow
from hparams import AudioConfig, WaveGlowConfig
from waveglow import MelRateWaveGlow
from waveglow.lapped import LappedTransform
from waveglow.mel_rate import EDGE

TINY = WaveGlowConfig(squeeze="mdct", n_flows=3, n_blocks=2, block_channels=16, block_hidden=32, flow_channels=8)
HOP = AudioConfig().hop_length


def tiny(config: WaveGlowConfig = TINY, audio: AudioConfig = AudioConfig()) -> MelRateWaveGlow:
    """A network whose flow does something: untrained, its coupling layers are nearly the identity."""
    torch.manual_seed(0)
    model = MelRateWaveGlow(config, audio).eval()
    for flow in model.flows:
        torch.nn.init.normal_(flow.end.weight, std=0.3)
    return model


def mels(rows: int, frames: int) -> torch.Tensor:
    return torch.randn(rows, 80, frames, generator=torch.Generator().manual_seed(1)) - 5


def test_mdct_is_an_orthonormal_change_of_basis():
    transform, wave = LappedTransform(16), torch.randn(2, 16 * 5)
    coefficients = transform(wave)
    assert coefficients.shape == (2, 5, 16)
    torch.testing.assert_close(transform.inverse(coefficients), wave)
    torch.testing.assert_close(coefficients.square().sum(), wave.square().sum())


def test_mdct_has_its_basis():
    hop, frame, k = 8, 2, 3
    coefficients = torch.zeros(1, 5, hop)
    coefficients[0, frame, k] = 1
    wave = LappedTransform(hop).inverse(coefficients)[0]
    n = torch.arange(2 * hop)
    basis = (torch.sin(math.pi / (2 * hop) * (n + 0.5)) * math.sqrt(2 / hop)
             * torch.cos(math.pi / hop * (n + 0.5 - hop / 2) * (k + 0.5)))
    start = frame * hop - hop // 2  # half a hop before the frame's centre is sample frame * hop of this wave
    found = wave[start:start + 2 * hop]
    torch.testing.assert_close(found, basis, atol=1e-6, rtol=0)
    assert wave[:start].abs().max() < 1e-6 and wave[start + 2 * hop:].abs().max() < 1e-6


def test_noise_and_wave_determine_each_other():
    model, mel, audio = tiny(), mels(2, 6), 0.1 * torch.randn(2, 6 * HOP)
    with torch.no_grad():
        output = model(mel, audio)
        back = model._generate(mel, output.z, None)
        assert output.z.shape == (2, HOP, 6)
        torch.testing.assert_close(back, audio, atol=1e-5, rtol=1e-4)


def test_log_determinant_is_that_of_the_jacobian():
    small = AudioConfig(hop_length=8, n_fft=32, win_length=32)
    model, mel, z = tiny(audio=small), mels(1, 3), torch.randn(1, 8, 3)
    with torch.no_grad():
        expected = model(mel, model._generate(mel, z, None)).log_s.sum()
    jacobian = torch.autograd.functional.jacobian(lambda x: model._generate(mel, x, None).flatten(), z)
    found = -torch.linalg.slogdet(jacobian.reshape(24, 24).double()).logabsdet
    torch.testing.assert_close(found.float(), expected, atol=1e-3, rtol=1e-4)


def test_rows_of_a_batch_are_as_they_would_be_alone():
    model, mel, lengths = tiny(), mels(3, 12), torch.tensor([12, 5, 9])
    noise = torch.randn(3, *model.noise_shape(12))
    with torch.no_grad():
        together = model.infer(mel, noise=noise, mel_lengths=lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = model.infer(mel[row:row + 1, :, :length], noise=noise[row:row + 1, :, :length + 2 * EDGE])
            torch.testing.assert_close(together[row, :length * HOP], alone[0], atol=1e-6, rtol=1e-4)
            assert not together[row, length * HOP:].any()


def test_a_segment_with_context_is_that_part_of_the_whole():
    model, mel = tiny(), mels(1, 80)
    noise = torch.randn(1, *model.noise_shape(80))
    with torch.no_grad():
        whole = model.infer(mel, noise=noise)
        part = model.infer(mel[:, :, 20:60], noise=noise[:, :, 20 + EDGE:60 + EDGE], crop=model.context)
    torch.testing.assert_close(part, whole[:, 36 * HOP:44 * HOP], atol=1e-6, rtol=1e-4)


def test_without_a_flow_noise_changes_nothing():
    model = tiny(WaveGlowConfig(squeeze="mdct", n_flows=0, n_blocks=2, block_channels=16, block_hidden=32))
    with torch.no_grad():
        waves = [model.infer(mels(1, 5), generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
        assert torch.equal(*waves)
        other = tiny()
        waves = [other.infer(mels(1, 5), generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
        assert not torch.allclose(*waves)


def test_sigma_scales_the_noise_and_travels_with_the_weights(tmp_path):
    model = tiny(dataclasses.replace(TINY, sigma=0.5))
    path = tmp_path / "vocoder.safetensors"
    waveglow.save(path, model)
    loaded, noise = waveglow.load(path), torch.randn(1, *model.noise_shape(5))
    assert isinstance(loaded, MelRateWaveGlow) and loaded.config.sigma == 0.5
    with torch.no_grad():
        wave = loaded.infer(mels(1, 5), noise=noise)
        assert torch.equal(wave, loaded.infer(mels(1, 5), sigma=1.0, noise=0.5 * noise))
        torch.testing.assert_close(wave, model.infer(mels(1, 5), noise=noise), atol=2e-3, rtol=0.05)


def test_only_the_network_at_the_mel_rate_works_without_a_flow():
    with pytest.raises(ValueError, match="n_flows: found 0, expected at least 1"):
        WaveGlowConfig(n_flows=0)


@pytest.mark.parametrize("n_flows, n_blocks, expected", [(4, 7, 3_852_034), (0, 8, 3_584_258)])
def test_number_of_parameters(n_flows, n_blocks, expected):
    model = waveglow.build(WaveGlowConfig(squeeze="mdct", n_flows=n_flows, n_blocks=n_blocks))
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
