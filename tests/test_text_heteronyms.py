"""Heteronyms: each said as its sentence asks for, and the tables that decide."""
import re

import pytest

from hparams import TextConfig
from text import read, sequence_to_text
from text.heteronyms import choose, readings
from text.phonemes import is_arpabet, pronounce

SENTENCES = [  # the word between stars, and how it is said
    ("My brother *read* the whole series last summer.", "R EH1 D"),
    ("Children should *read* for an hour each day.", "R IY1 D"),
    ("The letter was *read* aloud to the jury.", "R EH1 D"),
    ("He has *read* every report.", "R EH1 D"),
    ("Can you *read* the small print?", "R IY1 D"),
    ("The roof is covered with *lead* sheets.", "L EH1 D"),
    ("She took the *lead* after two laps.", "L IY1 D"),
    ("All roads *lead* to the harbor.", "L IY1 D"),
    ("The paint contained toxic *lead*.", "L EH1 D"),
    ("Where do your parents *live*?", "L IH1 V"),
    ("We watched a *live* broadcast of the game.", "L AY1 V"),
    ("Several snakes *live* under the porch.", "L IH1 V"),
    ("Cats are said to have nine *lives*.", "L AY1 V Z"),
    ("My aunt *lives* near the station.", "L IH1 V Z"),
    ("The *wind* shook the windows.", "W IH1 N D"),
    ("You must *wind* this watch each night.", "W AY1 N D"),
    ("The path began to *wind* through the trees.", "W AY1 N D"),
    ("There was a *tear* in his eye.", "T IH1 R"),
    ("Try not to *tear* the wrapping.", "T EH1 R"),
    ("There is a *tear* in my jacket.", "T EH1 R"),
    ("She burst into *tears*.", "T IH1 R Z"),
    ("Could you *close* the window?", "K L OW1 Z"),
    ("They stood *close* together.", "K L OW1 S"),
    ("It was a *close* race.", "K L OW1 S"),
    ("The shops *close* at six.", "K L OW1 Z"),
    ("She made good *use* of her time.", "Y UW1 S"),
    ("May I *use* your pen?", "Y UW1 Z"),
    ("There is no *use* in waiting.", "Y UW1 S"),
    ("They *use* solar panels for power.", "Y UW1 Z"),
    ("The *bass* player arrived late.", "B EY1 S"),
    ("He hooked a huge *bass* from the boat.", "B AE1 S"),
    ("The soldier had a deep *wound* in his leg.", "W UW1 N D"),
    ("He *wound* the rope around the post.", "W AW1 N D"),
    ("Please *record* the meeting.", "R IH0 K AO1 R D"),
    ("They set a new *record* last night.", "R EH1 K ER0 D"),
    ("The doctors *record* every visit.", "R IH0 K AO1 R D"),
    ("Our *records* show no payment.", "R EH1 K ER0 D Z"),
    ("She will *present* her findings tomorrow.", "P R IH0 Z EH1 N T"),
    ("All the members were *present*.", "P R EH1 Z AH0 N T"),
    ("He bought a *present* for his niece.", "P R EH1 Z AH0 N T"),
    ("The *project* failed.", "P R AA1 JH EH2 K T"),
    ("Economists *project* slow growth.", "P R AH0 JH EH1 K T"),
    ("The museum bought the *object* at once.", "AA1 B JH EH0 K T"),
    ("Nobody will *object* to that.", "AH0 B JH EH1 K T"),
    ("The *contents* of the box were lost.", "K AA1 N T EH0 N T S"),
    ("He seems *content* to wait.", "K AH0 N T EH1 N T"),
    ("The video *content* was removed.", "K AA1 N T EH0 N T"),
    ("It takes a *minute* to load.", "M IH1 N AH0 T"),
    ("They found *minute* particles of dust.", "M AY0 N UW1 T"),
    ("Your ticket is *invalid*.", "IH0 N V AE1 L AH0 D"),
    ("Nothing grows in that *desert*.", "D EH1 Z ER0 T"),
    ("Soldiers who *desert* are punished.", "D IH0 Z ER1 T"),
    ("They *refuse* to sign it.", "R IH0 F Y UW1 Z"),
    ("Trucks collect the *refuse* on Mondays.", "R EH1 F Y UW2 S"),
    ("These trees *produce* sweet fruit.", "P R AH0 D UW1 S"),
    ("Buy local *produce* at the stand.", "P R OW1 D UW0 S"),
    ("The city issued a *permit* last week.", "P ER1 M IH2 T"),
    ("Will they *permit* us to enter?", "P ER0 M IH1 T"),
    ("His *conduct* was excellent.", "K AA1 N D AH0 K T"),
    ("Metals *conduct* heat well.", "K AH0 N D AH1 K T"),
    ("The *contract* expires in May.", "K AA1 N T R AE2 K T"),
    ("You may *contract* the flu.", "K AH0 N T R AE1 K T"),
    ("Practice makes *perfect*.", "P ER1 F IH2 K T"),
    ("They need time to *perfect* the design.", "P ER0 F EH1 K T"),
    ("Keep these files *separate*.", "S EH1 P R AH0 T"),
    ("A wall *separates* the two gardens.", "S EH1 P ER0 EY2 T S"),
    ("We *estimate* that it costs ten dollars.", "EH1 S T AH0 M EY2 T"),
    ("His *estimate* was too low.", "EH1 S T AH0 M AH0 T"),
    ("Most students *graduate* in four years.", "G R AE1 JH AH0 W EY2 T"),
    ("She is a *graduate* student.", "G R AE1 JH AH0 W AH0 T"),
    ("The winds were *moderate*.", "M AA1 D ER0 AH0 T"),
    ("He will *moderate* the panel.", "M AA1 D ER0 EY2 T"),
    ("These towers *house* two thousand people.", "HH AW1 Z"),
    ("They painted the *house* green.", "HH AW1 S"),
    ("I cannot *excuse* such behavior.", "IH0 K S K Y UW1 Z"),
    ("She had no *excuse* for it.", "IH0 K S K Y UW1 S"),
    ("Do not *abuse* the privilege.", "AH0 B Y UW1 Z"),
    ("Drug *abuse* is a problem.", "AH0 B Y UW1 S"),
    ("He tied the ribbon in a *bow*.", "B OW1"),
    ("The waiter gave a little *bow*.", "B AW1"),
    ("They had to *bow* before the king.", "B AW1"),
    ("We planted a *row* of beans.", "R OW1"),
    ("It is time to *sow* the seeds.", "S OW1"),
    ("The farmer bought a *sow* and a boar.", "S AW1"),
    ("The magician released a *dove*.", "D AH1 V"),
    ("He *dove* off the cliff.", "D OW1 V"),
    ("Three *does* stood in the field.", "D OW1 Z"),
    ("Where *does* it hurt?", "D AH1 Z"),
    ("Her *number* is on the list.", "N AH1 M B ER0"),
    ("Use wax to *polish* the table.", "P AA1 L IH0 SH"),
    ("She speaks *Polish* at home.", "P OW1 L IH0 SH"),
    ("The talks will *resume* on Monday.", "R IH0 Z UW1 M"),
    ("He sent his *resume* to ten firms.", "R EH1 Z AH0 M EY2"),
    ("What is the *subject* of your talk?", "S AH1 B JH IH0 K T"),
    ("Do not *subject* animals to pain.", "S AH0 B JH EH1 K T"),
    ("Taxes *increase* every year.", "IH0 N K R IY1 S"),
    ("An *increase* in pay is likely.", "IH1 N K R IY2 S"),
    ("Sales began to *decrease*.", "D IH0 K R IY1 S"),
    ("Ships *transport* most goods.", "T R AE0 N S P AO1 R T"),
    ("The cost of *transport* is high.", "T R AE1 N S P AO0 R T"),
    ("He meant no *insult*.", "IH1 N S AH2 L T"),
    ("Why would you *insult* her?", "IH0 N S AH1 L T"),
    ("Critics *attribute* the success to luck.", "AH0 T R IH1 B Y UW0 T"),
    ("Honesty is a rare *attribute*.", "AE1 T R AH0 B Y UW2 T"),
    ("Their *progress* was slow.", "P R AA1 G R EH2 S"),
    ("The work will *progress* quickly.", "P R AH0 G R EH1 S"),
    ("Farmers *protest* the new law.", "P R AH0 T EH1 S T"),
    ("A *protest* blocked the road.", "P R OW1 T EH2 S T"),
    ("They *rebel* against the rules.", "R IH0 B EH1 L"),
    ("The *rebel* army retreated.", "R EH1 B AH0 L"),
    ("I *suspect* he is lying.", "S AH0 S P EH1 K T"),
    ("The *suspect* was arrested.", "S AH1 S P EH2 K T"),
    ("Gold *imports* rose sharply.", "IH1 M P AO2 R T S"),
    ("Japan *imports* most of its oil.", "IH0 M P AO1 R T S"),
    ("Please *insert* the card.", "IH0 N S ER1 T"),
    ("They *conflict* with each other.", "K AH0 N F L IH1 K T"),
    ("The *conflict* lasted a year.", "K AA1 N F L IH0 K T"),
    ("Did you *convert* the file?", "K AH0 N V ER1 T"),
    ("He is a *convert* to Islam.", "K AA1 N V ER0 T"),
    ("She likes to *research* old maps.", "R IY0 S ER1 CH"),
    ("New *research* supports this.", "R IY1 S ER0 CH")
]


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
    ("a well-*read* man", "W EH1 L R EH1 D"), ("He had never *read* it.", "R EH1 D"),
    ("the *house's* roof", "HH AW1 S IH0 Z")])
def test_idioms_names_and_compounds(sentence, phonemes):
    assert sounds(said(sentence.replace("well-*read*", "*well-read*"))) == sounds(phonemes)


def test_readings_are_words_with_phonemes_and_the_first_is_the_default():
    table = readings()
    assert len(table) > 200 and all(re.fullmatch("[a-z]+", word) for word in table)
    for word, options in table.items():
        assert all(is_arpabet(option.phonemes) and option.classes for option in options), word
        assert len({option.phonemes for option in options}) == len(options), word
        assert pronounce(word) is None and choose([word], [""], 0) is not None
    assert choose(["bass"], [""], 0) == "B EY1 S" and choose(["printing"], [""], 0) is None


def test_the_tables_are_read_when_a_heteronym_occurs(tmp_path):
    import subprocess
    import sys
    code = ("from hparams import TextConfig\nfrom text import read\nfrom text import heteronyms\n"
            "read('The cat sat on the mat.', TextConfig())\nassert not heteronyms._contexts.cache_info().currsize\n"
            "read('I read it.', TextConfig())\nassert heteronyms._contexts.cache_info().currsize == 1\n")
    subprocess.run([sys.executable, "-c", code], check=True)
