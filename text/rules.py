"""The reader's rules, in the order in which they are tried: at each place of a text the first that applies decides.

A rule stands with its pattern and an example in the module that it is taken from. `python -m text "..."` shows which
rule read what. The order matters where two rules fit: the special one stands before the general one.
"""
import functools

from text import abbreviations, addresses, capitals, codes, dates, figures, marks, measures, money, roman, words
from text.rule import CAPITAL, DIGIT, SMALL, Rule

RULES: tuple[Rule, ...] = (
    # What decides before all
    marks.pronunciation,
    marks.bullet,
    marks.dividing_line,
    # Addresses and names of programs
    addresses.web_address,
    addresses.mail_address,
    codes.version_with_v,
    addresses.domain_or_file,
    addresses.file_ending,
    addresses.key_combination,
    addresses.command_option,
    # Fixed shapes and abbreviations
    abbreviations.subject_line,
    abbreviations.dotted_abbreviation,
    dates.short_date,
    dates.nine_eleven,
    marks.written_shape,
    measures.dose,
    measures.unit_after_per,
    # Telephones, keys, codes
    codes.isbn,
    codes.isbn_alone,
    codes.vanity_phone,
    codes.phone,
    codes.short_phone,
    codes.international_phone,
    codes.national_phone,
    codes.phone_with_space,
    codes.phone_extension,
    codes.zip_plus_four,
    codes.zip_code,
    codes.code_or_key,
    codes.hexadecimal,
    codes.wireless_standard,
    codes.aircraft,
    codes.house_number,
    codes.company_3m,
    # Dates and times
    abbreviations.bible_verse,
    dates.year_first_date,
    dates.year_last_date,
    dates.season,
    dates.early_year,
    dates.day_before_month,
    dates.month_before_day,
    dates.month_and_year,
    dates.weekday_range,
    dates.weekday,
    dates.month_alone,
    dates.military_time,
    dates.clock,
    dates.hours_and_minutes,
    dates.hour,
    dates.duration,
    dates.year_with_apostrophe,
    # Money
    money.foreign_dollars,
    money.rupees,
    money.tens_of_millions,
    money.european_money,
    money.money,
    money.european_money_sign_last,
    # Figures with something around them
    codes.record_of_games,
    codes.record_of_season,
    figures.scientific,
    figures.dotted_thousands,
    codes.version,
    codes.version_of_software,
    figures.spaced_thousands,
    figures.ratio,
    measures.angle,
    measures.feet_and_inches,
    measures.height,
    measures.recipe_unit,
    figures.tens_of,
    figures.plural_digit,
    figures.decade,
    measures.temperature,
    measures.inches,
    measures.measurement,
    measures.inch_or_foot_mark,
    figures.score_with_context,
    dates.month_and_day,
    figures.score_out_of,
    figures.fraction,
    figures.ordinal_and_noun,
    figures.ordinal_figure,
    measures.count_of_parts,
    figures.multiple,
    figures.distance_of_a_race,
    figures.thousands,
    figures.figure_with_letters,
    codes.road_number,
    figures.emergency_number,
    figures.plain_number,
    figures.minus,
    figures.subtraction,
    # Places, titles, abbreviations with a full stop
    codes.state,
    codes.state_with_stop,
    codes.street_direction,
    codes.street_quarter,
    abbreviations.initials,
    abbreviations.initial,
    abbreviations.species,
    abbreviations.case_name,
    abbreviations.abbreviation,
    abbreviations.title_without_stop,
    abbreviations.bare_number_abbreviation,
    # Roman numerals
    roman.roman_year,
    roman.roman_with_ending,
    roman.roman_ordinal,
    roman.roman_alone,
    roman.roman_of_monarch,
    roman.roman_after_noun,
    # Capitals, letters among digits
    capitals.formula,
    capitals.function_of,
    capitals.letter_and_letter,
    codes.model_with_letter,
    capitals.mixed_case,
    capitals.letters_and_digits,
    capitals.acronym,
    capitals.camel_case,
    capitals.joined_words,
    capitals.single_letter,
    capitals.small_letter,
    # Words
    addresses.dotted_name,
    addresses.snake_case,
    words.elision_at_start,
    words.elision_at_end,
    words.plural_genitive,
    words.letters_without_a_vowel,
    words.word,
    # Signs
    marks.pause_mark,
    marks.footnote_in_brackets,
    marks.empty_brackets,
    marks.superscript,
    marks.dagger,
    marks.footnote_star,
    marks.greek_letter,
    marks.operator,
    marks.menu_arrow,
    marks.times_star,
    marks.hashtag,
    marks.about,
    figures.power,
    marks.power_of_letter,
    figures.per,
    marks.slash_between_words,
    marks.sign,
)


@functools.cache
def rules_for(character: str) -> tuple[Rule, ...]:
    """The rules that may apply where a text has this character, in order."""
    kind = character
    if character.isascii() and character.isalpha():
        kind = CAPITAL if character.isupper() else SMALL
    elif character.isdecimal() and character.isascii():
        kind = DIGIT
    return tuple(one for one in RULES if kind in one.starts)
