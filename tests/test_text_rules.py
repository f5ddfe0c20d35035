"""The reader's rules: kinds of written text, each with sentences of its own, and traps for rules that are too eager."""
import contextlib
import importlib.util
import random
import re
import time

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

CASES = {
    "ratios and powers": {
        "a scale of 1:40,000": "a scale of one to forty thousand",
        "7 × 10^22 kg": "seven times ten to the twenty-second kilograms",
        "10^-3 and 10⁶ and 4⁻²": "ten to the minus three and ten to the sixth and four to the minus two",
        "an error of 4.5e-7": "an error of four point five times ten to the minus seven",
        "x^3 + y²": "x cubed plus y squared", "a 70:30 split": "a seventy to thirty split",
        "in 19:42": "in nineteen forty-two", "in 71:09": "in seventy-one oh nine"},
    "grouping": {
        "₹2,75,000": "two hundred seventy-five thousand rupees",
        "1.400.000 people": "one million four hundred thousand people",
        "€1.999,95": "one thousand nine hundred ninety-nine euros and ninety-five cents",
        "$3.459": "three point four five nine dollars", "12 500 seats": "twelve thousand five hundred seats",
        "room 12 500": "room twelve five hundred"},
    "codes": {
        "a Boeing 757-200": "a boeing seven fifty-seven two hundred",
        "a score of 747": "a score of seven hundred forty-seven", "0x2A": "zero x two a",
        "ZIP code 02139": "zip code zero two one three nine",
        "Reno, NV 89501": "reno, nevada eight nine five zero one", "1-800-GO-FEDEX": "one eight hundred, go, fedex",
        "ISBN 0-19-853453-1": "i s b n zero one nine eight five three four five three one",
        "Python 3.12": "python three point twelve", "a price of 3.12": "a price of three point one two",
        "221B Baker Street": "two twenty-one b baker street", "exit 12B": "exit twelve b",
        "802.11n": "eight oh two dot eleven n", "20 W. 34th St.": "twenty west thirty-fourth street.",
        "20 W of power": "twenty watts of power", "at 3M in May": "at three m in may",
        "It has 3M users.": "it has three million users.", "finished 8-5-3": "finished eight five and three",
        "Call 555-1212 x9": "call five five five, one two one two extension nine"},
    "dates and times": {
        "due 4/30": "due april thirtieth", "3/4 of it": "three quarters of it",
        "on 12-31-1999": "on december thirty-first, nineteen ninety-nine",
        "on 31-12-1999": "on december thirty-first, nineteen ninety-nine",
        "2020/02/29": "february twenty-ninth, twenty twenty", "the 9-11 attacks": "the nine eleven attacks",
        "pages 9-11": "pages nine to eleven", "the 2006-07 season": "the two thousand six to oh seven season",
        "at 2100 hrs": "at twenty-one hundred hours", "Mon-Thu": "monday to thursday", "by Tue.": "by tuesday.",
        "the sun sat low": "the sun sat low", "in Apr. and Aug.": "in april and august.",
        "Jan and Mar sat": "jan and mar sat", "Feb. 3": "february third", "class of '04": "class of oh four"},
    "money and rates": {
        "three $5 notes": "three five dollar notes", "the $5 he owes": "the five dollars he owes",
        "$12/hr": "twelve dollars per hour", "5 times/week": "five times per week", "he/she": "he or she",
        "$10s of thousands": "tens of thousands of dollars", "100s of men": "hundreds of men",
        "cut by 50 bps": "cut by fifty basis points",
        "a modem of 2400 bps": "a modem of two thousand four hundred bits per second"},
    "keys, rooms and courses": {
        "The code is 7304, not 7403.": "the code is seven three zero four, not seven four zero three.",
        "PIN: 8080": "pin: eight zero eight zero", "invoice no. 30418": "invoice number three zero four one eight",
        "order 20000 of them": "order twenty thousand of them", "order 1200 chairs": "order twelve hundred chairs",
        "ticket #K-40127": "ticket number k four zero one two seven", "#winter": "hashtag winter",
        "a card ending in 5530": "a card ending in five five three zero",
        "ext. 306": "extension three oh six", "We are 10-2 this season.": "we are ten and two this season.",
        "a 10-2 win": "a ten to two win",
        "Room 204 or 210": "room two oh four or two hundred ten", "Suite 300": "suite three hundred",
        "Chemistry 101": "chemistry one oh one", "in 101 ways": "in one hundred one ways"},
    "lengths of time": {
        "a time of 3:00:17": "a time of three hours and seventeen seconds",
        "at 3:15:17": "at three fifteen and seventeen seconds",
        "1h 20m": "one hour twenty minutes", "2 hrs 1 min": "two hours one minute",
        "3h 5m 1s": "three hours five minutes one second",
        "20m wide": "twenty meters wide", "the year 1088 and": "the year ten eighty-eight and",
        "a 1088 page book": "a one thousand eighty-eight page book",
        "ran a 10K": "ran a ten k", "the 30K words": "the thirty thousand words"},
    "amounts before a noun": {
        "a 256GB SSD": "a two hundred fifty-six gigabyte s s d",
        "256GB of RAM": "two hundred fifty-six gigabytes of ram",
        "Sr. staff": "senior staff", "Sr. Ann": "sister ann", "Ed Low Sr. left": "ed low senior left"},
    "measures": {
        "2/3 tsp sugar": "two thirds teaspoon sugar", "6 ft 3 in tall": "six feet three inches tall",
        "2 c. rice": "two cups rice", "4 T butter": "four tablespoons butter",
        "a 27\" screen": "a twenty-seven inch screen", "a 10' wall": "a ten foot wall",
        "It was 88F.": "it was eighty-eight degrees fahrenheit.", "seat 12F": "seat twelve f",
        "12°30'15\" S": "twelve degrees thirty minutes fifteen seconds south", "1 pt cream": "one pint cream",
        "12 pt type": "twelve point type", "5 mg q8h": "five milligrams every eight hours",
        "two 9V cells": "two nine volt cells", "110 mmHg": "one hundred ten millimeters of mercury",
        "$70 per bbl": "seventy dollars per barrel"},
    "formulas and capitals": {
        "CO2 and SO2": "c o two and s o two", "KOH": "k o h", "Co and No": "co and no", "mRNA": "m r n a",
        "A6 paper": "a six paper", "R&R": "r and r", "M&Ms": "m and m's", "the CEOs' pay": "the c e o's pay",
        "Ph.D.s": "p h d's", "UPS came": "u p s came", "IT IS AN UPS AND DOWNS STORY": "it is an ups and downs story",
        "I said NO": "i said no", "idk why": "i don't know why"},
    "roman numerals": {
        "Edward VII's son": "edward the seventh's son",
        "Elizabeth I never left": "elizabeth the first never left", "World War I began": "world war one began",
        "MCMLXIX": "nineteen sixty-nine", "the XXV Olympiad": "the twenty-fifth olympiad",
        "the XVth century": "the fifteenth century", "An IV drip": "an i v drip", "vitamin C": "vitamin c",
        "MIX it": "mix it", "Wars I and II": "wars one and two", "Part II of III": "part two of three"},
    "references": {
        "Song of Solomon 2:1": "song of solomon two one", "Luke 6:31": "luke six thirty-one",
        "1 Samuel 2:1-10": "first samuel two one to ten",
        "at 6:31": "at six thirty-one", "Eqs. 3 and 4": "equations three and four", "App. C": "appendix c",
        "Roe v. Wade": "roe versus wade", "Rs. 99": "ninety-nine rupees", "the 5th c. B.C.": "the fifth century b c.",
        "ref. no. AB12": "reference number a b twelve"},
    "kitchens": {
        "2 x 400g tins": "two four hundred grams tins", "a 4 x 6 card": "a four by six card",
        "302 ° F": "three hundred two degrees fahrenheit", "43 degrees C": "forty-three degrees celsius",
        "1 cm/half": "one centimeter slash half", "2kg/5lb": "two kilograms slash five pounds",
        "5W-30 oil": "five w thirty oil", "2 clove(s)": "two cloves", "1/10 grams": "one tenth grams",
        "a 1/10 score": "a one out of ten score",
        "270 g - 800 mL": "two hundred seventy grams, eight hundred milliliters",
        "3 c flour": "three cups flour", "2 c of it": "two c of it", "for 45s": "for forty-five seconds",
        "in his 40s": "in his forties", "oven to 200c": "oven to two hundred degrees celsius",
        "100gr, 1lt": "one hundred grams, one liter", "2x - 4 = 0": "two x minus four equals zero",
        "a 15-1/2 oz. can of it": "a fifteen and a half ounce can of it",
        "a 13\"x9\" pan": "a thirteen by nine inch pan",
        "350˚F or 375◦F": "three hundred fifty degrees fahrenheit or three hundred seventy-five degrees fahrenheit",
        "◦ apples": "apples",
        "temp. 165°F": "temperature one hundred sixty-five degrees fahrenheit",
        "5%-10% off": "five percent to ten percent off", "a 6-in. OLED": "a six inch o l e d"},
    "lists and sums": {
        "I, II and III": "one, two and three", "He and I or II": "he and one or two",
        "Leo and I went": "leo and i went",
        "10 / 2 = 5": "ten divided by two equals five", "Mon., Wed.; Jan., Mar.": "monday, wednesday; january, march.",
        "THE US AND THE UK AGREE": "the u s and the u k agree", "GIVE IT TO US NOW": "give it to us now"},
    "letters and keys": {
        "two MP3s and F-16s": "two m p threes and f sixteens", "OSes": "o s's",
        "409A": "four oh nine a",
        "NFSv4 over IPv6": "n f s v four over i p v six", "2 x 16GB": "two sixteen gigabytes",
        "an M.2 disk": "an m dot two disk", "a 401K": "a four oh one k", "Sr. leadership": "senior leadership",
        "U2's song": "u two's song",
        "noon – 1 p.m.": "noon to one p m.", "3 – 3:15 p.m.": "three to three fifteen p m.",
        "50-50": "fifty fifty",
        "3-1 at FT.": "three to one at f t.", "(a) one, (b) two": "a, one, b, two",
        "a b- on the exam": "a b, on the exam",
        "a B- on the exam": "a b minus on the exam", "plan B- or C": "plan b, or c",
        "dial *67": "dial star sixty-seven", "press # now": "press pound now", "see #3": "see number three",
        "the 3-2-1 rule": "the three two one rule", "an 80/20 mix": "an eighty twenty mix",
        "120/80": "one hundred twenty over eighty", "a 2-9 start": "a two and nine start",
        "2 t shirts": "two t shirts", "2 t sugar": "two teaspoons sugar", "I DO care": "i do care", "a DO": "a d o",
        "a few hrs ago": "a few hours ago", "budget2024.xlsx": "budget twenty twenty-four dot x l s x",
        "in Troy, Ohio 45373": "in troy, ohio four five three seven three",
        "in Troy, Ohio 45373 men": "in troy, ohio four five three seven three men",
        "in Troy, Ohio 45373 cats": "in troy, ohio forty-five thousand three hundred seventy-three cats",
        "batted .312": "batted three twelve", "an error of .312": "an error of point three one two",
        "my file tax_form.pdf": "my file tax underscore form dot p d f",
        "user bob_lee": "user bob lee", "username bob_lee": "username bob underscore lee",
        "4 W. Oak Ave, Troy": "four west oak avenue, troy", "Ave Maria": "ave maria", "Dr Who": "doctor who"},
    "more dates": {
        "by Fri. 10/6": "by friday october sixth", "from 8/12-8/16": "from august twelfth to august sixteenth",
        "1/2-3/4 cup": "one half to three quarters cup", "May 9-Sept. 3": "may ninth to september third",
        "Mon: legs. Tue: arms.": "monday: legs. tuesday: arms.", "M-F, 9-5": "monday to friday, nine to five",
        "a 30-yr low": "a thirty year low", "bake 1 h.": "bake one hour."},
    "directions and places": {
        "12 mi. SW of Ames": "twelve miles southwest of ames", "winds NE at 9": "winds northeast at nine",
        "I-78 W to Ames": "i seventy-eight west to ames", "5 km N of it": "five kilometers north of it",
        "Lee, D-Calif., said": "lee, d california, said", "SE Asia": "southeast asia", "class N of it": "class n of it",
        "at 1530 K St. NW": "at fifteen thirty k street northwest", "300 K of heat": "three hundred kelvin of heat",
        "2217 E. Pine Ave.": "twenty-two seventeen east pine avenue.", "the cor. of 5th": "the corner of fifth",
        "Conf. Rm. B": "conference room b", "County Rd. 9": "county road nine", "in Rd. 9": "in round nine"},
    "teams and machines": {
        "We are 8-3 and": "we are eight and three and", "lost 4-0 at home": "lost four to zero at home",
        "We are 3-2 up": "we are three to two up",
        "port 8080": "port eighty eighty", "port 8000": "port eight thousand",
        "seats 12A and 12B": "seats twelve a and twelve b", "12B people": "twelve billion people",
        "a 2A charger": "a two amp charger", "seat 2A": "seat two a",
        "at 350 F for": "at three hundred fifty degrees fahrenheit for", "at 10 C Street": "at ten c street",
        "no. 1Z999AA101": "number one z nine nine nine a a one zero one", "WINDOWS2000": "windows two thousand",
        "a .gitignore file": "a dot gitignore file", "the end .then": "the end. then", "ls -la": "ls dash l a"},
    "sums and products": {
        "2^16 - 1 bits": "two to the sixteenth minus one bits", "What is 30 - 4?": "what is thirty minus four?",
        "3 - 5 days": "three to five days", "the n - 1 rows": "the n minus one rows",
        "Plan B - 3 days": "plan b, three days",
        "2 x 10^9 and 2 x 4": "two times ten to the ninth and two by four", "y² - 7": "y squared minus seven",
        "90 kg - 5 more": "ninety kilograms, five more", "5 kg - 9 kg": "five kilograms to nine kilograms",
        "9.8 m/s²": "nine point eight meters per second squared", "g(x)": "g of x",
        "80 N·m": "eighty newton meters", "60 mg/dL": "sixty milligrams per deciliter"},
    "more codes": {
        "the 767s here": "the seven sixty-sevens here",
        "a stake in 3M.": "a stake in three m.", "We invest in 3M.": "we invest in three m.",
        "parked a 707 there": "parked a seven oh seven there", "See App. A of it": "see appendix a of it",
        "rated 4.5/5": "rated four point five out of five", "$4/loaf": "four dollars per loaf",
        "4 apples/pears": "four apples pears", "NOx and SOx": "n o x and s o x",
        "802.11a/b/g": "eight oh two dot eleven a b g",
        "ref. no. 5518": "reference number five five one eight", "ext. 8120": "extension eight one two zero",
        "order #40217": "order number four zero two one seven",
        "order #82-5013": "order number eight two, five zero one three",
        "#3 is 1-2": "number three is one to two", "Rm. 305": "room three oh five",
        "Apt. 4B": "apartment four b", "flight UA 318": "flight u a three eighteen",
        "in Lyon, 69002 Lyon": "in lyon, six nine zero zero two lyon",
        "a lap of 1:09.52": "a lap of one oh nine point five two", "By 1066 all": "by ten sixty-six all",
        "The 10K begins": "the ten k begins", "Mon/Wed/Fri": "monday wednesday friday",
        "the 200m butterfly": "the two hundred meter butterfly",
        "a $30 monthly fee": "a thirty dollar monthly fee", "pays $30 monthly": "pays thirty dollars monthly"},
    "more abbreviations": {
        "its approx. size": "its approximate size", "approx. 20": "approximately twenty",
        "tax not incl.": "tax not included.", "incl. tax": "including tax", "Sr. Data Analyst": "senior data analyst",
        "the H. pylori test": "the h pylori test", "a tsp. of it": "a teaspoon of it",
        "drops tid": "drops three times a day", "they bid": "they bid",
        "Fwd: news": "forward: news", "RE: RE: news": "{R IY1}: {R IY1}: news", "Wait [pause 2s] here": "wait, here",
        "np, im ok": "no problem, i'm ok", "Idk. Dont ask": "i don't know. don't ask",
        "ssh, pdfs, hmm": "s s h, p d f's, hmm",
        "w/ a hook": "with a hook", "cc'd Ann": "c seed ann"},
    "signs and programs": {
        "an on/off switch": "an on off switch", "lib/main/code": "lib slash main slash code", "She/he": "she or he",
        "getFirstName() runs": "get first name runs", "a .zip file": "a dot zip file",
        "Ctrl+Alt+Del": "control alt delete",
        "the option -v and git push --force": "the option dash v and git push dash dash force",
        "She left -then came back": "she left, then came back",
        "a != b": "a is not equal to b", "x == y": "x equals y", "p && q": "p and q",
        "8 * 9 = 72": "eight times nine equals seventy-two", "Open Tools > Options": "open tools, options",
        "7 > 4": "seven greater than four", "self.count": "self dot count", "stdlib.h": "stdlib dot h",
        "It ended.³ They": "it ended. they", "ants.[7] Bees": "ants. bees", "tax† here": "tax here",
        "https://www.usa.gov": "w w w dot u s a dot gov", "goin' home, ol' pal": "goin' home, ol' pal"}}


