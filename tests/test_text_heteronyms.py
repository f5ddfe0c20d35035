"""Heteronyms: each said as its sentence asks for, and the tables that decide."""
import re
from pathlib import Path

import pytest

from hparams import TextConfig
from text import read, sequence_to_text

LINES = (Path(__file__).parent / "golden" / "heteronyms.tsv").read_text(encoding="utf-8").splitlines()
SENTENCES = [line.split("\t") for line in LINES if line[0] != "#"]


def sounds(phonemes: str) -> list[str]:
    """The phonemes without the difference between reduced vowels, nor secondary stress."""
    reduced = re.sub(r"\b(AH|IH|EH|IY|UH|UW)0", "@", phonemes.replace("2", "0"))
    return re.sub(r"[{}.,?]", "", reduced).split()


def said(sentence: str) -> str:
    place = len(sentence.partition("*")[0].split())
    spoken = sequence_to_text(read(sentence.replace("*", ""), TextConfig()).ids)
    return re.findall(r"\{[^}]*\}|[^\s{}]+", spoken)[place]


def test_most_sentences_are_read_as_they_ask_for():
    wrong = [sentence for sentence, phonemes in SENTENCES if sounds(said(sentence)) != sounds(phonemes)]
    assert len(wrong) <= 0.02 * len(SENTENCES), wrong


@pytest.mark.parametrize("sentence, phonemes", [
    ("I used to *use* it.", "Y UW1 Z"),
    ("They were *used* to cut wood.", "Y UW1 Z D"), ("They *used* to cut wood.", "Y UW1 S T"),
    ("It is the *Polish* army.", "P OW1 L IH0 SH"), ("In *August* it rains.", "AO1 G AH0 S T"),
    ("an *august* body", "AO0 G AH1 S T"),
    ("a well-*read* man", "W EH1 L R EH1 D"), ("It is *read-only*.", "R IY1 D OW1 N L IY0"),
    ("a *close-up* view", "K L OW1 S AH1 P"), ("*lead-free* gas", "L EH1 D F R IY1"),
    ("He had never *read* it.", "R EH1 D"),
    ("the *house's* roof", "HH AW1 S IH0 Z"),
    ("The nurse *wound* a bandage around it.", "W AW1 N D"), ("A *wound* a dog left healed.", "W UW1 N D"),
    ("The hand is *minute* on that watch.", "M AY0 N UW1 T"), ("It is *minute* five.", "M IH1 N AH0 T"),
    ("It is *minute* ninety.", "M IH1 N AH0 T")])
def test_idioms_names_and_compounds(sentence, phonemes):
    assert sounds(said(sentence.replace("well-*read*", "*well-read*"))) == sounds(phonemes)
