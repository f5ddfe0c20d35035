"""WaveGlow's fast inference against the plain one: in Triton's interpreter, and on a GPU if there is one."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import waveglow
from hparams import CONFIGS, WaveGlowConfig
from runtime.graphs import RecordedFunction
from waveglow.fast import count_large_tiles

TESTS = Path(__file__).parent


def test_kernels_in_the_interpreter() -> None:
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(
        [str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])}
    subprocess.run([sys.executable, str(TESTS / "interpreted_waveglow.py")], check=True, env=environment)


@pytest.mark.parametrize("tiles, large", [(160, 132), (132, 132), (200, 198), (120, 120), (9, 0)])
def test_tiles_of_full_size_fill_the_multiprocessors(tiles: int, large: int) -> None:
    assert count_large_tiles(tiles, 2, 132) == large


def test_without_a_gpu_the_plain_network_speaks() -> None:
    model = waveglow.WaveGlow(CONFIGS["waveglow"]["tiny"][0])
    assert waveglow.fastest(model) is model


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("config", [WaveGlowConfig(n_flows=4), WaveGlowConfig(n_flows=2, generation="old")])
def test_fast_and_plain_inference_agree_on_a_gpu(config: WaveGlowConfig) -> None:
    torch.manual_seed(0)
    model = waveglow.WaveGlow(config).cuda().eval()
    for network in model.WN:
        torch.nn.init.normal_(network.end.weight, std=0.02)
    mel, noise = torch.randn(2, 80, 70, device="cuda") - 4, torch.randn(2, 8, 70 * 32, device="cuda")
    fast, lengths = waveglow.fastest(model), torch.tensor([70, 33], device="cuda")
    assert isinstance(fast, waveglow.FastWaveGlow)
    expected = model.infer(mel, noise=noise, mel_lengths=lengths)
    recorded = RecordedFunction(lambda *arguments: fast.infer(arguments[0], None, *arguments[1:]))
    for _ in range(3):
        wave = recorded(mel, noise, lengths)
        assert (wave - expected).norm() < 2e-2 * expected.norm()
