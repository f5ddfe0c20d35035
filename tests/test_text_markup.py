"""Markup off: markdown, HTML and SSML, and ordinary text that looks a little like them."""
import pytest

from hparams import TextConfig, UserError
from text.cleaners import english_reader
from text.markup import plain
from text.plan import make_plan
from text.sentences import split_sentences


@pytest.mark.parametrize("written, expected", [
    ("# First steps\n\nRun it.", "First steps.\n\n\nRun it."), ("## Why? ##", "Why?\n"),
    ("Title\n=====\nText", "Title.\n\nText"),
    ("> Be kind.", "Be kind."), (">50% of it", ">50% of it"),
    ("- tea\n- milk!", "tea.\n\nmilk!\n"), ("1. Boil it\n2. Stir", "1, Boil it.\n\n2, Stir.\n"),
    ("- [x] done", "done.\n"), ("A [link](http://a.b/c_d) here", "A link here"), ("![a map](m.png)", "a map"),
    ("See [this][1].\n\n[1]: http://a.b", "See this.\n\n"),
    ("**Note**: *now* and __then__ ~~not~~", "Note: now and then not"),
    ("Use `print(x)` or ``a``.", "Use print(x) or a."), ("Text[^1] goes on.", "Text goes on."),
    ("Part one\n***\nPart two", "Part one\n\n\nPart two"), ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b.\n\n1, 2."),
    ("```python\nx = 1\ny = 2\n```", "x = 1.\ny = 2.")])
def test_markdown_is_silent(written, expected):
    assert plain(written, "markdown") == plain(written) == expected


@pytest.mark.parametrize("written, expected", [
    ("Buy\n  - tea", "Buy\ntea.\n"), ("Buy\n+ tea", "Buy\ntea.\n"), ("Buy\n • tea", "Buy\ntea.\n"),
    ("Do\n 1) Boil it", "Do\n 1, Boil it.\n"), ("It is ~~not~~ so.", "It is not so."), ("3\\. May", "3. May"),
    ("Title\n---", "Title.\n"), ("Title\n===", "Title.\n"), ("Use `a`.", "Use a."), ("__Now__", "Now")])
def test_a_mark_is_silent_in_a_text_without_others(written, expected):
    assert plain(written) == expected


@pytest.mark.parametrize("written, spoken", [
    ("<h1>News</h1><p>Rain <b>fell</b>.</p>", "news. rain fell."), ("One<br/>two", "one. two"),
    ("<ul><li>tea</li><li>milk</li></ul>", "tea. milk."), ("A &lt; B &amp; C&nbsp;D", "a less than b and c d"),
    ("<speak>Hi <emphasis>you</emphasis>.</speak>", "hi you."), ("<!-- no -->Yes<script>x = 1</script>.", "yes."),
    ("<img src='a.png' alt='A map'> here", "a map here"), ("<table><tr><td>1</td><td>2</td></tr></table>", "one, two."),
    ("&#233;t&eacute; &#x42;", "ete b"), ("&frac12; cup", "one half cup"),
    ("<label>Name</label><button>Go</button>", "name, go,")])
def test_html_is_silent(written, spoken):
    assert english_reader(plain(written, "html")) == english_reader(plain(written)) == spoken


@pytest.mark.parametrize("text", [
    "5 * 3 * 2 is 30 and 2*4*6.", "a < b and c > d, but <3.", "The #1 song; C# and F#.", "snake_case_name and _private",
    "He said [sic] it (really).", "Tom & Jerry; R&D; AT&T.", "3 > 2 and 2 < 3.", "It's -5 - or so - today.",
    "Wait -- what?", "A ~ B, ~50 of them.", "Rock 'n' roll `n", "x[3] = y[4][5](6)", "No. 5 is alive.",
    "1984. A novel? No.", "{R EH1 D} it", "[pause 2s] Go.", "[pause 1s][Pause 2s](so)",
    "A*B", "five** stars", "Use <name> here"])
def test_ordinary_text_is_left_alone(text):
    assert plain(text) == text


def test_kinds_are_kept_apart():
    both = "**a** <b>c</b>"
    assert plain(both, "plain") == both
    assert plain(both, "markdown") == "a <b>c</b>" and plain(both, "html") == "**a** c" and plain(both) == "a c"
    with pytest.raises(UserError, match="markup: found 'rtf', expected one of auto, plain, markdown, html"):
        plain(both, "rtf")


def test_breaks_of_ssml_are_pause_marks():
    plan = make_plan('<speak>One <break time="2s"/> two.</speak>', TextConfig(), 0.3)
    assert plan.silences == [0.0, 2.0, 0.0]


def test_plans_know_the_markup():
    assert len(make_plan("# One\n* two\n* three", TextConfig(), 0.3).readings) == 3
    assert make_plan("*one*", TextConfig(), 0.3).dropped == "" and "*" in make_plan(
        "*one*", TextConfig(), 0.3, markup="plain").dropped


def test_lines_and_boxes_are_silent():
    assert english_reader("┌──────┐\n│ Menu │\n└──────┘") == "menu"
    assert english_reader("Part one\n======\nThe start") == "part one. the start"
    assert split_sentences("- call Ann\n- pay") == ["- call Ann", "- pay"]
