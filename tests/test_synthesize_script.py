"""synthesize.py as a script, with tiny random models."""
import dataclasses
import io
import json
import os
import shlex
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
from audio import read_wav, write_stream
from hparams import AudioConfig, UserError
from runtime.console import stdout_descriptor
from runtime.files import read_lines, write_text
from synthesis import synthesizer
from text import symbols

ROOT = Path(__file__).resolve().parent.parent
HOP, RATE = 256, 22050


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


def test_lexicon_and_markup_change_what_is_said(command, capsys):
    Path("words.txt").write_text("# names\nxyzzyx  Z IH1 Z\n", encoding="utf-8")
    options = ["--timestamps", "words.json", *command]

    def spoken(*more: str) -> tuple[list[str], float]:
        assert synthesize.main(["**Xyzzyx** is here.", *options, *more]) == 0
        told = json.loads(Path("words.json").read_text())
        return [word["word"] for word in told["words"]], told["seconds"]

    words, letters = spoken()
    assert words == ["Xyzzyx", "is", "here"] and "left out" not in capsys.readouterr().err
    assert spoken("--lexicon", "words.txt")[1] < letters  # three phonemes in place of six letters
    assert spoken("--markup", "plain")[0] == words and "left out what cannot be said: '*'" in capsys.readouterr().err


