"""Voices of less speech: the parts of a corpus, and the table."""
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from experiments import voice_minutes
from hparams import UserError
from text import read_metadata


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Thirty recordings of 12 s: fifteen sentences, two takes of each; two more sentences are held out."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "wavs").mkdir()
    wave = 0.1 * np.random.default_rng(0).standard_normal(12 * 22050)
    for number in range(30):
        soundfile.write(folder / "wavs" / f"r{number}.wav", wave, 22050)
    (folder / "metadata.csv").write_text("".join(f"r{n}|Sentence {n % 15}.\n" for n in range(30)))
    (folder / "heldout.csv").write_text("h0|One more.\nh1|Sentence 3\n")
    return folder


def test_smaller_parts_are_in_larger_ones_and_takes_stay_together(corpus, tmp_path):
    found = voice_minutes.write_subsets(corpus, tmp_path, [1, 2, 80])
    assert found == {1: pytest.approx(1.2), 2: pytest.approx(2.0), 80: pytest.approx(5.6)}  # sentence 3 is held out
    texts = {}
    for amount in found:
        lines = read_metadata(tmp_path / f"{amount}-data" / "metadata.csv")
        texts[amount] = [line.text for line in lines]
        assert all(texts[amount].count(text) == 2 for text in texts[amount])
        assert (tmp_path / f"{amount}-data" / "wavs" / f"{lines[0].name}.wav").is_file()
        assert len(read_metadata(tmp_path / f"{amount}-data" / "heldout.csv")) == 2
    assert set(texts[1]) < set(texts[2]) < set(texts[80]) and "Sentence 3." not in texts[80]


def test_judged_voices_make_the_table_and_the_plot(corpus, tmp_path, monkeypatch, capsys):
    made = []
    monkeypatch.setattr(voice_minutes, "make_voice", lambda work, amount, more: made.append((amount, more)) or True)
    monkeypatch.setattr(voice_minutes, "speak", lambda work, amount, lists: (work / str(amount)).mkdir(exist_ok=True))
    (tmp_path / "sentences.txt").write_text("s|A sentence.\n")
    command = ["--data", str(corpus), "--sentences", str(tmp_path / "sentences.txt"), "--work", str(tmp_path / "work"),
               "--out", str(tmp_path / "out"), "--minutes", "1", "2", "--", "--student-steps", "5"]
    assert voice_minutes.main(command) == 0
    assert made == [(1, ["--student-steps", "5"]), (2, ["--student-steps", "5"])]
    assert not (tmp_path / "out").exists() and "| 1.2 | – | – | – | – |" in capsys.readouterr().out
    figures = {"total": {"mos": 3.456, "wer": 0.0789}}
    (tmp_path / "work" / "2" / "sentences.json").write_text(json.dumps(figures))
    assert voice_minutes.main(command) == 0
    assert "| 2.0 | – | – | 3.46 | 7.9% |" in (tmp_path / "out" / "minutes.md").read_text()
    assert (tmp_path / "out" / "minutes.png").stat().st_size > 1000
    (tmp_path / "work" / "2" / "sentences.json").write_text("{}")
    assert voice_minutes.main(command) == 2 and "expected" in capsys.readouterr().err


def test_a_failed_training_is_named(tmp_path, capfd):
    with pytest.raises(UserError, match="ended with status 2"):
        voice_minutes.make_voice(tmp_path, 5, [])
    assert "metadata.csv: no such file" in capfd.readouterr().err
