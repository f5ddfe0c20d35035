"""WaveGlow's function: against recorded results, forward against inverse, batches, segments, precision, gradients."""
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from hparams import WaveGlowConfig
from waveglow.coupling import coupling_network
from waveglow.loss import likelihood_loss
from waveglow.model import WaveGlow

GOLDEN = Path(__file__).parent / "golden"
TINY = WaveGlowConfig(n_flows=6, n_early_every=2, n_layers=3, n_channels=16)
SIGMA = WaveGlowConfig(n_flows=6, n_early_every=2, n_layers=3, n_channels=16, sigma=0.8)
OLD = WaveGlowConfig(n_flows=6, n_layers=2, n_channels=16, generation="old")


def weight_of(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The weights behind golden/waveglow.npz: each follows from its name."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    values = random.standard_normal(shape)
    if name.startswith("convinv."):
        q, r = np.linalg.qr(values[..., 0])
        q = q * np.sign(np.diag(r))
        q[:, 0] *= np.sign(np.linalg.det(q))
        return torch.from_numpy(q.astype(np.float32))[..., None]
    return torch.from_numpy(values.astype(np.float32) * np.float32(0.05) + np.float32(name.endswith("weight_g")))


def golden_model() -> WaveGlow:
    model = WaveGlow(TINY)
    model.load_state_dict({name: weight_of(name, value.shape) for name, value in model.state_dict().items()})
    return model


def random_model(config: WaveGlowConfig, seed: int = 0) -> WaveGlow:
    """No layer at its zero start, so that every part of the network matters."""
    torch.manual_seed(seed)
    model = WaveGlow(config)
    with torch.no_grad():
        for network in model.WN:
            network.end.weight.normal_(0, 0.1)
            network.end.bias.normal_(0, 0.1)
        for convolution in model.convinv:
            convolution.conv.weight.add_(0.05 * torch.randn_like(convolution.conv.weight))
    return model


def random_mel(batch: int, frames: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 80, frames, generator=torch.Generator().manual_seed(seed)) * 2 - 5


def golden(kind: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / "waveglow.npz") as file:
        return {name.removeprefix(kind + "_"): torch.from_numpy(file[name]) for name in file if name.startswith(kind)}


def check_against_golden(model: WaveGlow, kind: str) -> None:
    expected = golden(kind)
    with torch.no_grad():
        output = model(expected["mel"], expected["audio_in"])
        noise = torch.cat([expected[f"noise{i}"] for i in (2, 1, 0)], dim=1)
        wave = model.infer(expected["mel"], sigma=0.6, noise=noise)
    assert torch.allclose(output.z, expected["fwd_z"], atol=1e-4, rtol=0)
    assert torch.allclose(output.log_det, expected["fwd_log_det_W"], atol=1e-4, rtol=0)
    for k, log_s in enumerate(output.log_s):
        assert torch.allclose(log_s, expected[f"fwd_log_s{k}"], atol=1e-4, rtol=0)
    assert abs(likelihood_loss(output) - expected["fwd_loss_sigma1"]) < 1e-4
    assert wave.shape == expected["infer"].shape and torch.allclose(wave, expected["infer"], atol=1e-4, rtol=0)


def test_equals_the_reference():
    model = golden_model()
    check_against_golden(model, "new80")
    model.fold_weight_norm()
    check_against_golden(model, "new80")
    model.unfold_weight_norm()
    check_against_golden(model, "new80")


def test_full_size_has_the_published_keys():
    keys = json.loads((GOLDEN / "waveglow_keys.json").read_text())
    with torch.device("meta"):
        model = WaveGlow(WaveGlowConfig())
    assert {name: list(value.shape) for name, value in model.state_dict().items()} == keys["new"]
    model.fold_weight_norm()
    assert {name: list(value.shape) for name, value in model.state_dict().items()} == keys["new_folded"]
    assert sum(parameter.numel() for parameter in model.parameters()) == 87_731_816


@pytest.mark.parametrize("config", [TINY, OLD], ids=["new", "old"])
def test_inverse_of_forward_is_the_wave(config):
    model = random_model(config)
    mel, wave = random_mel(2, 9), torch.rand(2, 9 * 256) - 0.5
    with torch.no_grad():
        output = model(mel, wave)
        back = model.infer(mel, sigma=1.0, noise=output.z)
        again = model(mel, model.infer(mel, sigma=0.5, noise=torch.randn(2, 8, 9 * 32))).z
    assert output.z.shape == (2, 8, 9 * 32) and len(output.log_s) == 6
    assert (output.z.transpose(1, 2).flatten(1) - wave).abs().max() > 0.1
    assert (back - wave).abs().max() < 1e-4
    assert 0.4 < again.std() < 0.6


def test_log_determinant_is_that_of_the_jacobian():
    model = random_model(WaveGlowConfig(n_flows=5, n_early_every=2, n_layers=2, n_channels=4))
    mel, wave = random_mel(1, 1), torch.rand(256) - 0.5
    output = model(mel, wave[None])
    jacobian = torch.autograd.functional.jacobian(lambda x: model(mel, x[None]).z.flatten(), wave)
    counted = sum(scale.sum() for scale in output.log_s) + output.log_det.sum()
    assert torch.allclose(torch.linalg.slogdet(jacobian.double())[1].float(), counted, atol=1e-3)


def test_old_generation_swaps_halves():
    old, new = random_model(OLD), random_model(OLD)
    new.config = WaveGlowConfig(n_flows=6, n_layers=2, n_channels=16)
    mel, noise = random_mel(1, 4), torch.randn(1, 8, 128)
    with torch.no_grad():
        assert (old.infer(mel, noise=noise) - new.infer(mel, noise=noise)).abs().max() > 0.05
    first, second = old._halves(1, torch.arange(8.0)[None, None])
    assert first.flatten().tolist() == [4, 5, 6, 7] and second.flatten().tolist() == [0, 1, 2, 3]
    assert old._join(1, first, second).flatten().tolist() == list(range(8))
    assert old.sizes == [8, 8, 8, 8, 6, 6]


def test_batch_equals_single():
    model = random_model(TINY)
    lengths = torch.tensor([12, 1, 7])
    mel = random_mel(3, 12)
    with torch.no_grad():
        wave = model.infer(mel, generator=[torch.Generator().manual_seed(i) for i in range(3)], mel_lengths=lengths)
        for i, length in enumerate(lengths.tolist()):
            alone = model.infer(mel[i:i + 1, :, :length], generator=torch.Generator().manual_seed(i))
            assert alone.shape == (1, length * 256)
            assert (wave[i, :length * 256] - alone[0]).abs().max() < 1e-5
            assert not wave[i, length * 256:].any()


def test_noise_is_seeded_and_scaled():
    model = random_model(SIGMA)
    mel = random_mel(2, 4)
    with torch.no_grad():
        one, two, three = (model.infer(mel, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert torch.equal(one, two) and not torch.equal(one, three)
        noise = torch.randn(2, 8, 128)
        assert torch.equal(model.infer(mel, noise=noise), model.infer(mel, sigma=0.8, noise=noise))
        assert torch.allclose(model.infer(mel, sigma=0.3, noise=noise), model.infer(mel, sigma=1.0, noise=noise * 0.3))


def test_segment_with_context_is_conditioned_as_the_whole():
    model = random_model(TINY)
    mel = random_mel(1, 40)
    first, length, side = 17, 6, model.context
    with torch.no_grad():
        whole = model.upsample(mel, 0, 40 * 256)
        part = model.upsample(mel[..., first - side:first + length + side], side, length * 256)
        per_frame = whole.shape[1] // 40
        assert torch.allclose(part, whole[:, first * per_frame:(first + length) * per_frame], atol=1e-5)
        noise = torch.randn(1, 8, length * 32)
        segment = mel[..., first - side:first + length + side]
        wave = model.infer(segment, sigma=1.0, noise=noise, crop=side)
        assert wave.shape == (1, length * 256)
        assert torch.allclose(model(segment, wave, crop=side).z, noise, atol=1e-3)


def test_bfloat16_autocast_stays_close():
    model = random_model(SIGMA)
    mel, wave, noise = random_mel(2, 16), torch.rand(2, 16 * 256) - 0.5, torch.randn(2, 8, 16 * 32)
    with torch.no_grad():
        plain, plain_wave = model(mel, wave), model.infer(mel, noise=noise)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output, generated = model(mel, wave), model.infer(mel, noise=noise)
            returned = model.infer(mel, sigma=1.0, noise=output.z)
    assert output.z.dtype == generated.dtype == output.log_det.dtype == torch.float32
    assert torch.equal(output.log_det, plain.log_det)
    assert 0 < (output.z - plain.z).abs().max() < 0.05
    assert (generated - plain_wave).abs().max() < 0.05 * plain_wave.std()
    assert (returned - wave).abs().max() < 0.05


@pytest.mark.parametrize("config", [TINY, OLD], ids=["new", "old"])
@pytest.mark.parametrize("direction", ["likelihood", "inverse"])
def test_every_parameter_gets_a_gradient(config, direction):
    model = random_model(config)
    mel, wave = random_mel(2, 4), torch.rand(2, 4 * 256) - 0.5
    if direction == "likelihood":
        likelihood_loss(model(mel, wave)).backward()
    else:
        model.infer(mel, noise=torch.randn(2, 8, 128)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_likelihood_falls_when_trained():
    torch.manual_seed(0)
    model = WaveGlow(SIGMA)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    mel, wave = random_mel(2, 8), torch.sin(torch.arange(2 * 2048) * 0.3).reshape(2, 2048) * 0.3
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        losses.append(likelihood_loss(model(mel, wave)))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.3


def test_core_compiles_once_for_all_flows():
    torch._dynamo.reset()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    model = random_model(SIGMA)
    mel, noise = random_mel(2, 4), torch.randn(2, 8, 128)
    plain = model.infer(mel, noise=noise)
    model.core = torch.compile(coupling_network, backend=backend, dynamic=False, fullgraph=True)
    compiled = model.infer(mel, noise=noise)
    assert torch.allclose(compiled, plain, atol=1e-6)
    assert len(graphs) == 1


@pytest.mark.parametrize("sizes, named", [
    ({"n_flows": 20}, "n_flows"), ({"n_early_size": 3}, "n_early_size"), ({"kernel_size": 4}, "kernel_size"),
    ({"generation": "old", "n_early_every": 2}, "n_early_every"), ({"n_group": 24}, "n_group")])
def test_impossible_sizes_are_user_errors(sizes, named):
    with pytest.raises(ValueError, match=named):
        WaveGlow(WaveGlowConfig(**sizes))