def test_a_mistake_in_a_lexicon_is_one_line(command, capsys):
    Path("words.txt").write_text("ok  OW1 K EY1\nbad  QQ\n", encoding="utf-8")
    assert synthesize.main(["Hi.", *command, "--lexicon", "words.txt"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("synthesize.py: error: words.txt, line 2: found 'QQ', expected ") and told.count("\n") == 1
    assert not Path("out.wav").exists()


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


def piped(command: list[str], *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, str(ROOT / "synthesize.py"), *arguments, *command], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def test_a_pipe_gets_a_wav_of_unknown_length_or_samples_alone(command):
    processes = [piped(command, "Hello there. You.", "-o", "-", *raw) for raw in ([], ["--raw"])]
    (wav, told), (raw, _) = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0] and b"its first sound after" in told
    assert wav[44:] == raw and len(raw) % 2 == 0
    Path("piped.wav").write_bytes(wav)
    heard, rate = soundfile.read("piped.wav", dtype="int16")
    assert rate == RATE and heard.tobytes() == raw
    assert len(read_wav(Path("piped.wav"))) == len(heard)


def test_a_pipe_that_nobody_reads_is_left_quietly(command):
    process = piped(command, "Hello there. " * 40, "-o", "-")
    process.stdout.read(100)
    process.stdout.close()
    told = process.stderr.read().decode()
    assert process.wait() == 141
    assert all("preliminary weights" in line for line in told.splitlines())


def test_timestamps_beside_a_pipe(command):
    process = piped(command, "Hello there.", "-o", "-", "--timestamps", "words.json")
    wav, _ = process.communicate()
    assert process.returncode == 0
    assert json.loads(Path("words.json").read_text())["seconds"] == pytest.approx((len(wav) - 44) / 2 / RATE, abs=1e-3)


def test_griffin_lim_needs_no_weights(command, monkeypatch, capsys):
    monkeypatch.setattr(synthesizer, "_ROOT", Path.cwd())
    assert synthesize.main(["Hi.", *command[:4], "--vocoder", "griffin-lim"]) == 0
    assert np.abs(soundfile.read("out.wav")[0]).max() > 0
    assert synthesize.main(["Hi.", *command[:4]]) == 2
    error = capsys.readouterr().err
    assert "waveglow/pre_trained_model: no weights there" in error and "--vocoder griffin-lim" in error


def test_newest_weights_are_taken(command, monkeypatch, student, vocoder, capsys):
    monkeypatch.setattr(synthesizer, "_ROOT", Path.cwd())
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
    (["Hi.", "--raw"], "--raw: goes to standard output alone"),
    (["Hi.", "-o", "none/out.wav"], "there is no folder none"),
    (["Hi.", "-o", "folder.wav"], "-o folder.wav: a folder has this name"),
    (["Hi.", "-o", "a\0b.wav"], "cannot be written (embedded null byte)"),
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
    (["Hi.", "--weights", "none.safetensors"], "none.safetensors: no such file"),
    (["Hi.", "--vocoder-weights", "none.pt"], "none.pt: no such file"),
    (["Hi.", "--weights", "VOCODER"], "weights of waveglow, expected lightspeech"),
    (["Hi.", "--vocoder-weights", "STUDENT"], "weights of lightspeech, expected waveglow"),
    (["Hi.", "--weights", "broken.safetensors"], "not a complete safetensors file"),
    (["Hi.", "--speed", "9"], "speed: found 9, expected 0.25 to 4"),
    (["Hi. [pause]"], "[pause]: expected a length"),
])
def test_one_line_errors(command, student, vocoder, capsys, arguments, told):
    Path("empty.txt").write_text(" \n")
    Path("folder.wav").mkdir()
    Path("latin.txt").write_bytes(b"caf\xe9")
    Path("two.txt").write_text("One.\nTwo.\n")
    Path("emoji.txt").write_text("One.\n\U0001f600\n", encoding="utf-8")
    Path("broken.safetensors").write_bytes(student.read_bytes()[:999])
    names = {"VOCODER": str(vocoder), "STUDENT": str(student)}
    assert synthesize.main([*command, *(names.get(argument, argument) for argument in arguments)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "preliminary" not in line]
    assert len(lines) == 1 and lines[0].startswith("synthesize.py: error: ") and told in lines[0]
    assert not Path("out.wav").exists()


@pytest.mark.parametrize("closed, arguments, status, line", [
    ("2>&-", ["Hi.", "-o", "-"], 0, ""),
    (">&-", ["Hi.", "-o", "-"], 2, "synthesize.py: error: -o -: standard output is closed; name a file"),
    ("<&-", ["--file", "-"], 2, "synthesize.py: error: standard input: closed; name a text file")])
def test_closed_standard_streams(command, closed, arguments, status, line):
    words = [sys.executable, str(ROOT / "synthesize.py"), *arguments, *command]
    done = subprocess.run(f"{shlex.join(words)} {closed}", shell=True, capture_output=True)
    assert done.returncode == status and done.stderr.decode().strip() == line
    if status == 0:  # nothing but a wav: no notes on the weights before it, no report after it
        assert done.stdout.startswith(b"RIFF") and len(done.stdout) % (2 * HOP) == 44
        assert b"synthesize.py" not in done.stdout and b"real-time" not in done.stdout


def test_names_may_be_as_long_as_the_system_allows(command, capsys):
    names = ["-o", f"{'x' * 251}.wav", "--timestamps", f"{'x' * 250}.json", "--picture", f"{'x' * 251}.png"]
    assert synthesize.main(["Hi.", *command, *names]) == 0
    assert {len(name) for name in os.listdir()} == {255}
    capsys.readouterr()
    for option, name in (("-o", f"{'y' * 300}.wav"), ("-o", f"{'y' * 300}/y.wav"), ("--picture", f"{'y' * 300}.png")):
        assert synthesize.main(["Hi.", *command, option, name]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"synthesize.py: error: {option} yyy") and "File name too long" in line


def test_disk_on_which_nothing_can_be_removed(command, capfdbinary, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise OSError(30, "Read-only file system")
    for function in ("replace", "unlink", "remove"):
        monkeypatch.setattr(os, function, refuse)
    for outputs in (["-o", "a.wav"], ["-o", "-", "--timestamps", "a.json"], ["-o", "-", "--picture", "a.png"]):
        assert synthesize.main(["Hi.", *command, *outputs]) == 2
        assert b"could not be written (Read-only file system)" in capfdbinary.readouterr().err.splitlines()[-1]


def test_control_characters_of_a_file_do_not_reach_the_terminal(command, capsys, student):
    model = lightspeech.load(student)
    lightspeech.save(Path("odd.safetensors"), model, model.text, {"preliminary": "red \x1b[31m\nand\u2028more\x07"})
    assert synthesize.main(["Hi.", *command, "--weights", "odd.safetensors"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "synthesize.py: preliminary weights: odd.safetensors: red \\x1b[31m and more\\x07"


def test_argument_bytes_are_utf8_in_any_locale(command):
    text = "Café costs £5.".encode().decode("ascii", "surrogateescape")  # as Python has it under LC_ALL=C
    assert synthesize.main([text, *command, "--timestamps", "t.json"]) == 0
    assert [word["word"] for word in json.loads(Path("t.json").read_text())["words"]] == ["Café", "costs", "£5"]


@pytest.mark.parametrize("arguments", [[], ["Hi.", "--file", "x"], ["Hi.", "--speed", "fast"],
                                       ["Hi.", "--vocoder", "x"], ["Hi.", "--unknown"]])
def test_wrong_command_lines(arguments):
    with pytest.raises(SystemExit) as caught:
        synthesize.main(arguments)
    assert caught.value.code == 2


def test_full_disk(command, capsys, monkeypatch):
    Path("out.wav").write_bytes(b"before")
    monkeypatch.setattr(os, "replace", _full)
    assert synthesize.main(["Hi.", *command]) == 2
    assert "out.wav" in (told := capsys.readouterr().err) and "No space left" in told
    assert Path("out.wav").read_bytes() == b"before" and os.listdir() == ["out.wav"]
    monkeypatch.undo()
    monkeypatch.chdir(Path(command[3]).parent)
    with pytest.raises(UserError, match="No space left"), open("/dev/full", "wb") as full:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(full))
        write_stream([np.zeros(99999, np.float32)], stdout_descriptor(), RATE)


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
