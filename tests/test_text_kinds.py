"""Kinds of written text, each with words of its own, and traps for rules that are too eager."""
from pathlib import Path

import pytest

from text.cleaners import english_reader

LINES = (Path(__file__).parent / "golden" / "kinds.tsv").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("written, spoken", [line.split("\t")[1:] for line in LINES if line[0] != "#"])
def test_kinds(written, spoken):
    assert english_reader(written) == spoken
