"""Damaged and unusual recordings, ids as other projects write them, and the report on a corpus."""
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import audio
from audio.corpus import find_recording, read_recordings
from audio.corpus_report import examine
from audio.files import MOST_SAMPLES, decode
from audio.recordings import read_folder
from hparams import AudioConfig, UserError
from text import Line, read_metadata

ROOT = Path(__file__).parents[1]
RATE = 22050


def tone(seconds: float = 0.5, peak: float = 0.5) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * 220 * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        audio.read_wav(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("rate", [1, 100, 999, 2 ** 31 - 1])
def test_absurd_sample_rates_are_refused(tmp_path, rate):
    data = bytearray(audio.encode_wav(tone()))
    data[24:28] = struct.pack("<I", rate)
    (tmp_path / "a.wav").write_bytes(data)
    assert "sample rate" in refusal(tmp_path / "a.wav") or "cannot be read" in refusal(tmp_path / "a.wav")


def test_a_flac_that_claims_years_takes_no_memory(tmp_path):
    data = bytearray(audio.encode_wav(tone(), ending=".flac"))
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4  # the total number of samples in STREAMINFO: 2^36 - 1
    (tmp_path / "a.flac").write_bytes(data)
    code = ("import sys, resource; from hparams import UserError; import audio.files\n"
            "resource.setrlimit(resource.RLIMIT_AS, (8 * 2 ** 30, 8 * 2 ** 30))\n"
            "try: audio.files.decode(sys.argv[1], 22050)\nexcept UserError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.flac"], cwd=ROOT, capture_output=True, text=True)
    assert "ends after" in done.stdout or "cannot be read" in done.stdout, done.stderr


def test_hours_of_silence_in_a_small_file_are_refused(tmp_path, monkeypatch):
    import audio.files
    monkeypatch.setattr(audio.files, "MOST_SAMPLES", 10_000)
    monkeypatch.setattr(audio.files, "READ_BLOCK", 1000)
    soundfile.write(tmp_path / "a.flac", np.zeros(20_000), RATE)
    assert "more than 10000 samples" in refusal(tmp_path / "a.flac")
    assert MOST_SAMPLES * 4 <= 2 ** 30


def test_blocks_are_joined(tmp_path, monkeypatch):
    import audio.files
    monkeypatch.setattr(audio.files, "READ_BLOCK", 1000)
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (11025, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, RATE, "FLOAT")
    assert np.array_equal(decode(tmp_path / "a.wav", RATE).wave, wave.mean(1))


def changes_of(path: Path) -> tuple[np.ndarray, str]:
    decoded = decode(path, RATE)
    return decoded.wave, "; ".join(decoded.changes)


def test_floating_point_samples_beyond_1_are_scaled_not_clipped(tmp_path):
    path = tmp_path / "a.wav"
    for peak, scale, change in ((0.9, 1, ""), (1.01, 1, ""), (1.8, 1 / 1.8, "down to a peak of 1"),
                                (20000.0, 1 / 32768, "16-bit integers")):
        soundfile.write(path, tone(peak=peak), RATE, "FLOAT")
        wave, found = changes_of(path)
        assert change in found and bool(change) == bool(found)
        assert np.abs(wave - np.clip(tone(peak=peak) * scale, -1, 1)).max() < 1e-3
    soundfile.write(path, tone(peak=1e9), RATE, "FLOAT")
    assert "found samples up to 1e+09" in refusal(path)


def test_channels_of_opposite_phase_are_not_lost(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(), -tone() * 0.9], 1), RATE)
    wave, change = changes_of(path)
    assert "cancel" in change and np.abs(wave - tone()).max() < 1e-3
    soundfile.write(path, np.stack([tone(), np.zeros_like(tone())], 1), RATE)
    wave, change = changes_of(path)
    assert "mixing" in change and np.abs(wave - tone() / 2).max() < 1e-3
    soundfile.write(path, np.zeros((9999, 2)), RATE)
    assert not changes_of(path)[0].any()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_file_is_a_wave_or_one_line(data, tmp_path_factory):
    ending = data.draw(st.sampled_from([".wav", ".flac", ".ogg"]))
    content = bytearray(audio.encode_wav(tone(0.1), RATE, ending))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(content), 200) - 1) | st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / f"a{ending}"
    path.write_bytes(content[:data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        wave = decode(path, RATE).wave
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert wave.dtype == np.float32 and wave.ndim == 1 and len(wave) and np.abs(wave).max() <= 1


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "wavs" / "sub").mkdir(parents=True)
    for name in ("u1.wav", "u2.WAV", "u3.Flac", "sub/u4.ogg", "u6.wav.wav"):
        path = tmp_path / "wavs" / name
        path.write_bytes(audio.encode_wav(tone(), RATE, path.suffix.lower()))
    (tmp_path / "wavs" / "u5.mp3").write_bytes(b"ID3")
    return tmp_path


@pytest.mark.parametrize("name, file", [
    ("u1", "u1.wav"), ("u1.wav", "u1.wav"), ("wavs/u1.wav", "u1.wav"), ("wavs\\u1.wav", "u1.wav"), ("u2", "u2.WAV"),
    ("u2.wav", "u2.WAV"), ("u3", "u3.Flac"), ("sub/u4", "sub/u4.ogg"), ("sub\\u4", "sub/u4.ogg"),
    ("u6.wav", "u6.wav.wav")])
def test_ids_as_other_projects_write_them(folder, name, file):
    assert find_recording(folder, name) == folder / "wavs" / file


@pytest.mark.parametrize("name, expected", [
    ("u5", "u5.wav: found u5.mp3, which is not read; convert it"), ("u9", r"u9.wav: no such file \(nor .flac"),
    ("u9.wav", "wavs/u9.wav: no such file"), ("n" * 300, "no such file"), ("a\0b", "no such file")])
def test_missing_recordings_are_named(folder, name, expected):
    with pytest.raises(UserError, match=expected):
        find_recording(folder, name)


def test_all_bad_recordings_are_named_at_once(folder):
    (folder / "wavs" / "bad.wav").write_bytes(b"no sound")
    with pytest.raises(UserError, match="^3 of 4 recordings cannot be used: .*u8.*; .*bad.wav.*; .*u9") as error:
        audio.read_corpus(folder, ["u8", "u1", "bad", "u9"])
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="; and 15 more$"):
        audio.read_corpus(folder, [f"x{number}" for number in range(20)])


