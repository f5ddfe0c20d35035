"""The files that fuzz.py damages: a small valid one for each reader of the project, and ways to damage it."""
import dataclasses
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import lightspeech
import tacotron2
import waveglow
from audio import read_wav, write_wav
from distillation.dataset import DistilledDataset
from distillation.manifest import Manifest
from distillation.shards import DistilledRow
from distillation.writer import DistilledWriter
from hparams import CONFIGS, AudioConfig, Tacotron2Config, TextConfig
from runtime.onnx_files import read_onnx
from text import read, read_lexicon, read_metadata, symbols
from text.g2p import load_g2p, save_g2p
from text.g2p_symbols import LETTERS, SLOTS
from text.plan import make_plan
from training.checkpoint import load_checkpoint, save_checkpoint

TINY_TEACHER = Tacotron2Config(embedding_dim=8, encoder_dim=8, prenet_dim=4, attention_rnn_dim=8, decoder_rnn_dim=8,
                               attention_dim=4, location_n_filters=2, location_kernel_size=3, postnet_dim=4)
TINY_STUDENT = dataclasses.replace(CONFIGS["lightspeech"]["tiny"][0], embedding_dim=4, encoder_dim=32, decoder_dim=4)
TEXT = "Dr. Smith's 3rd of May, 1876: £20.50 at 10:30 p.m.! \"No [pause 300ms] {HH AH0 L OW1}\", 5 ft 10 in? 1/2.\n"
LEXICON = "nguyen  W IH1 N\nUS  Y UW1 EH1 S\n# names\nSt. Ives  S AH0 N T AY1 V Z\nμm  M AY1 K R AA2 N\n"
MARKUP = ("# Heading\n* [a link](http://x.org) &amp; **strong** `code` ~~no~~\n1. one\n| a | b |\n|---|---|\n| 1 | 2 |"
          "\n<p>It <b>is</b><break time='1s'/> [pause 0.5s] &#169;</p><!-- no --><script>x</script>\n```\ny\n```\n")
HOSTILE_VALUES: tuple[Any, ...] = (None, "", "\ud800", -1, 0, 1, 1.5, 10**9, 10**30, float("nan"), float("inf"), True,
                                   [], {}, [[]], "x" * 10_000, {"a": {"b": []}})


class Sample(NamedTuple):
    """A reader and the file that it reads."""
    name: str  # of the file
    make: Callable[[Path], bytes]  # from an empty folder: returns the bytes of a valid file, and writes all others
    read: Callable[[Path], Any]
    is_valid: bool = True  # False: a tiny network under a format that has one size, refused even if undamaged


def _student(folder: Path) -> bytes:
    lightspeech.save(folder / "x.safetensors", lightspeech.LightSpeech(TINY_STUDENT), TextConfig(), {"steps": 1})
    return (folder / "x.safetensors").read_bytes()


def _onnx_student(folder: Path) -> bytes:
    lightspeech.save_onnx(folder / "x.onnx", lightspeech.LightSpeech(TINY_STUDENT), TextConfig(), {"steps": 1})
    return (folder / "x.onnx").read_bytes()


def _teacher(folder: Path) -> bytes:
    model = tacotron2.Tacotron2(TINY_TEACHER, TextConfig())
    tacotron2.save(folder / "x.safetensors", model, TextConfig(), {})
    return (folder / "x.safetensors").read_bytes()


def _published_teacher(folder: Path) -> bytes:
    torch.save({"state_dict": tacotron2.Tacotron2(TINY_TEACHER, TextConfig()).state_dict()}, folder / "x.pt")
    return (folder / "x.pt").read_bytes()


def _vocoder(folder: Path) -> bytes:
    waveglow.save(folder / "x.safetensors", waveglow.build(CONFIGS["waveglow"]["tiny"][0]))
    return (folder / "x.safetensors").read_bytes()


def _published_vocoder(folder: Path) -> bytes:
    config = dataclasses.replace(CONFIGS["waveglow"]["published"][0], n_channels=4, n_flows=4, n_layers=2)
    torch.save({"model": waveglow.build(config).state_dict()}, folder / "x.pt")
    return (folder / "x.pt").read_bytes()


def _g2p(folder: Path) -> bytes:
    shapes = {"embedding": (len(LETTERS) + 1, 4), "0.weight": (12, 8), "0.bias": (8,), "output.weight": (4, 3 * SLOTS),
              "output.bias": (3 * SLOTS,)}
    save_g2p(folder / "x.npz", {name: np.ones(shape) for name, shape in shapes.items()}, ["AH0", "B"], {})
    return (folder / "x.npz").read_bytes()


def _checkpoint(folder: Path) -> bytes:
    state = lightspeech.LightSpeech(TINY_STUDENT).state_dict()
    save_checkpoint(folder / "x.pt", {
        "model": "lightspeech", "step": 1, "best": 1.0, "text": dataclasses.asdict(TextConfig()),
        "model_config": dataclasses.asdict(TINY_STUDENT),
        "train_config": dataclasses.asdict(CONFIGS["lightspeech"]["tiny"][1]), "networks": {"model": state},
        "average": state, "optimizers": {}, "clips": {}, "random": []})
    return (folder / "x.pt").read_bytes()


