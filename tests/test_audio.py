"""Mels against a recorded reference, files there and back, bad files, and the ragged corpus."""
import resource
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audio
from audio.files import warn_once
from hparams import AudioConfig, UserError

GOLDEN = Path(__file__).parent / "golden" / "mel.npz"


def tone(seconds: float = 0.5, rate: int = 22050, hz: float = 220.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("kind", ["", "_short"])
def test_mel_equals_the_reference(kind):
    golden = np.load(GOLDEN)
    mel = audio.mel_spectrogram(torch.from_numpy(golden["wav" + kind])[None])[0]
    assert mel.shape == golden["mel_log" + kind].shape
    assert np.abs(mel.numpy() - golden["mel_log" + kind]).max() < 1e-4


def test_filterbank_equals_librosa_and_the_reference():
    import librosa
    assert np.allclose(audio.mel_filterbank(80, 1024, 22050, 0, 8000), np.load(GOLDEN)["mel_basis"], atol=1e-7)
    for n_mels, n_fft, f_max in ((128, 2048, 11025), (40, 256, 11025), (64, 512, 4000)):
        expected = librosa.filters.mel(sr=22050, n_fft=n_fft, n_mels=n_mels, fmin=0, fmax=f_max)
        assert np.allclose(audio.mel_filterbank(n_mels, n_fft, 22050, 0, f_max), expected, atol=1e-7)


def test_mel_stays_float32_under_autocast():
    wav = torch.from_numpy(tone())[None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(audio.mel_spectrogram(wav), audio.mel_spectrogram(wav))
        half = audio.mel_spectrogram(wav)
    assert half.dtype == torch.float32 and torch.equal(half, audio.mel_spectrogram(wav))


def test_too_short_for_a_mel_is_a_user_error():
    assert audio.mel_spectrogram(torch.zeros(1, 513)).shape == (1, 80, 3)
    with pytest.raises(UserError, match="512 samples"):
        audio.mel_spectrogram(torch.zeros(1, 512))


def test_griffin_lim_gives_a_wave_of_that_mel():
    mel = audio.mel_spectrogram(torch.from_numpy(tone(0.4))[None])
    wav = audio.griffin_lim(mel, n_iterations=16)
    assert wav.shape == (1, mel.shape[2] * 256) and wav.abs().max() <= 1
    again = audio.mel_spectrogram(wav)[..., 4:-8]
    loud = mel[..., 4:4 + again.shape[2]] > -4
    assert (again - mel[..., 4:4 + again.shape[2]])[loud].abs().mean() < 0.5


@pytest.mark.parametrize("ending, error", [(".wav", 2e-5), (".flac", 2e-5), (".ogg", 0.05)])
def test_written_file_reads_back(tmp_path, ending, error):
    wav = tone(3.0)
    path = tmp_path / f"a{ending}"
    audio.write_wav(path, wav)
    back = audio.read_wav(path)
    assert back.dtype == np.float32 and np.abs(back - wav).max() < error
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes()[:4] == audio.encode_wav(wav, 22050, ending)[:4]


def test_loud_samples_are_clipped_not_wrapped(tmp_path):
    audio.write_wav(tmp_path / "a.wav", np.array([1.5, -1.5, 1.0, -1.0], dtype=np.float32))
    assert np.allclose(audio.read_wav(tmp_path / "a.wav"), [1, -1, 1, -1], atol=1e-4)


def test_other_rates_and_stereo_are_converted_and_reported_once(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(1.0, 44100), np.zeros(44100, np.float32)], 1), 44100)
    warn_once.cache_clear()
    with pytest.warns(UserWarning) as said:
        wav = audio.read_wav(path)
    assert {str(warning.message).split()[0] for warning in said} == {"mixing", "resampling"}
    assert len(wav) == 22050 and np.abs(wav[2000:-2000] - tone(1.0)[2000:-2000] / 2).max() < 1e-3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio.read_wav(path)


