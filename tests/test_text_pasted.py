"""Texts as people paste them, with their markup: what is said, sentence by sentence, and how the heteronyms sound."""
import re
from pathlib import Path

from hparams import TextConfig
from text import read, sequence_to_text, split_sentences
from text.heteronyms import readings
from text.markup import plain
from text.reader import speak

GOLDEN = Path(__file__).parent / "golden" / "pasted.tsv"


def said(written: str) -> tuple[str, str]:
    """Returns the words and pauses of a text in which a new line is written `\\n`, and its heteronyms' phonemes."""
    sentences, sounds = [], []
    for sentence in split_sentences(plain(written.replace("\\n", "\n"))):
        pieces = speak(sentence).pieces
        sentences.append(" ".join(piece.spoken + piece.pause for piece in pieces))
        words = re.findall(r"\{[^}]*\}|[^\s,]+", " ".join(piece.spoken for piece in pieces))
        if any(len(readings().get(word, ())) > 1 for word in words):
            phonemes = re.findall(r"\{[^}]*\}", sequence_to_text(read(sentence, TextConfig()).ids))
            sounds += [f"{word} {found[1:-1]}" for word, found in zip(words, phonemes, strict=True)
                       if len(readings().get(word, ())) > 1]
    return " | ".join(sentences), ", ".join(sounds)


def test_pasted_texts_are_read_as_they_were_by_eye():
    lines = [line for line in GOLDEN.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    wrong = [line for line in lines if "\t".join((text := line.split("\t")[0], *said(text))) != line]
    assert len(lines) > 1800 and not wrong, wrong[:3]