def _dataset(folder: Path) -> None:
    """Writes a distilled dataset of four short rows."""
    manifest = Manifest(AudioConfig(), TextConfig(), symbols, "teacher 0", 1, 0, features=False)
    with DistilledWriter(folder, manifest) as writer:
        for number in range(4):
            writer.add(DistilledRow(f"row-{number}", 0, number, torch.tensor([1, 2, 3]), torch.tensor([1, 0, 2]),
                                    torch.zeros(80, 3), None, {"focus": 0.5}))


def _shard(folder: Path) -> bytes:
    _dataset(folder)
    path, = folder.glob("*.safetensors")
    return path.rename(folder / "shard-000-00000.safetensors").read_bytes()


def _manifest(folder: Path) -> bytes:
    _dataset(folder)
    return (folder / "manifest.json").read_bytes()


def _sound(ending: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        write_wav(folder / f"x{ending}", 0.1 * np.random.default_rng(0).standard_normal(2000))
        return (folder / f"x{ending}").read_bytes()
    return make


def _read_dataset(path: Path) -> DistilledDataset:
    return DistilledDataset.read(path.parent)


SAMPLES = {
    "student": Sample("x.safetensors", _student, lightspeech.load),
    "ONNX student": Sample("x.onnx", _onnx_student,
                           lambda path: read_onnx(path, "lightspeech", AudioConfig(), symbols)),
    "teacher": Sample("x.safetensors", _teacher, tacotron2.load),
    "published teacher": Sample("x.pt", _published_teacher, tacotron2.load, is_valid=False),
    "vocoder": Sample("x.safetensors", _vocoder, waveglow.load),
    "published vocoder": Sample("x.pt", _published_vocoder, waveglow.load),
    "g2p": Sample("x.npz", _g2p, lambda path: load_g2p(path).pronounce("abc")),
    "checkpoint": Sample("x.pt", _checkpoint, lambda path: load_checkpoint(path, "lightspeech")),
    "shard": Sample("shard-000-00000.safetensors", _shard, _read_dataset),
    "manifest": Sample("manifest.json", _manifest, _read_dataset),
    "wav": Sample("x.wav", _sound(".wav"), read_wav),
    "flac": Sample("x.flac", _sound(".flac"), read_wav),
    "ogg": Sample("x.ogg", _sound(".ogg"), read_wav),
    "lexicon": Sample("x.txt", lambda _: LEXICON.encode(),
                      lambda path: read(LEXICON, TextConfig(), read_lexicon(path))),
    "metadata": Sample("x.csv", lambda _: f"a|{TEXT}b|No|{{N OW1}}\n".encode(), read_metadata),
    "text": Sample("x.txt", lambda _: TEXT.encode(),
                   lambda path: read(path.read_text(encoding="utf-8", errors="replace"), TextConfig())),
    "markup": Sample("x.md", lambda _: MARKUP.encode(),
                     lambda path: make_plan(path.read_text(encoding="utf-8", errors="replace"), TextConfig(), 0.2)),
}


def mutate(sample: bytes, rng: random.Random) -> bytes:
    """Returns a damaged copy of a file: a few changes of bytes, or a changed value of a JSON header."""
    if rng.random() < 0.5:
        changed = _mutate_json(sample, rng)
        if changed is not None:
            return changed
    content = bytearray(sample)
    for _ in range(rng.choice((1, 1, 2, 5))):
        rng.choice((_flip_bit, _overwrite, _zero, _truncate, _insert, _repeat))(content, rng)
    return bytes(content)


def _flip_bit(content: bytearray, rng: random.Random) -> None:
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _overwrite(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    content[start:start + 4] = struct.pack("<i", rng.choice((-1, 0, 1, 2**31 - 1, -2**31, rng.randrange(2**31))))


def _zero(content: bytearray, rng: random.Random) -> None:
    start, length = rng.randrange(len(content) + 1), rng.choice((1, 16, 4096))
    content[start:start + length] = bytes(min(length, len(content) - start))


def _truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content) + 1):]


def _insert(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    content[start:start] = rng.randbytes(rng.choice((1, 3, 100)))


def _repeat(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    content[start:start] = content[start:start + rng.choice((1, 10, 1000))] * rng.choice((1, 2, 50))


def _mutate_json(sample: bytes, rng: random.Random) -> bytes | None:
    """Returns a copy with one value of its JSON replaced: of a .json file, or of a safetensors header and the JSON
    texts in its metadata. None for other files."""
    if sample[:1] == b"{":
        return json.dumps(_replace_value(json.loads(sample), rng)).encode(errors="surrogatepass")
    if sample[8:9] != b"{":
        return None
    length, = struct.unpack("<Q", sample[:8])
    header = json.loads(sample[8:8 + length])
    metadata = header.get("__metadata__", {})
    if metadata and rng.random() < 0.8:
        key = rng.choice(sorted(metadata))
        metadata[key] = json.dumps(_replace_value(json.loads(metadata[key]), rng))
    else:
        header = _replace_value(header, rng)
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + sample[8 + length:]


def _replace_value(content: Any, rng: random.Random) -> Any:
    """Returns JSON content with one value, at a random place, replaced by a hostile one or left out."""
    if not isinstance(content, dict | list) or not content or rng.random() < 0.1:
        return rng.choice(HOSTILE_VALUES)
    key = rng.choice(sorted(content)) if isinstance(content, dict) else rng.randrange(len(content))
    if rng.random() < 0.1:
        del content[key]
    else:
        content[key] = _replace_value(content[key], rng)
    return content
