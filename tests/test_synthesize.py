"""synthesize.py: the class and the script with tiny random models."""
import dataclasses
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

import lightspeech
import synthesize
import waveglow
from hparams import CONFIGS, AudioConfig, TextConfig, UserError, save_weights
from synthesize import FADE_SAMPLES, TAIL_FRAMES, Synthesizer
from text import symbols
from text.plan import make_plan
from training.inference import read_lines, write_text

ROOT = Path(__file__).resolve().parent.parent
HOP, RATE = 256, 22050


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> Path:
    """Weights of a tiny student that gives every symbol some five frames."""
    torch.manual_seed(0)
    model = lightspeech.LightSpeech(CONFIGS["lightspeech"]["tiny"][0])
    with torch.no_grad():
        model.duration_head[-1].bias.fill_(1.8)
        model.duration_head[-1].weight.mul_(3.0)
        model.mel_linear.bias.fill_(-3.0)
    path = tmp_path_factory.mktemp("student") / "student.safetensors"
    lightspeech.save(path, model, TextConfig(), {"preliminary": "trained for a minute"})
    return path


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("vocoder") / "vocoder.safetensors"
    model = waveglow.WaveGlow(CONFIGS["waveglow"]["tiny"][0])
    for network in model.WN:
        torch.nn.init.normal_(network.end.weight, std=0.05)  # else no mel is heard
    model.fold_weight_norm()
    save_weights(path, "waveglow", model.state_dict(), model.config, AudioConfig())
    return path


@pytest.fixture(scope="module")
def speaker(student, vocoder) -> Synthesizer:
    return Synthesizer(student, vocoder_weights=vocoder, device="cpu")


@pytest.fixture
def steady(speaker, monkeypatch) -> Synthesizer:
    """A speaker whose vocoder makes 1 of every sample, so that only what synthesize.py does shapes the wave."""
    monkeypatch.setattr(speaker, "_waves", lambda mel, *rest: np.ones((len(mel), mel.shape[2] * HOP), np.float32))
    return speaker


def frames_of(speaker: Synthesizer, text: str, speed: float = 1.0) -> int:
    return sum(voice.mel.shape[1] for voice in speaker._voices(make_plan(text, TextConfig(), 0.3).readings, speed))


# The plan of a text


def silences(text: str) -> list[float]:
    return make_plan(text, TextConfig(), 0.25).silences


def test_pauses_and_marks():
    assert silences("One.") == [0, 0]
    assert silences("One. Two.") == [0, 0.25, 0]
    assert silences("One. Two. [pause 2s] Three.") == [0, 0.25, 2, 0]
    assert silences("[pause 500ms] One [pause 1.5s][PAUSE .5 s] two [ pause 0ms ]") == [0.5, 2, 0]
    assert silences("One. [pause 0s] Two.") == [0, 0, 0]
    assert silences("One [pause 1s]. [pause 1s] \U0001f600 Two.") == [0, 2, 0]
    assert silences("One. Two. [pause 300ms]") == [0, 0.25, 0.3]


def test_words_and_dropped_of_all_pieces():
    plan = make_plan("Tea \u2603 costs £2. [pause 1s] \U0001f600! Good\u2603 bye.", TextConfig(), 0.25)
    assert [word.text for reading in plan.readings for word in reading.words][:2] == ["Tea", "costs"]
    assert len(plan.readings) == 2 and plan.dropped == "\u2603\U0001f600"
    assert make_plan("Hi \udcff there", TextConfig(), 0.25).dropped == "\ufffd"


@pytest.mark.parametrize("text, told", [
    ("", "the text is empty"), ("  \n ", "the text is empty"), ("[pause 1s]", "the text is empty"),
    ("\U0001f600 \U0001f680", "nothing to say"), ("\x00\x07\x1b", "nothing to say"), ("... --- !", "nothing to say"),
    ("A [pause] b", "[pause]: expected a length like 500ms or 1.5s"),
    ("A [pause 5] b", "[pause 5]: expected a length"), ("A [pause -1s] b", "[pause -1s]: expected a length"),
    ("A [pause 601s] b", "at most 600s"), ("A [pause 1e9s] b", "expected a length")])
