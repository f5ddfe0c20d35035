"""The measures of experiments/targets.py, on numbers with a known answer."""
import math

import numpy as np
import pytest
import torch

from audio import Ragged
from distillation.dataset import DistilledDataset
from distillation.manifest import Manifest
from experiments.mel_measures import (
    FRAME_MS,
    band_variance,
    cepstra,
    laplacian_variance,
    mel_cepstral_distortion,
    mel_figures,
)
from experiments.target_statistics import (
    contexts,
    set_statistics,
    symbol_frames,
    variance_within_classes,
    variation_between_readings,
)
from hparams import AudioConfig, TextConfig
from text import symbols


def dataset(rows: list[tuple[str, list[int], list[int], torch.Tensor]]) -> DistilledDataset:
    """Returns rows (name, ids, durations, mel (T, M)) as a dataset; readings with the same name are numbered."""
    names = [row[0] for row in rows]
    manifest = Manifest(AudioConfig(), TextConfig(), list(symbols), "test", 1, 0, False)
    return DistilledDataset(manifest, names, [names[:n].count(name) for n, name in enumerate(names)],
                            Ragged.from_rows([torch.tensor(row[1], dtype=torch.uint8) for row in rows]),
                            Ragged.from_rows([torch.tensor(row[2], dtype=torch.int32) for row in rows]),
                            Ragged.from_rows([row[3].half() for row in rows]), None)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_classes_explain_all_or_nothing():
    classes = torch.arange(5000) % 50
    table = noise(50, 3)
    assert variance_within_classes(table[classes], classes).unexplained == pytest.approx(0, abs=1e-12)
    assert variance_within_classes(noise(5000, 3), classes).unexplained == pytest.approx(1, abs=0.03)
    assert variance_within_classes(table[classes] + noise(5000, 3), classes).unexplained == pytest.approx(0.5, abs=0.1)


def test_classes_of_few_values_explain_nothing():
    classes = torch.arange(4000) // 2 * torch.tensor([1, 7])[torch.arange(4000) % 2]
    found = variance_within_classes(noise(4000, 2), classes)
    assert found.unexplained == pytest.approx(1, abs=0.1)
    assert math.isnan(variance_within_classes(noise(9, 2), torch.arange(9)).unexplained)


def test_entropy_of_a_known_gaussian():
    root = torch.tensor([[2.0, 0.0], [1.0, 0.5]])
    values = noise(40000, 2) @ root.T
    expected = 0.5 * (math.log(float((root @ root.T).det())) / 2 + math.log(2 * math.pi * math.e))
    assert variance_within_classes(values, torch.arange(40000) % 4).entropy == pytest.approx(expected, abs=0.02)


def test_contexts_know_the_ends_of_rows():
    mel = torch.zeros(3, 80)
    found = contexts(dataset([("a", [5, 6, 5], [1, 1, 1], mel), ("b", [6, 5, 6], [1, 1, 1], mel),
                              ("c", [5, 6, 5], [1, 1, 1], mel)]))
    edge, size = len(symbols), len(symbols) + 1
    assert found[:3].tolist() == [(edge * size + 5) * size + 6, (5 * size + 6) * size + 5, (6 * size + 5) * size + edge]
    assert torch.equal(found[:3], found[6:]) and found.unique().numel() == 6


def test_frames_of_a_symbol_are_spread_over_it():
    mel = torch.arange(9.0)[:, None].expand(9, 80)
    frames, spoken = symbol_frames(dataset([("a", [1, 2, 3, 4], [6, 1, 0, 2], mel)]))
    assert frames[..., 0].tolist()[:2] == [[0, 2, 3, 5], [6, 6, 6, 6]] and frames[3, :, 0].tolist() == [7, 7, 8, 8]
    assert spoken.tolist() == [True, True, False, True]


def random_rows(noisy: float) -> list[tuple[str, list[int], list[int], torch.Tensor]]:
    """Returns texts of four symbols; each symbol determines its mel and duration, noise is added to the mel."""
    rng, table = np.random.default_rng(0), noise(148, 80)
    rows = []
    for number in range(400):
        ids = rng.integers(1, 5, 4).tolist()
        mel = torch.cat([table[n].expand(n, 80) for n in ids])
        rows.append((f"text-{number // 2}", ids, ids, mel + noisy * noise(*mel.shape, seed=number)))
    return rows


