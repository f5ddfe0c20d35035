"""The reader's rules and sentence splitting: traps, tables, hostile texts, the explanation of `python -m text`."""
import contextlib
import importlib.util
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hparams import TextConfig, UserError
from text import read, split_sentences, text_to_sequence
from text.__main__ import explain, main
from text.cleaners import english_reader
from text.markup import plain
from text.plan import make_plan
from text.reader import speak
from text.rules import RULES
from text.tables import FOLDER


@pytest.mark.parametrize("text", [
    "Arsenal vs. Chelsea ended early.", "Come at 3 p.m. Monday.", "Call at 9 a.m. EST.", "Ng et al. (2020) agree.",
    "Acme Inc. CEO Ann Low left.", "It costs $9 incl. Sunday lunch.", "See Fig. 3 and App. B here.",
    "Sr. Ann met Br. John.", "See app. 4 of the book.", "It is in art. 5 of it.", "Troy (pop. 4,210) is near.",
    "At long. 71 west it sank.", "Max. 8 people fit.", "See App. A of it.", "Quote your ref. 4471 here.",
    "We hiked to Pt. Reyes.", "Fed. R. Evid. 4 is cited.", "It is on K St. NW now.",
    "He told Mr. Hall about the\nHouse.",
    "A long line of a paragraph that some program has wrapped around here\nCharacters go on.",
    "On Sun. May 3 we sail.", "See Nat. Med. 4 of it.", "It pays $20-$25/hr. DOE now."])
def test_no_sentence_ends_here(text):
    assert split_sentences(text) == [text]
    assert english_reader(text).count(".") == 1


@pytest.mark.parametrize("text, parts", [
    ("I love art. A man came.", 2), ("He loves art. I don't.", 2), ("It was long. 20 people left.", 2),
    ("She left my ex. 3 kids came too.", 2), ("Wait a sec. I need it.", 2), ("My dog is Max. 3 years old.", 2),
    ("He used the app. 10 users saw it.", 2), ("I said no. 5 people laughed.", 2), ("We drank pop. 5 of us.", 2),
    ("He left the U.S. She stayed.", 2), ("It was 3 p.m. Then it rained.", 2), ("We met at 5 p.m. John was late.", 2),
    ("Bees count.[3] Wasps do not.", 2), ("Sales rose.¹ Costs fell.", 2), ("To do\nWash car\nBuy milk", 3),
    ("* one\n* two", 2), ("Chapter One\nIt rained.", 2), ("Pens, etc. Bring them.", 2), ("No. I said no.", 2)])
def test_sentences_end_here(text, parts):
    assert len(split_sentences(text)) == parts


def test_rules_are_named_once_and_each_has_an_example():
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names)) > 100
    assert all(rule.say.__doc__ and rule.starts for rule in RULES)


def test_tables_have_no_empty_entry_and_no_key_twice():
    for path in FOLDER.glob("*.txt"):
        section, seen = "", set()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert line == line.rstrip() and "\t" not in line, f"{path.name}, line {number}"
            section = line if line[:1] == "[" else section
            if path.name in ("units.txt", "signs.txt", "shapes.txt", "money.txt", "abbreviations.txt") and "  " in line:
                key = (section, line.split("  ")[0])
                assert key not in seen, f"{path.name}, line {number}: {key[1]!r} came before"
                seen.add(key)


WITH_INFLECT = importlib.util.find_spec("inflect") is not None  # requirements-speak.txt is without it
HOSTILE = [
    "1", "1,", "1-", "1:", "1/", "1/2 ", "1 000 ", "1\" ", "5 ", "$1.", "10^", "0x", "1e", "a.", "a@", "a_", "x's",
    "x'", "'a ", "A ", "A\n", "A&", "A-", "A1", "Ab", "I ", "IV ", "St. ", "No. ", "e.g. ", "vs. ", "NaCl", "* ",
    "= ", "\n", "{", "(", "[1]", "[pause", "<", "&", "**a", "[a](", "`", "¹", "-", " ", "'", '"', "! ", "\U0001f600",
    "word "]


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_grows_with_the_length(unit, clock_ratio=8.0):
    """Four times the text takes about four times as long; a quadratic rule would take sixteen times."""
    def seconds(length: int) -> float:
        text = "Go " + unit * (length // len(unit))
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            make_plan(text, TextConfig(), 0.3)
            if WITH_INFLECT:
                text_to_sequence(text, "english_cleaners")
            best = min(best, time.process_time() - start)
        return best

    seconds(300)  # compiles the patterns
    short = seconds(1000)
    assert seconds(4000) < clock_ratio * max(short, 0.002), unit


PARTS = ("1 12 1999 3.5 1,000 / : - – — . , ' \" $ € % ° C F A I XIV St. Dr. No. a.m. km in ft tsp c. T x × ^ ² e 0x + "
         "( ) [ ] { } * ** _ ` # > < & &amp; <b> \n the Mon Oct May War Henry vs. et al. U.S. v. Boeing 747 read ol' "
         "s' 's al._ http:// www. a.b @ é ß π ½ † … “ ’ q6h bid OK , pause").split(" ")


def test_any_mixture_of_signs_is_read_or_refused():
    """What is said has words and single spaces only, whatever stands in the text."""
    rng = random.Random(0)
    for _ in range(500):
        text = "".join(rng.choice(PARTS) + rng.choice(["", "", " "]) for _ in range(rng.randint(1, 25)))
        for piece in speak(plain(text)).pieces:
            assert re.fullmatch(r"\{[A-Z0-9 ]+\}|[A-Za-z'-]+(,? [A-Za-z'-]+)*", piece.spoken), (text, piece)
        with contextlib.suppress(UserError):  # nothing to say in it
            make_plan(text, TextConfig(), 0.3)


def test_possessives_of_possessives_do_not_recurse():
    assert read("x" + "'s" * 5000, TextConfig()).ids


def test_explanation_names_the_rule_of_each_piece(capsys):
    assert main(["Dr. Lee paid $3.50. **Bye**"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [re.split(r"\s{2,}", line) for line in lines[:4]] == [
        ["Dr.", "doctor", "abbreviation"], ["Lee", "lee", "word"], ["paid", "paid", "word"],
        ["$3.50", "three dollars and fifty cents.", "money"]]
    assert lines[4].startswith("{D AA1 K T ER0} {L IY1}") and lines[6].split() == ["Bye", "bye", "word"]
    assert explain("Hi \U0001f600")[1] == "left out: '\U0001f600'"


def test_explanation_of_a_heteronym_names_what_decided():
    lines = explain("Get the lead out of the printing.")
    assert lines[2].endswith("  word (lead: get the lead out)")
    assert not any("(" in line for line in [*lines[:2], *lines[3:7]])


def test_explanation_of_a_missing_lexicon_is_one_line(capsys):
    assert main(["Hi.", "--lexicon", "none.txt"]) == 2
    assert capsys.readouterr().err.startswith("python -m text: error: none.txt: cannot be read (No such file")


def test_pieces_cover_the_text_they_come_from():
    text = "On 3 May, Dr. Müller’s 2 kg café-cake cost €3.50."
    assert [piece.text for piece in speak(text).pieces] == [
        "On", "3 May", "Dr.", "Müller’s", "2 kg", "café-cake", "cost", "€3.50"]


def test_an_explanation_ends_quietly_if_its_reader_is_gone():
    process = subprocess.Popen([sys.executable, "-m", "text", "Hello there. " * 5000], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, cwd=Path(__file__).parents[1])
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141
