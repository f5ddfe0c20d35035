"""The scripts in experiments/ that write texts, check the student and measure the vocoder, at toy size."""
import json
import random
import re

import numpy as np
import pytest

from audio import write_wav
from experiments import measure_vocoder, robustness, spectra, write_texts
from hparams import AudioConfig, TextConfig
from synthesize import Synthesizer
from text import Line, read, read_metadata, symbols

IDS = np.array([symbols.index(symbol) for symbol in ("@HH", "@AY1", " ", "@DH", "@EH1", "@R", ".")])
DURATIONS = np.array([4, 6, 1, 2, 3, 7, 5])
RANGES = {name: [0.0, 20.0] for name in robustness.MEASURES} | {"quietest word": [-6.0, 0.0]}


def mel_of(durations: np.ndarray, level: float = -3.0) -> np.ndarray:
    return np.full((80, durations.sum()), level, np.float32)


# Texts


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return write_texts.write_texts(write_texts.GRAMMAR, random.Random(1))


def test_texts_are_polished_and_different(texts):
    said = [line.partition("|")[2] for line in texts]
    assert len({text.lower() for text in said}) == len(texts) > 6000
    for text in said:
        assert not re.search(r"[<>|]|\(n\)|\s\s|[^.]\.\.$", text), text
    write_texts.check_readable(texts[::40])
    kinds = {line.partition("-")[0] for line in texts[:600]}
    assert len(kinds) > 25, "a first part is a fair sample"


def test_articles_and_capitals():
    assert write_texts.polish("a(n) hour in a(n) university", "plain") == "An hour in a university"
    assert write_texts.polish('"no." he said.', "plain") == '"No," he said.'
    assert write_texts.polish("at 10 p.m..", "plain") == "At 10 p.m."
    assert write_texts.polish("axe", "words") == "axe"


def test_hard_texts_can_be_read_and_are_not_among_the_training_texts(texts):
    lines = read_metadata(write_texts.HARD_TEXTS)
    assert len(lines) == 200
    assert any(len(line.text.split()) >= 400 and not re.search("[,.;]", line.text) for line in lines)
    for line in lines:
        assert read(line.text, TextConfig()).words
    assert not {line.text.lower() for line in lines} & {text.partition("|")[2].lower() for text in texts}


# Robustness


def test_measures_by_hand():
    mel = mel_of(DURATIONS)
    mel[:, 11:23] = -5.0  # the second word
    mel[:, 12] = -4.0
    assert robustness.measure(IDS, DURATIONS, mel) == {
        "frames a sound": 22 / 5, "frames a sound, slowest word": 5.0, "frames a sound, fastest word": 4.0,
        "longest sound": 7.0, "longest gap": 5.0, "quietest word": -4.0}


def faults(durations: np.ndarray, mel: np.ndarray) -> list[str]:
    return [fault.measure for fault in robustness.find_faults("x", IDS, durations, mel, RANGES)]


def test_each_fault_is_found():
    assert faults(DURATIONS, mel_of(DURATIONS)) == []
    one_skipped, word_skipped, runaway = DURATIONS.copy(), DURATIONS.copy(), DURATIONS.copy()
    one_skipped[3], word_skipped[:2], runaway[6] = 0, 0, 300
    assert faults(one_skipped, mel_of(one_skipped)) == ["sounds without a frame"]
    assert faults(word_skipped, mel_of(word_skipped)) == ["sounds without a frame", "quietest word"]
    assert faults(runaway, mel_of(runaway)) == ["longest gap"]
    assert faults(DURATIONS, mel_of(DURATIONS, -9.0)) == ["quietest word"]
    assert faults(DURATIONS, mel_of(DURATIONS, np.nan)) == ["mel"]


def test_a_crash_is_a_fault_and_waves_are_kept(student, vocoder, tmp_path, monkeypatch):
    speaker = Synthesizer(student, vocoder_weights=vocoder, device="cpu")
    wide = {name: [-1e9, 1e9] for name in robustness.MEASURES}
    figures = robustness.check_all([Line("a", "Hello. You!", None), Line("b", "...", None)], speaker, wide, tmp_path)
    assert [fault["name"] for fault in figures["faults"] if fault["measure"] == "crash"] == ["b"]
    assert figures["texts"] == 2 and figures["seconds"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert "| b | crash | UserError" in robustness.table(figures)


# The vocoder


def test_a_tone_is_loudest_in_its_own_band():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(22050) / 22050)
    levels, edges = spectra.band_levels(spectra.power_spectrum(tone, 22050), 22050), spectra.band_edges()
    assert (edges[0], edges[-1], len(edges)) == (100.0, 8000.0, len(levels) + 1)
    loudest = int(levels.argmax())
    assert edges[loudest] <= 1000 < edges[loudest + 1]


def test_twice_the_amplitude_is_6_db():
    noise = 0.1 * np.random.default_rng(0).standard_normal(22050)
    power = spectra.power_spectrum(noise, 22050)
    compared = spectra.compare_spectra(4 * power, power, 22050)
    assert compared["largest_difference_db"] == pytest.approx(6.02, abs=0.01) and not compared["within"]
    assert spectra.log_spectral_distance(noise, noise, AudioConfig()) == 0
    assert spectra.log_spectral_distance(2 * noise, noise, AudioConfig()) == pytest.approx(6.02, abs=0.01)


def test_measure_vocoder_writes_waves_and_figures(vocoder, tmp_path, monkeypatch):
    folder = tmp_path / "corpus"
    (folder / "wavs").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, samples in (("a", 4000), ("b", 6000)):
        write_wav(folder / "wavs" / f"{name}.wav", 0.1 * rng.standard_normal(samples))
    (folder / "heldout.csv").write_text("a|One.\nb|Two.\n")
    json_path, picture, out = tmp_path / "figures.json", tmp_path / "spectrum.png", tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["measure_vocoder.py", str(folder / "heldout.csv"), str(folder), str(out),
                                     "--weights", str(vocoder), "--device", "cpu", "--json", str(json_path),
                                     "--picture", str(picture)])
    assert measure_vocoder.main() == 0
    figures = json.loads(json_path.read_text())
    assert sorted(path.name for path in out.iterdir()) == ["a.npy", "a.wav", "b.npy", "b.wav"]
    assert len(np.load(out / "a.npy")) == 80 and picture.stat().st_size > 1000
    assert figures["utterances"] == 2 and "skipped" in figures["precision"]
    assert figures["repeatable"]["same_seed_largest_difference"] == 0
    assert figures["repeatable"]["batch_and_single_largest_difference"] < 1e-4
    monkeypatch.setattr("sys.argv", ["measure_vocoder.py", str(tmp_path / "none.csv"), str(folder), str(out)])
    assert measure_vocoder.main() == 2
