"""Text: symbols, cleaners, the reader and its rules, the ARPAbet front end, sentences, markup, corpora's metadata."""
from text.corpus import Line, read_metadata, read_mixed
from text.lexicon import Lexicon, read_lexicon
from text.reading import Reading, Word, read
from text.sentences import split_sentences
from text.sequence import sequence_to_text, text_to_sequence
from text.symbols import symbols

__all__ = ["Lexicon", "Line", "Reading", "Word", "read", "read_lexicon", "read_metadata", "read_mixed",
           "sequence_to_text", "split_sentences", "symbols", "text_to_sequence"]
