"""The listening page: valid HTML, every file exists, nothing is loaded from the network."""
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio import write_wav
from experiments import make_page

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Collects the references, ids and text of a page; asserts that its tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.ids: set[str] = set()
        self.players: list[dict[str, str | None]] = []
        self.pictures: list[dict[str, str | None]] = []
        self.words = ""

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.references += [found[name] for name in ("src", "href") if name in found]
        self.ids |= {found["id"]} if "id" in found else set()
        self.players += [found] if tag == "audio" else []
        self.pictures += [found] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.fixture
def command(tmp_path) -> list[str]:
    """Returns a command line for two sentences, two voices and a held-out recording, all of them noise."""
    rng = np.random.default_rng(0)
    for folder, name in (("one", "a"), ("one", "b"), ("two", "a"), ("two", "b"), ("copy", "c")):
        (tmp_path / folder).mkdir(exist_ok=True)
        write_wav(tmp_path / folder / f"{name}.wav", 0.1 * rng.standard_normal(5120))
        np.save(tmp_path / folder / f"{name}.npy", rng.standard_normal((80, 20)).astype(np.float32))
    (tmp_path / "lines.csv").write_text('a|Is 1 < 2 & "so" on?\nb|Plain.\n')
    (tmp_path / "heldout.csv").write_text("c|Held out.\n")
    (tmp_path / "score.json").write_text(json.dumps({"total": {"utterances": 4, "mos": 3.217, "wer": 0.0571}}))
    (tmp_path / "ablation.json").write_text(json.dumps({"title": "Which targets", "columns": ["targets", "MOS", "note"],
                                                        "rows": [["free <running>", 3.5, None]]}))
    return ["make_page.py", f"{tmp_path}/lines.csv", "--voice", "teacher", f"{tmp_path}/one", "--voice", "student",
            f"{tmp_path}/two", "--copies", f"{tmp_path}/heldout.csv", f"{tmp_path}/copy", "--score", "student & all",
            f"{tmp_path}/score.json", "--ablation", f"{tmp_path}/ablation.json", "--out", f"{tmp_path}/page"]


def test_page_is_complete(command, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", command)
    (tmp_path / "page" / "audio").mkdir(parents=True)
    (tmp_path / "page" / "audio" / "stale.ogg").write_bytes(b"of an earlier page")
    assert make_page.main() == 0
    text = (tmp_path / "page" / "index.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == [] and "://" not in text and "$" not in text
    page.references.remove("../web/dist/")  # there once it is built
    assert "cd web && npm ci && npm start" in page.words
    for reference in page.references:
        assert reference[1:] in page.ids if reference[0] == "#" else (tmp_path / "page" / reference).is_file()
    assert len(page.players) == 5 and all(player["aria-label"] for player in page.players)
    assert len(page.pictures) == 3 and all(picture["alt"] for picture in page.pictures)
    sounds = list((tmp_path / "page" / "audio").iterdir())
    assert len(sounds) == 5 and all(soundfile.info(path).frames == 5120 for path in sounds)
    for said in ('Is 1 < 2 & "so" on?', "student & all", "3.22", "5.7 %", "free <running>", "28,193,153", "1,867,089"):
        assert said in page.words


def test_mistakes_get_one_line(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", command)
    (tmp_path / "two" / "b.npy").unlink()
    assert make_page.main() == 2
    assert "b.npy: no such file; make it with make_samples.py" in capsys.readouterr().err
    (tmp_path / "score.json").write_text("{}")
    assert make_page.main() == 2
    assert "score.json" in capsys.readouterr().err


def test_a_page_too_large_is_refused(command, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", command)
    monkeypatch.setattr(make_page, "MAX_BYTES", 10_000)
    assert make_page.main() == 2
    assert "show fewer or shorter texts" in capsys.readouterr().err