@pytest.mark.parametrize("written, spoken", [pair for kind in CASES.values() for pair in kind.items()])
def test_kinds(written, spoken):
    assert english_reader(written) == spoken


@pytest.mark.parametrize("text", [
    "Arsenal vs. Chelsea ended early.", "Come at 3 p.m. Monday.", "Call at 9 a.m. EST.", "Ng et al. (2020) agree.",
    "Acme Inc. CEO Ann Low left.", "It costs $9 incl. Sunday lunch.", "See Fig. 3 and App. B here.",
    "Sr. Ann met Br. John.", "See app. 4 of the book.", "It is in art. 5 of it.", "Troy (pop. 4,210) is near.",
    "At long. 71 west it sank.", "Max. 8 people fit.", "See App. A of it.", "Quote your ref. 4471 here.",
    "We hiked to Pt. Reyes.", "Fed. R. Evid. 4 is cited.", "It is on K St. NW now.",
    "He told Mr. Hall about the\nHouse.",
    "A long line of a paragraph that some program has wrapped around here\nCharacters go on.",
    "On Sun. May 3 we sail."])
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


def test_explanation_of_a_missing_lexicon_is_one_line(capsys):
    assert main(["Hi.", "--lexicon", "none.txt"]) == 2
    assert capsys.readouterr().err.startswith("python -m text: error: none.txt: cannot be read (No such file")


def test_pieces_cover_the_text_they_come_from():
    text = "On 3 May, Dr. Müller’s 2 kg café-cake cost €3.50."
    assert [piece.text for piece in speak(text).pieces] == [
        "On", "3 May", "Dr.", "Müller’s", "2 kg", "café-cake", "cost", "€3.50"]
