"""Shows how a text is read: python -m text "Dr. Lee paid $3.50." [--markup KIND] [--lexicon words.txt]

Prints, for each sentence, a line for each piece of it: what is written, what is said, and the rule that decided; for a
word that is said in several ways, such as "read", also what decided how; then the phonemes that the voice gets. Words
that no dictionary knows are marked: their phonemes are those of a stem or of another spelling that is known (hoodies,
organised), or a small network guesses them.
"""
import argparse
import os
import sys

from hparams import TextConfig, UserError
from text.heteronyms import decide
from text.lexicon import Lexicon, read_lexicon
from text.markup import KINDS, plain
from text.phonemes import look_up
from text.reader import Piece, speak
from text.reading import read, spoken_words
from text.sentences import split_sentences
from text.sequence import sequence_to_text


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m text", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="what to read; '-' is standard input")
    parser.add_argument("--markup", choices=KINDS, default="auto", help="what the text is written in; default: auto")
    parser.add_argument("--lexicon", metavar="PATH", help="a file of lines `word  ARPAbet`, which go before all rules")
    return parser


def explain(text: str, lexicon: Lexicon | None = None) -> list[str]:
    """Returns the lines to print for a text without markup."""
    lines = []
    for sentence in split_sentences(text):
        pieces, dropped = speak(sentence, lexicon)
        width = max((len(piece.text) for piece in pieces), default=0)
        said_width = max((len(piece.spoken) + len(piece.pause) for piece in pieces), default=0)
        lines += [f"{' '.join(piece.text.split()):{width}}  {piece.spoken + piece.pause:{said_width}}  {_reason(piece)}"
                  + heteronyms for piece, heteronyms in zip(pieces, _heteronyms(pieces))]
        if dropped:
            lines.append(f"left out: {' '.join(map(repr, dropped))}")
        if pieces:
            lines += [sequence_to_text(read(sentence, TextConfig(), lexicon).ids), ""]
    return lines


def _reason(piece: Piece) -> str:
    """Returns the name of the rule that read a piece, and which of its words no dictionary knows."""
    parts = [] if piece.phonemes else piece.spoken.replace(",", "").replace("-", " ").split()
    unknown = [part for part in parts if look_up([part], [""], 0) is None]
    return piece.rule + (f" (unknown: {', '.join(unknown)})" if unknown else "")


def _heteronyms(pieces: list[Piece]) -> list[str]:
    """Returns, for each piece, what decided how its heteronyms are said: ' (read: tense)', or ''."""
    words = spoken_words(pieces)
    found = []
    for start, stop in zip(words.starts, [*words.starts[1:], len(words.words)]):
        choices = {words.bare[index]: decide(words.bare, words.pauses, index, index in words.names)
                   for index in range(start, stop)}
        found.append("".join(f" ({word}: {choice.reason})" for word, choice in choices.items() if choice))
    return found


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 0; 2 after a user's mistake; 141 if the reader of a pipe is gone."""
    options = get_parser().parse_args(argv)
    try:
        lexicon = read_lexicon(options.lexicon) if options.lexicon else None
        text = sys.stdin.read() if options.text == "-" else options.text
        print("\n".join(explain(plain(text, options.markup), lexicon)), flush=True)
    except UserError as error:
        print(f"python -m text: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again, and fails, at exit
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main())