def test_bad_files_are_named(tmp_path):
    (tmp_path / "corrupt.wav").write_bytes(b"RIFF and nothing more")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 22050)
    soundfile.write(tmp_path / "cut.wav", tone(), 22050)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:9999])
    for name in ("corrupt.wav", "empty.wav", "none.wav", "missing.wav", "cut.wav"):
        with pytest.raises(UserError, match=name) as error:
            audio.read_wav(tmp_path / name)
        assert "\n" not in str(error.value)


def test_length_left_open_by_a_stream_is_no_damage(tmp_path):
    data = audio.encode_wav(tone())
    place = data.index(b"data") + 4
    (tmp_path / "piped.wav").write_bytes(data[:place] + b"\xff" * 4 + data[place + 4:])
    assert len(audio.read_wav(tmp_path / "piped.wav")) == len(tone())


def test_bad_targets_leave_nothing_behind(tmp_path):
    for target in (tmp_path / "a.mp9", tmp_path / "a", tmp_path / "nowhere" / "a.wav"):
        with pytest.raises(UserError, match=str(target)):
            audio.write_wav(target, tone())
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(UserError, match="folder.wav"):
        audio.write_wav(tmp_path / "folder.wav", tone())
    assert [path.name for path in tmp_path.iterdir()] == ["folder.wav"]


def test_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.wav"
    audio.write_wav(path, tone(0.1))
    old, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # a write past 8 KiB fails, as on a full disk
    try:
        with pytest.raises(UserError, match="could not be written"):
            audio.write_wav(path, tone(3.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


def test_ragged_rows():
    rows = [torch.arange(n * 2).reshape(n, 2) + 1 for n in (3, 1, 5)]
    ragged = audio.Ragged.from_rows(rows).to("cpu")
    assert len(ragged) == 3 and torch.equal(ragged.row(2), rows[2])
    batch = ragged.gather(torch.tensor([1, 2, 0]), 4)
    assert batch.shape == (3, 4, 2) and batch.dtype == torch.int64
    assert torch.equal(batch[0, :1], rows[1]) and not batch[0, 1:].any()
    assert torch.equal(batch[1], rows[2][:4]) and torch.equal(batch[2, :3], rows[0])
    flat = audio.Ragged.from_rows([row[:, 0] for row in rows])
    assert torch.equal(flat.gather(torch.tensor([0]), 3)[0], rows[0][:, 0])


def test_corpus_is_read_in_order(tmp_path):
    (tmp_path / "wavs").mkdir()
    audio.write_wav(tmp_path / "wavs" / "one.wav", tone(0.2))
    audio.write_wav(tmp_path / "wavs" / "two.flac", tone(0.1))
    soundfile.write(tmp_path / "wavs" / "three.opus", tone(0.3, 48000), 48000, format="OGG", subtype="OPUS")
    warn_once.cache_clear()
    with pytest.warns(UserWarning, match="48000"):
        waves = audio.read_corpus(tmp_path, ["two", "one", "three"], 22050)
    assert waves.flat.dtype == torch.int16
    assert waves.lengths.tolist() == [2205, 4410, int(0.3 * 22050)]
    assert np.abs(waves.row(1).numpy() / 32768 - tone(0.2)).max() < 2e-5


def test_corpus_names_the_bad_recording(tmp_path):
    (tmp_path / "wavs").mkdir()
    with pytest.raises(UserError, match="absent"):
        audio.read_corpus(tmp_path, ["absent"], 22050)
    (tmp_path / "wavs" / "broken.wav").write_bytes(b"no sound")
    with pytest.raises(UserError, match="broken.wav"):
        audio.read_corpus(tmp_path, ["broken"] * 2, 22050)


def test_silence_is_the_floor():
    assert torch.allclose(audio.mel_spectrogram(torch.zeros(1, 2048)), torch.tensor(AudioConfig().log_floor).log())
