"""WaveGlow's Triton kernels against the plain network; test_waveglow_fast.py runs this in Triton's interpreter.

A process of its own, because Triton reads TRITON_INTERPRET when it is imported. Tiles are small, since the interpreter
is slow.
"""
from unittest import mock

import torch

from hparams import AudioConfig, WaveGlowConfig
from waveglow import WaveGlow, fast

AUDIO = AudioConfig(hop_length=64, n_fft=256, win_length=256)
SMALL = fast.Tile(16, 16, 4, 3)
SMALL_TILES = {"FRAME_STEP": 4, "GATED": fast.Tile(16, 32, 4, 3), "REST": SMALL, "RESIDUAL": SMALL}


def compare(config: WaveGlowConfig) -> None:
    """Asserts that fast and plain inference give the same waves, silent after the end of a short row."""
    model = WaveGlow(config, AUDIO).eval()
    for network in model.WN:
        torch.nn.init.normal_(network.end.weight, std=0.2)
        torch.nn.init.normal_(network.end.bias, std=0.1)
    vocoder = fast.FastWaveGlow(model)
    mel, noise, lengths = torch.randn(2, 16, 9) - 4, torch.randn(2, 8, 9 * 8), torch.tensor([9, 5])
    wave = vocoder.infer(mel, None, noise, lengths)
    expected = model.infer(mel, noise=noise, mel_lengths=lengths)
    assert (wave - expected).norm() < 3e-3 * expected.norm() and not wave[1, 5 * 64:].any()
    assert fast.discrepancy(vocoder) < 3e-3


if __name__ == "__main__":
    torch.manual_seed(0)
    with mock.patch.multiple(fast, **SMALL_TILES):
        compare(WaveGlowConfig(n_mels=16, n_early_every=4, n_flows=5, n_layers=2, n_channels=32, generation="old"))
        compare(WaveGlowConfig(n_mels=16, n_early_every=1, n_flows=2, n_layers=5, n_channels=32))  # far dilations