def test_statistics_of_a_target_set():
    exact, noisy = (set_statistics(dataset(random_rows(level))) for level in (0.0, 1.0))
    assert exact["rows"] == 400 and exact["unexplained"] == pytest.approx(0, abs=1e-6)
    assert 0.3 < noisy["unexplained"] < 0.8 and noisy["duration_unexplained"] == pytest.approx(0, abs=1e-6)
    assert noisy["entropy"] > exact["entropy"]


def test_spread_over_readings():
    ids, mel = [1, 2, 3], noise(6, 80)
    alike = dataset([("a", ids, [1, 2, 3], mel), ("a", ids, [1, 2, 3], mel), ("alone", ids, [1, 2, 3], mel)])
    assert variation_between_readings(alike) == {"spread": pytest.approx(0), "duration_spread_ms": pytest.approx(0)}
    apart = dataset([(f"{n // 2}", ids * 50, [1] * 150, noise(150, 80, seed=n)) for n in range(4)])
    assert variation_between_readings(apart)["spread"] == pytest.approx(1, abs=0.02)
    paces = dataset([("a", [1, 2], [1, 5], mel), ("a", [1, 2], [5, 1], mel)])
    assert variation_between_readings(paces)["duration_spread_ms"] == pytest.approx(math.sqrt(8) * FRAME_MS)
    assert math.isnan(variation_between_readings(dataset([("a", ids, [1, 2, 3], mel)]))["spread"])


def test_var_l_of_a_known_array():
    mel = np.zeros((5, 5))
    mel[2, 2] = 1
    scale = 2.0 - math.log(1e-5)
    laplacian = np.zeros((5, 5))
    laplacian[2, 2], laplacian[1, 2], laplacian[3, 2], laplacian[2, 1], laplacian[2, 3] = 4, -1, -1, -1, -1
    assert laplacian_variance(mel) == pytest.approx((laplacian / 6 / scale).var())
    assert laplacian_variance(np.full((80, 1), -3.0)) == pytest.approx(0)
    assert laplacian_variance(3 * mel) == pytest.approx(9 * laplacian_variance(mel))


def test_cepstra_of_a_cosine():
    bands = np.arange(80) + 0.5
    mel = (7 + 0.4 * np.cos(3 * np.pi * bands / 80))[:, None]
    expected = np.zeros((1, 13))
    expected[0, 2] = 0.4
    np.testing.assert_allclose(cepstra(mel), expected, atol=1e-12)
    assert mel_cepstral_distortion(mel, np.full((80, 4), 7.0)) == pytest.approx(10 / math.log(10) * math.sqrt(2) * 0.4)


def test_mcd_does_not_mind_another_pace():
    mel = noise(80, 30).numpy()
    assert mel_cepstral_distortion(mel, mel) == 0
    assert mel_cepstral_distortion(mel, np.repeat(mel, [1 + n % 4 for n in range(30)], 1)) == pytest.approx(0, abs=1e-6)
    assert mel_cepstral_distortion(mel, noise(80, 40, seed=1).numpy()) > 1


def test_distortion_is_the_mean_along_the_path_with_the_least_sum():
    mel, other = noise(80, 5).numpy(), noise(80, 6, seed=1).numpy()
    cost = [[mel_cepstral_distortion(mel[:, [t]], other[:, [u]]) for u in range(6)] for t in range(5)]
    best: dict[tuple[int, int], tuple[float, int]] = {}  # place -> (sum, number of places) of the best path to it
    for t in range(5):
        for u in range(6):
            before = min((best[place] for place in ((t - 1, u - 1), (t - 1, u), (t, u - 1)) if place in best),
                         default=(0.0, 0))
            best[t, u] = before[0] + cost[t][u], before[1] + 1
    total, count = best[4, 5]
    assert mel_cepstral_distortion(mel, other) == pytest.approx(total / count)


def test_figures_of_mels():
    recorded = [noise(80, 30, seed=n).numpy() for n in range(2)]
    durations = [np.array([10, 20]), np.array([15, 15])]
    same = mel_figures(recorded, durations, recorded, durations)
    assert same == pytest.approx({"duration_ms": 0, "length": 1, "var_l": 1, "gv": 1, "mcd_mel": 0})
    halved = mel_figures([mel / 2 for mel in recorded], [np.array([12, 18])] * 2, recorded, durations)
    assert halved["gv"] == pytest.approx(0.25) and halved["var_l"] == pytest.approx(0.25)
    assert halved["duration_ms"] == pytest.approx(2.5 * FRAME_MS)
    np.testing.assert_allclose(band_variance(np.array([[1.0, 3.0], [2.0, 2.0]])), [1, 0])
