"""The tense of `read`, and `used` in "used to", by the words around them."""
from text.word_classes import classes_of, word_list

_CENTURIES = frozenset("nineteen twenty two".split())  # "in 1998", "in 2019"


def used_to(words: list[str], index: int) -> float:
    """Returns how much speaks for `used to` as a habit, below zero: for the past of `use`.

    Habits are 'they used to live here' and 'is used to hard work'; 'is used to cut wood' is none.
    """
    if words[index + 1:index + 2] != ["to"]:
        return -9.0
    left = [set(classes_of(word)) for word in words[max(0, index - 8):index]]
    if left and left[-1] & {"be", "linking"}:
        after = set(classes_of(words[index + 2])) if index + 2 < len(words) else set()
        return 12.0 if after & {"ing", "determiner", "possessive", "object", "adjective"} else -9.0
    if left and left[-1] & {"pronoun", "third", "wh", "that"}:
        return 12.0
    return -9.0 if any(classes & {"be", "have", "finite", "modal"} for classes in left) else 12.0


def tense_of_read(words: list[str], pauses: list[str], index: int) -> float:
    """Returns how much speaks for the past tense of `read`, words[index]; below zero: for the present.

    It counts the auxiliaries before it and words that tell a time, first those of its clause.
    """
    left = [name for word in words[max(0, index - 4):index] for name in classes_of(word)]
    past = 0.0
    if "have" in left or "be" in left:
        past += 6.0
    if "modal" in left or "do" in left or "to" in left[-2:]:
        past -= 6.0
    previous = classes_of(words[index - 1]) if index else ()
    if index and words[index - 1].endswith("'d") and word_list("again") & set(words[index:]):  # "I'd read it if"
        return -8.0
    if index > 1 and words[index - 1] in word_list("just") and {"pronoun", "third"} & set(classes_of(words[index - 2])):
        past += 6.0
    if set(previous) & {"determiner", "adjective"} and words[index - 1] not in ("well", "widely"):  # "a good read"
        return -8.0
    who = bool(index) and words[index - 1] == "who" and not (index > 1 and "plural" in classes_of(words[index - 2]))
    if set(previous) & {"third", "singular", "other"} or who:
        past += 4.0
    if _reports(words, index):
        past += 2.0
    past += _tells_past(_clause(words, pauses, index)) or _tells_past(words)
    if not past and any(map(_is_past, words[:index])):  # "She sat while they read"
        past += 1.5
    if _goes_on_in_past(words, index):
        past += 5.0
    return past + (0.5 if set(previous) & {"pronoun"} else 0.0)


def _reports(words: list[str], index: int) -> bool:
    """True in 'we read about it' and 'I read that', which tell what was read; not after 'when' and the like."""
    if words[max(0, index - 1):index + 2] == ["you", "read", "my"]:
        return True
    return words[max(0, index - 1):index] in (["i"], ["we"], ["they"]) and (
        not set(words[max(0, index - 4):index]) & word_list("after these")) and (
            bool(set(words[index + 1:index + 2]) & word_list("reported")))


def _clause(words: list[str], pauses: list[str], index: int) -> list[str]:
    """Returns the words from the pause before words[index] to the one after it."""
    first, last = index, index
    while first and not pauses[first - 1]:
        first -= 1
    while last + 1 < len(words) and not pauses[last]:
        last += 1
    return words[first:last + 1]


def _tells_past(words: list[str]) -> float:
    """Weighs the words that tell a time, such as 'yesterday' and 'in nineteen ninety-eight', against 'every day'."""
    near = set(words)
    pairs = set(zip(words, words[1:]))
    past = len(near & word_list("past cues")) + any(("in", century) in pairs for century in _CENTURIES) + (
        ("this", "morning") in pairs)
    return 2.0 * past - 2.5 * len(near & word_list("present cues"))


def _goes_on_in_past(words: list[str], index: int) -> bool:
    """True if a verb joined by 'and', 'but' or 'then' is past: 'I read it but forgot', 'he sat down and read'."""
    for place in range(index + 1, min(len(words) - 1, index + 8)):
        if words[place] in ("and", "but", "then") and _is_past(words[place + 1]):
            return True
    left = words[max(0, index - 7):index - 1]
    return words[max(0, index - 1):index] in (["and"], ["then"]) and "to" not in left and any(map(_is_past, left))


def _is_past(word: str) -> bool:
    """Returns whether a word is a verb in the past."""
    return word in word_list("past verbs") or word.endswith("ed") and len(word) > 4 and not word.endswith("eed")