def corpus(folder: Path, waves: dict[str, np.ndarray], texts: dict[str, str], subtype: str = "PCM_16") -> Path:
    (folder / "wavs").mkdir(exist_ok=True)
    for name, wave in waves.items():
        soundfile.write(folder / "wavs" / f"{name}.wav", wave, RATE, subtype)
    (folder / "metadata.csv").write_text("".join(f"{name}|{texts.get(name, 'It was good.')}\n" for name in waves))
    return folder


def test_a_corpus_is_looked_at_before_training(tmp_path):
    waves = {f"good{number}": tone(1.0) for number in range(8)}
    waves |= {"silent": np.zeros(RATE), "click": tone(0.05), "clipped": np.clip(9 * tone(1.0), -1, 1),
              "marks": tone(1.0), "quiet": tone(1.0, 0.02), "long": tone(21.0), "chatter": tone(1.0)}
    corpus(tmp_path, waves, {"marks": "???", "chatter": "word " * 40, "long": "It was good. " * 12})
    (tmp_path / "heldout.csv").write_text("good0|It was good.\n")
    lines: list[str] = []
    training, validation = read_folder(tmp_path, AudioConfig(), lines.append)
    assert {line.name for line in training.lines} == waves.keys() - {"silent", "click", "marks", "good0"}
    assert [line.name for line in validation.lines] == ["good0"]
    for line, length in zip(training.lines, training.waves.lengths.tolist(), strict=True):
        assert length == len(waves[line.name])
    found = "\n".join(lines)
    for expected in ("15 rows, 0.01 h, 22050 Hz, level -9 dB", "1 row silent, left out: silent",
                     "1 row shorter than 2048 samples, left out: click",
                     "1 row without a word in their text, left out: marks",
                     "1 row clipped, used as they are: clipped",
                     "1 row more than 15 dB louder or quieter than most, used as they are: quiet",
                     "1 row longer than 20 s, used if --max-frames allows it: long",
                     "1 row whose text is too long or too short for the recording, used as they are: chatter"):
        assert expected in found, found
    assert len(lines) == 8 and all(line.startswith(f"{tmp_path}: ") for line in lines)


def test_what_was_converted_is_reported_row_by_row(tmp_path):
    corpus(tmp_path, {"a": tone(peak=1.8), "b": tone(), "c": tone(peak=9999.0)}, {}, "FLOAT")
    soundfile.write(tmp_path / "wavs" / "b.wav", tone(), 44100)
    report = examine([Line(name, "It was good.", None) for name in "abc"],
                     read_recordings(tmp_path, ["a", "b", "c"]), RATE)
    assert report.rates == {22050: 2, 44100: 1} and not report.left_out
    assert "22050 Hz (2 files), 44100 Hz (1 files)" in report.describe()[0]
    assert [line.split(", ")[1] for line in report.describe()[-3:]] == [
        "dividing recordings on the scale of 16-bit integers by 32768: c",
        "resampling recordings from 44100 to 22050 Hz: b",
        "scaling recordings with peaks above 1 down to a peak of 1: a"]


def test_a_corpus_of_silence_is_refused(tmp_path):
    corpus(tmp_path, {"a": np.zeros(RATE), "b": np.zeros(RATE)}, {})
    with pytest.raises(UserError, match="no row is left for training: 2 rows silent, left out: "):
        read_folder(tmp_path, AudioConfig())


@pytest.mark.parametrize("third", [["0"] * 5, ["0", "1", "0", "1", "0"], ["jane"] * 5, ["LJ_1"] * 5])
def test_a_column_of_speakers_is_refused(tmp_path, third):
    texts = ["The cat sat.", "It was good.", "One two three.", "Yes.", "A dog."]
    (tmp_path / "m.csv").write_text("".join(f"u{n}|{text}|{who}\n" for n, (text, who) in enumerate(zip(texts, third))))
    with pytest.raises(UserError, match="third column holds .*speakers"):
        read_metadata(tmp_path / "m.csv")


def test_normalised_texts_and_numbers_are_no_speakers(tmp_path):
    rows = ["a|1984.|nineteen eighty-four.", "b|Dr. Who|doctor who", "c|7|7", "d|No. 5|number five",
            "e|hi|{HH AY1}", "f|Yes.", "g|Yes.|", "h|Yes, 12.|yes, twelve."]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    assert [line.text for line in read_metadata(tmp_path / "m.csv")][:4] == [
        "nineteen eighty-four.", "doctor who", "7", "number five"]


ROWS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30), max_size=5)


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, bars=st.lists(st.sampled_from(["a|b", "a|b|c", "|", "a|{AH0}|{AH0}", "b|x y|{AH0}", "\ufeffc|d|0"]),
                                max_size=5))
def test_any_metadata_is_lines_or_one_line(rows, bars, tmp_path_factory):
    path = tmp_path_factory.mktemp("metadata") / "metadata.csv"
    path.write_text("\n".join(rows + bars), encoding="utf-8", newline="")
    try:
        lines = read_metadata(path)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert lines and all(line.name and line.text for line in lines)