def test_nothing_to_say_and_bad_marks(text, told):
    with pytest.raises(UserError) as caught:
        make_plan(text, TextConfig(), 0.25)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_very_long_sentences_are_cut_and_follow_without_a_pause():
    plan = make_plan(("word and more, " * 40).strip(", ") + ". Next.", TextConfig(), 0.25)
    assert len(plan.readings) >= 3 and plan.silences == [0.0] * (len(plan.readings) - 1) + [0.25, 0.0]
    assert max(len(reading.ids) for reading in make_plan("a" * 100_000, TextConfig(), 0.25).readings) < 5000


# The wave


def test_length_is_frames_and_pauses_exactly(steady):
    frames = frames_of(steady, "Hello there.")
    assert len(steady.speak("Hello there.").wave) == (frames + TAIL_FRAMES) * HOP
    both = frames + frames_of(steady, "Good bye.")
    for pause in (0.0, 0.1, 0.777):
        speech = steady.speak("Hello there. Good bye.", pause=pause)
        assert len(speech.wave) == (both + 2 * TAIL_FRAMES) * HOP + round(pause * RATE)
        start = (frames + TAIL_FRAMES) * HOP
        assert not speech.wave[start:start + round(pause * RATE)].any()
        assert speech.mel.shape == (80, -(-len(speech.wave) // HOP))


def test_mark_is_silence_of_its_length(steady):
    speech = steady.speak("[pause 1s] Hello there [pause 500ms] you.")
    start = RATE + (frames_of(steady, "Hello there") + TAIL_FRAMES) * HOP
    assert not speech.wave[:RATE].any() and not speech.wave[start:start + RATE // 2].any()
    assert speech.wave[RATE + 2] > 0 and speech.wave[start - 2] > 0 and speech.wave[start + RATE // 2 + 2] > 0


def test_joins_do_not_click_and_tails_are_whole(steady):
    speech = steady.speak("Hello there. Good bye.", pause=0.0)
    assert np.abs(np.diff(speech.wave)).max() <= 1.01 / (FADE_SAMPLES - 1)
    frames = frames_of(steady, "Hello there.")
    assert (speech.wave[FADE_SAMPLES:frames * HOP] == 1).all()  # nothing of the speech itself is faded at its end


@pytest.mark.parametrize("speed", [0.25, 0.8, 1.3, 4.0])
def test_speed_is_exact_and_leaves_pauses_alone(speaker, speed):
    (reading,) = make_plan("Hello, you there.", TextConfig(), 0.0).readings
    usual, changed = (speaker._voices([reading], s)[0].durations for s in (1.0, speed))
    pauses = np.array(reading.pauses)
    assert pauses.sum() >= 3 and (usual[pauses] == changed[pauses]).all()
    assert changed[~pauses].sum() == round(usual[~pauses].sum() / speed)
    spoken = speaker.speak("Hello, you there.", speed=speed)
    assert len(spoken.wave) == (changed.sum() + TAIL_FRAMES) * HOP


def test_words_are_where_their_frames_are(speaker):
    text = "[pause 2s] It costs £20. Dr. Brown paid."
    speech = speaker.speak(text, pause=0.5)
    plan = make_plan(text, TextConfig(), 0.5)
    first, second = speaker._voices(plan.readings, 1.0)
    assert [word.text for word in speech.words][:3] == ["It", "costs", "£20"]
    assert speech.words[0].start == 2.0
    start = 2.0 + (first.mel.shape[1] + TAIL_FRAMES) * HOP / RATE + 0.5
    count = len(plan.readings[0].words)
    assert speech.words[count].start == pytest.approx(start, abs=1e-4)
    times = [time for word in speech.words for time in word[1:]]
    assert times == sorted(times) and times[-1] <= len(speech.wave) / RATE
    word = plan.readings[1].words[1]
    end = start + second.durations[:word.stop].sum() * HOP / RATE
    assert speech.words[count + 1].end == pytest.approx(end, abs=1e-4)
    frame = round(speech.words[count].start * RATE / HOP)
    assert (speech.mel[:, frame:frame + 9] == second.mel[:, :9]).all()


def test_seed_decides(speaker):
    waves = [speaker.speak("Hello. You.", seed=seed).wave for seed in (3, 3, 4)]
    assert (waves[0] == waves[1]).all() and not (waves[0] == waves[2]).all()
    assert waves[0].dtype == np.float32 and np.abs(waves[0]).max() <= 1


def test_batches_do_not_matter(speaker, monkeypatch):
    text = "Hello. You are there, are you not. Yes. No, never."
    monkeypatch.setattr(synthesize, "FRAMES_AT_ONCE", {"cpu": 10**6})
    together = speaker.speak(text).wave
    monkeypatch.setattr(synthesize, "SYMBOLS_AT_ONCE", 1)
    monkeypatch.setattr(synthesize, "FRAMES_AT_ONCE", {"cpu": 1})
    np.testing.assert_allclose(speaker.speak(text).wave, together, atol=2e-3)


def test_sigma_and_denoise(speaker):
    usual = speaker.speak("Hello.").wave
    assert not np.allclose(usual, speaker.speak("Hello.", sigma=0.3).wave)
    assert not np.allclose(usual, speaker.speak("Hello.", denoise=0.1).wave)
    assert (usual == speaker.speak("Hello.", denoise=0.0).wave).all()


def test_hundred_thousand_characters(steady, monkeypatch):
    sizes = []
    monkeypatch.setattr(synthesize, "FRAMES_AT_ONCE", {"cpu": 2000})
    monkeypatch.setattr(steady, "_waves", lambda mel, *rest: sizes.append(mel.shape) or np.zeros(
        (len(mel), mel.shape[2] * HOP), np.float32))
    text = ("A quick brown fox, " * 3 + "jumps. ") * 1500
    text = text[:100_000]
    monkeypatch.setattr(steady.student, "predict_durations", lambda features, lengths: torch.zeros(features.shape[:2]))
    speech = steady.speak(text)
    assert len(speech.words) > 15_000 and len(speech.wave) > 30_000 * HOP
    assert max(rows * frames for rows, _, frames in sizes) <= 2000 and len(sizes) < 100


@pytest.mark.parametrize("name, value", [("speed", 0.2), ("speed", 4.1), ("speed", float("nan")), ("pause", -1.0),
                                         ("sigma", -0.1), ("denoise", 2.0)])
def test_values_out_of_range(speaker, name, value):
    with pytest.raises(UserError, match=f"{name}: found .*, expected"):
        speaker.speak("Hello.", **{name: value})


# The script


@pytest.fixture
def command(student, vocoder, tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    return ["--device", "cpu", "--weights", str(student), "--vocoder-weights", str(vocoder)]


def test_script_writes_all(command, capsys):
    options = ["--timestamps", "words.json", "--picture", "mel.png", "--seed", "2", "--speed", "1.2"]
    assert synthesize.main(["Hello \u2603 there. [pause 1s] Bye.", *command, *options]) == 0
    told = capsys.readouterr()
    wave, rate = soundfile.read("out.wav")
    words = json.loads(Path("words.json").read_text())
    assert rate == RATE and words["seconds"] == pytest.approx(len(wave) / RATE, abs=1e-3)
    assert [word["word"] for word in words["words"]][0] == "Hello"
    assert words["words"][-1]["end"] <= words["seconds"]
    assert Path("mel.png").read_bytes()[:4] == b"\x89PNG"
    assert told.out.startswith(f"out.wav: {len(wave) / RATE:.2f} s of speech made in ")
    assert "real-time factor" in told.out
    assert told.err.splitlines() == [
        "synthesize.py: preliminary weights: student.safetensors: trained for a minute",
        "synthesize.py: warning: left out what cannot be said: '\u2603'"]


@pytest.mark.parametrize("name", ["a.wav", "b.flac", "c.ogg", "D.WAV"])
def test_formats(command, name):
    assert synthesize.main(["Hi.", *command, "-o", name]) == 0
    assert soundfile.info(name).samplerate == RATE


def test_file_is_a_text_a_line(command, capsys):
    Path("lines.txt").write_text("\ufeffOne.\r\n\nTwo three.\nFour.\n", encoding="utf-8")
    assert synthesize.main(["--file", "lines.txt", *command, "-o", "talk.flac", "--timestamps", "t.json"]) == 0
    assert sorted(path.name for path in Path().iterdir()) == [
        "lines.txt", "t-001.json", "t-002.json", "t-003.json", "talk-001.flac", "talk-002.flac", "talk-003.flac"]
    assert [word["word"] for word in json.loads(Path("t-002.json").read_text())["words"]] == ["Two", "three"]
    told = capsys.readouterr()
    assert told.out.count("real-time factor") == 3 and "left out" not in told.err  # a byte order mark is no text


def test_standard_input_and_output(command, capfdbinary, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Hello there.\n")))
    assert synthesize.main(["--file", "-", *command, "-o", "-"]) == 0
    told = capfdbinary.readouterr()
    wave, rate = soundfile.read(io.BytesIO(told.out))
    assert rate == RATE and len(wave) > 0 and b"standard output: " in told.err
    assert list(Path().iterdir()) == []


def test_griffin_lim_needs_no_weights(command, monkeypatch, capsys):
    monkeypatch.setattr(synthesize, "_HERE", Path.cwd())
    assert synthesize.main(["Hi.", *command[:4], "--vocoder", "griffin-lim"]) == 0
    assert np.abs(soundfile.read("out.wav")[0]).max() > 0
    assert synthesize.main(["Hi.", *command[:4]]) == 2
    error = capsys.readouterr().err
    assert "waveglow/pre_trained_model: no weights there" in error and "--vocoder griffin-lim" in error


def test_newest_weights_are_taken(command, monkeypatch, student, vocoder, capsys):
    monkeypatch.setattr(synthesize, "_HERE", Path.cwd())
    assert synthesize.main(["Hi.", "--device", "cpu"]) == 2
    assert "lightspeech/pre_trained_model: no weights there; name a student's file" in capsys.readouterr().err
    for package, source in (("lightspeech", student), ("waveglow", vocoder)):
        folder = Path(package, "pre_trained_model")
        folder.mkdir(parents=True)
        (folder / "new.safetensors").write_bytes(source.read_bytes())
        (folder / "old.safetensors").write_bytes(b"broken")
        os.utime(folder / "old.safetensors", (1, 1))
    assert synthesize.main(["Hi.", "--device", "cpu"]) == 0
    assert "preliminary weights: new.safetensors" in capsys.readouterr().err
    Path("waveglow/pre_trained_model/waveglow_256channels.pt").write_bytes(b"published")  # goes before ours
    os.utime("waveglow/pre_trained_model/waveglow_256channels.pt", (1, 1))
    assert synthesize.main(["Hi.", "--device", "cpu"]) == 2
    assert "waveglow_256channels.pt: truncated or no checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, told", [
    (["Hi.", "-o", "out.mp3"], "-o out.mp3: expected a name that ends in .wav or .flac or .ogg"),
    (["Hi.", "-o", "out"], "-o out: expected a name"),
    (["Hi.", "-o", "none/out.wav"], "there is no folder none"),
    (["Hi.", "-o", "no\nne/out.wav"], "there is no folder no ne"),
    (["Hi.", "--timestamps", "t.txt"], "expected a name that ends in .json"),
    (["Hi.", "--picture", "p.jpg"], "expected a name that ends in .png"),
    (["--file", "none.txt"], "none.txt: cannot be read (No such file"),
    (["--file", "empty.txt"], "empty.txt: empty"),
    (["--file", "latin.txt"], "latin.txt: not UTF-8"),
    (["--file", "two.txt", "-o", "-"], "2 texts cannot share standard output"),
    (["--file", "emoji.txt"], "text 2: nothing to say"),
    ([""], "the text is empty"),
    (["\U0001f600"], "nothing to say"),
    (["\x01\x02"], "nothing to say"),
    (["Hi.", "--device", "cuda:99"], "--device cuda:99: "),
    (["Hi.", "--device", "tpu"], "expected auto, cpu, cuda or cuda:N"),
    (["Hi.", "--device", "meta"], "expected auto, cpu, cuda or cuda:N"),
    (["Hi.", "--weights", "none.safetensors"], "none.safetensors: no such weights file"),
    (["Hi.", "--vocoder-weights", "none.pt"], "none.pt: no such weights file"),
    (["Hi.", "--weights", "VOCODER"], "weights of waveglow, expected lightspeech"),
    (["Hi.", "--vocoder-weights", "STUDENT"], "weights of lightspeech, expected waveglow"),
    (["Hi.", "--weights", "broken.safetensors"], "not a complete safetensors file"),
    (["Hi.", "--speed", "9"], "speed: found 9, expected 0.25 to 4"),
    (["Hi. [pause]"], "[pause]: expected a length"),
])
def test_one_line_errors(command, student, vocoder, capsys, arguments, told):
    Path("empty.txt").write_text(" \n")
    Path("latin.txt").write_bytes(b"caf\xe9")
    Path("two.txt").write_text("One.\nTwo.\n")
    Path("emoji.txt").write_text("One.\n\U0001f600\n", encoding="utf-8")
    Path("broken.safetensors").write_bytes(student.read_bytes()[:999])
    names = {"VOCODER": str(vocoder), "STUDENT": str(student)}
    assert synthesize.main([*command, *(names.get(argument, argument) for argument in arguments)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "preliminary" not in line]
    assert len(lines) == 1 and lines[0].startswith("synthesize.py: error: ") and told in lines[0]
    assert not Path("out.wav").exists()


@pytest.mark.parametrize("arguments", [[], ["Hi.", "--file", "x"], ["Hi.", "--speed", "fast"],
                                       ["Hi.", "--vocoder", "x"], ["Hi.", "--unknown"]])
def test_wrong_command_lines(arguments):
    with pytest.raises(SystemExit) as caught:
        synthesize.main(arguments)
    assert caught.value.code == 2


def test_full_disk(command, capsys, monkeypatch):
    Path("out.wav").write_bytes(b"before")
    monkeypatch.setattr(Path, "write_bytes", _full)
    assert synthesize.main(["Hi.", *command]) == 2
    assert "out.wav" in (told := capsys.readouterr().err) and "No space left" in told
    assert Path("out.wav").read_bytes() == b"before" and os.listdir() == ["out.wav"]
    monkeypatch.undo()
    monkeypatch.chdir(Path(command[3]).parent)
    with pytest.raises(UserError, match="No space left"), open("/dev/full", "wb") as full:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(full))
        speech = synthesize.Speech(np.zeros(99999, np.float32), RATE, [], np.zeros((80, 391)), "")
        synthesize._write(speech, None, None, None)


def _full(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_behind_standard_output(command):
    for out in (["-o", "-"], ["-o", "a.wav"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([sys.executable, str(ROOT / "synthesize.py"), "Hi.", *out, *command], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and "standard output could not be written (No space left" in done.stderr
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_text_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_text(tmp_path / "a.json", "before")
    monkeypatch.setattr(os, "replace", _full)
    with pytest.raises(UserError, match="a.json: could not be written .No space left"):
        write_text(tmp_path / "a.json", "after")
    assert os.listdir(tmp_path) == ["a.json"] and (tmp_path / "a.json").read_text() == "before"


def test_read_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfOne. \r\n\nTwo\xe2\x80\xa8three.")
    assert read_lines(tmp_path / "a.txt") == ["One.", "", "Two\u2028three."]


def test_no_heavy_imports_for_help():
    code = ("import sys, synthesize\ntry: synthesize.main(['--help'])\nexcept SystemExit: pass\n"
            "heavy = {'torch', 'librosa', 'matplotlib', 'scipy', 'soundfile'} & set(sys.modules)\n"
            "assert not heavy, heavy")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("about, told", [
    ("{not json", "not a complete safetensors file"), ([1], "found weights format none, expected 1"),
    ({"format": 9}, "found weights format 9, expected 1"), ({"model": None}, "misses model"),
    ({"config": {"width": 3}}, "unknown setting 'width'"), ({"text": {"language": "de"}}, "unknown setting 'language'"),
    ({"audio": {**dataclasses.asdict(AudioConfig()), "hop_length": 300}}, "mel definition has hop_length 300, exp"),
    ({"symbols": [*symbols[:-1], "@ZZ"]}, "another symbol table")])
def test_forged_or_newer_weights(tmp_path, about, told):
    if isinstance(about, dict):
        about = {"format": 1, "model": "lightspeech", "config": {}, "audio": dataclasses.asdict(AudioConfig()),
                 "text": {}, "symbols": symbols, "notes": {}, **about}
        about = {name: value for name, value in about.items() if value is not None}
    metadata = {"lightspeech": about if isinstance(about, str) else json.dumps(about)}
    save_file({"a": torch.zeros(2)}, tmp_path / "odd.safetensors", metadata=metadata)
    with pytest.raises(UserError, match=told):
        lightspeech.load(tmp_path / "odd.safetensors")


def test_threads_do_not_spin_unless_the_user_says_so(monkeypatch):
    for before, after in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        monkeypatch.setenv("OMP_WAIT_POLICY", before or "")
        if before is None:
            monkeypatch.delenv("OMP_WAIT_POLICY")
        assert synthesize.main([""]) == 2 and os.environ["OMP_WAIT_POLICY"] == after


def test_interrupted(monkeypatch):
    def interrupt(options: object) -> None:
        raise KeyboardInterrupt
    monkeypatch.setattr(synthesize, "run", interrupt)
    assert synthesize.main(["Hi."]) == 130
