"""The page of web/ in headless Chromium: bytes loaded, time to the first sound, and the real-time factor.

    python experiments/browser.py

Needs `npm ci` in web/ and Chromium (CHROMIUM, by default /usr/bin/chromium). The page is served from the loopback. It
is opened twice by one browser, the second time with what the browser kept of the first; the text is requested at once,
while the voice still loads. Then a text of ten sentences is spoken three times in the loaded page; the real-time
factor is the least of the three, from the click until all samples are there. The time of an unknown word is that of its
network, the mean over the words of rare_words.txt.
"""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import soundfile

from experiments.rare_words import read_rare_words

WEB = Path(__file__).resolve().parents[1] / "web"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SENTENCE = "The old clock in the hall struck nine, and nobody had come down yet. "


def build(folder: Path) -> None:
    """Builds the page into a folder, with the packages of this Python."""
    subprocess.run(["node", "build/build.mjs", folder], cwd=WEB, check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "PYTHON": sys.executable})


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serves a folder on the loopback; yields its address, which ends in a slash."""
    with subprocess.Popen(["node", "build/serve.mjs", folder, "0"], cwd=WEB, stdout=subprocess.PIPE,
                          text=True) as server:
        try:
            assert server.stdout is not None  # a pipe
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def drive(url: str, pages: list[list[dict[str, Any]]], out: Path) -> dict[str, Any]:
    """Speaks the steps of each page and returns what was found; see web/test/speak.mjs. out: for the .wav files."""
    done = subprocess.run(["node", "test/speak.mjs", url, out], cwd=WEB, check=True, input=json.dumps(pages),
                          stdout=subprocess.PIPE, text=True, env={**os.environ, "CHROMIUM": CHROMIUM})
    return json.loads(done.stdout)


def main() -> None:
    """Prints the measurements as a table in Markdown."""
    short = {"text": "Hello! This is a very small voice.", "speed": 1, "name": "short"}
    long = {"text": SENTENCE * 10, "speed": 1, "name": "long"}
    words = {"name": "words", "words": [word.name for word in read_rare_words()]}
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder) / "site")
        with serve(Path(folder) / "site") as url:
            found = drive(url, [[short], [short, short, long, long, long, words]], Path(folder))
        sound = soundfile.info(Path(folder) / "long.wav").duration
    if found["errors"]:
        sys.exit("\n".join(found["errors"]))
    share, guessing = (sum(request["bytes"] for request in found["requests"] if part in urlsplit(request["url"]).path)
                       for part in ("/pyodide/", "/g2p."))
    total = sum(request["bytes"] for request in found["requests"])
    *spoken, guessed = found["results"]
    cold, warm, loaded, *runs = (result["marks"] for result in spoken)
    factor = min(marks["made"] - marks["asked"] for marks in runs) / 1000 / sound
    print("| in the browser | found |\n|---|---|")
    print(f"| bytes loaded, without Pyodide's share | {(total - share) / 1e6:.1f} MB |")
    print(f"| bytes loaded in all | {total / 1e6:.1f} MB |")
    print(f"| of these the network for unknown words | {guessing / 1e6:.1f} MB |")
    for name, marks in ("cold", cold), ("warm", warm):
        print(f"| page opened until the voice is loaded, {name} | {marks['ready'] / 1000:.1f} s |")
        print(f"| page opened until the first sound, {name} | {marks['first sound'] / 1000:.1f} s |")
    print(f"| click until the first sound, voice loaded | {(loaded['first sound'] - loaded['asked']) / 1000:.2f} s |")
    print(f"| an unknown word | {guessed['milliseconds']:.1f} ms |")
    print(f"| real-time factor, {sound:.1f} s of speech, one thread | {factor:.3f} |")


if __name__ == "__main__":
    main()
