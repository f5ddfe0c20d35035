"""Sentence splitting that keeps abbreviations, decimals and quotations whole."""
import re

from text.rule import compiled_raw
from text.stops import ends_sentence, is_line_end

MAX_SENTENCE = 400  # characters; what is longer is cut at its pauses, then between words
_NOTES = r"(?:\[\d{1,3}\]|[¹²³⁰⁴⁵⁶⁷⁸⁹†‡*])*"  # marks of footnotes
# This pattern and _QUOTATION begin with a set of characters, so that a search passes over all others at once
_CANDIDATE = (rf"[.!?…。！？\n](?:(?<=[.!?])(?<![.!?].)[.!?]*[\"'”’)\]]*{_NOTES}(?=\s)|"
              r"(?<=…)[\"”’)\]]*(?=\s+[\"“‘'(\[]?[A-Z])|"
              r"(?<=[。！？])(?<![。！？].)[。！？]*[”’」』]*|(?<=\n)(?<!\n\n)\s*\n|(?<=\n))")
_OPENS = r"\s+[\"“‘'(\[{¿¡]*(?:[^\W_]|[^\x00-\x7f]|[$-])"
_SMALL_NEXT = r"\s+[a-z]"
_PAUSE = r"[,;:—–](?=\s)|\s[–—-]+(?=\s)"
# A single quote opens before a word and closes after punctuation; elsewhere it is an apostrophe.
_QUOTATION = (r"[\"“”«»'‘’\n](?:(?<=[\"“”«»])|(?<=['‘])(?<![^\s(].)(?=\w)|(?<=[.,!?]['’])(?!\w)|"
              r"(?<=\n)\s*\n)")
_CLOSING = {'"': '"', "“": "”", "«": "»", "'": "'’", "‘": "'’"}


def split_sentences(text: str) -> list[str]:
    """Returns the sentences of a text, without the white space between them; an empty list for white space alone.

    A sentence ends at `. ! ?` before white space unless the stop belongs to an abbreviation or to initials, or a
    quotation is still open; a blank line always ends one, and so does a line break before a capital or a bullet where
    the line before it is not merely wrapped. Sentences of more than 400 characters are cut at a pause, or, where there
    is none, between words.
    """
    sentences, start = [], 0
    quoted = _quoted(text)
    for match in compiled_raw(_CANDIDATE).finditer(text):
        if match[0] == "\n":
            ends = is_line_end(text, match.start())
        else:
            ends = match[0].isspace() or not _inside(quoted, match.end()) and _ends(text, match)
        if ends:
            sentences += _cut(text[start:match.end()].strip())
            start = match.end()
    return sentences + _cut(text[start:].strip())


def _quoted(text: str) -> list[tuple[int, int]]:
    """The spans of the quotations, in order; those of more than 400 characters and those never closed do not count."""
    spans, opened, closing = [], 0, ""
    for match in compiled_raw(_QUOTATION).finditer(text):
        blank = match[0].isspace()
        if closing and (match[0] in closing or blank):
            if match.start() - opened <= MAX_SENTENCE and not blank:
                spans.append((opened, match.start()))
            closing = ""
        elif not closing:
            opened, closing = match.start(), _CLOSING.get(match[0], "")
    spans.reverse()
    return spans


def _inside(spans: list[tuple[int, int]], position: int) -> bool:
    """True if the position is inside of a quotation; forgets the spans before it, for positions come in order."""
    while spans and spans[-1][1] < position - 1:
        spans.pop()
    return bool(spans) and spans[-1][0] < position <= spans[-1][1]


def _ends(text: str, match: re.Match[str]) -> bool:
    """True if the marks at `match` end a sentence."""
    stop = match.end()
    if match[0][0] in "。！？":
        return True
    if not compiled_raw(_OPENS).match(text, stop):
        return not text[stop:stop + 100].strip()
    if compiled_raw(_SMALL_NEXT).match(text, stop):
        return False
    single = match[0][0] == "." and not match[0].startswith("..")
    return not single or ends_sentence(text, match.start() + 1)


def _cut(sentence: str) -> list[str]:
    """Cuts what is longer than 400 characters: after its last pause that fits, else at white space, else anywhere;
    not inside of braces."""
    parts, start = [], 0
    while len(sentence) - start > MAX_SENTENCE:
        window = sentence[start:start + MAX_SENTENCE]
        ends = [match.end() for match in compiled_raw(_PAUSE).finditer(window)]
        pauses = [end for end in ends if end > MAX_SENTENCE // 4]
        stop = pauses[-1] if pauses else window.rfind(" ", 1)
        stop = stop if stop > 0 else MAX_SENTENCE
        brace = window.rfind("{", 1, stop)
        stop = brace if brace > window.rfind("}", 0, stop) else stop
        parts.append(sentence[start:start + stop].strip())
        start += stop
    return [part for part in [*parts, sentence[start:].strip()] if part]
