"""The scripts in results/ that make texts, figures and the page, at toy size."""
import random
import re

import numpy as np
import pytest

from hparams import TextConfig
from results import robustness, write_texts
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


def test_texts_are_finished_and_unlike(texts):
    said = [line.partition("|")[2] for line in texts]
    assert len({text.lower() for text in said}) == len(texts) > 6000
    for text in said:
        assert not re.search(r"[<>|]|\(n\)|\s\s|[^.]\.\.$", text), text
    kinds = {line.partition("-")[0] for line in texts[:600]}
    assert len(kinds) > 25, "a first part is a fair sample"


def test_articles_and_capitals():
    assert write_texts.finished("a(n) hour in a(n) university", "plain") == "An hour in a university"
    assert write_texts.finished('"no." he said.', "plain") == '"No," he said.'
    assert write_texts.finished("at 10 p.m..", "plain") == "At 10 p.m."
    assert write_texts.finished("axe", "words") == "axe"


def test_hard_texts_can_all_be_read_and_are_not_trained_on(texts):
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
    return [fault.measure for fault in robustness.faults_of("x", IDS, durations, mel, RANGES)]


def test_what_goes_wrong_is_found():
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
