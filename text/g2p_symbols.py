"""From a word to the letters that the network of text/g2p.py reads, and from its classes to phonemes.

Without NumPy, which the browser's Python has not: there other code computes the network (web/src/g2p.mjs).
"""
from collections.abc import Callable

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
SLOTS = 2  # outputs of each letter; "x" is K S
LONGEST = 40  # letters; a longer word is no word


def pronounce(word: str, best_classes: Callable[[str], list[int]], phonemes: list[str]) -> str | None:
    """'nadal' -> 'N AH0 D AA1 L'; None for other characters than LETTERS, and for a word without a vowel.

    best_classes: returns the network's best class of each slot of a word, SLOTS for each letter; class 0 is the blank,
    and class k the phoneme k - 1. Repeated classes count once and blanks not at all.
    """
    if not 0 < len(word) <= LONGEST or not set(word) <= set(LETTERS):
        return None
    best = best_classes(word)
    names = [phonemes[index - 1] for index, previous in zip(best, [0, *best]) if index and index != previous]
    vowels = [place for place, name in enumerate(names) if name[-1].isdecimal()]  # those with a stress
    if not vowels:
        return None
    if not any(names[place][-1] == "1" for place in vowels):  # every word has a main stress
        place = next((place for place in vowels if names[place][-1] == "2"), vowels[0])
        names[place] = names[place][:-1] + "1"
    return " ".join(names)
