"""The reader's rules, in the order in which they are tried: at each place of a text the first that applies decides.

A rule stands with its pattern and an example in the module that it is taken from. `python -m text "..."` shows which
rule read what. The order matters where two rules fit: the special one stands before the general one.
"""
import functools

from text import (
    abbreviations,
    addresses,
    capitals,
    codes,
    dates,
    figures,
    marks,
    measures,
    medicine,
    money,
    places,
    roman,
    times,
    words,
)
from text.rule import CAPITAL, DIGIT, SMALL, Rule

RULES: tuple[Rule, ...] = (
    # What decides before all
    marks.pronunciation,
    marks.quoted_sign,
    marks.bullet,
    marks.dividing_line,
    # Addresses and names of programs
    addresses.web_address,
    addresses.shell_prompt,
    addresses.mail_address,
    codes.version_with_v,
    addresses.domain_or_file,
    addresses.path_from_here,
    addresses.path,
    addresses.hidden_file,
    addresses.file_ending,
    addresses.key_combination,
    addresses.command_option,
    # Fixed shapes and abbreviations
    abbreviations.subject_line,
    abbreviations.dotted_abbreviation,
    dates.short_date,
    dates.nine_eleven,
    marks.written_shape,
    medicine.dose,
    medicine.strength,
    medicine.days_of_a_dose,
    measures.unit_after_per,
    measures.degrees_with_letter,
    # Telephones, keys, codes
    places.party_and_state,
    codes.isbn,
    codes.isbn_alone,
    codes.vanity_phone,
    codes.phone,
    codes.short_phone,
    codes.international_phone,
    codes.national_phone,
    codes.phone_with_space,
    codes.number_in_groups,
    codes.phone_extension,
    places.zip_plus_four,
    places.zip_code,
    codes.code_or_key,
    codes.numbered_order,
    codes.hexadecimal,
    codes.long_code,
    codes.mixed_code,
    codes.tax_form,
    codes.clause,
    codes.wireless_standard,
    codes.aircraft,
    places.house_number,
    codes.company_3m,
    # Dates and times
    abbreviations.bible_verse,
    dates.date_and_time,
    dates.year_first_date,
    dates.year_last_date,
    dates.month_with_slash,
    dates.expiry,
    dates.season,
    dates.days_with_slash,
    dates.days_of_months,
    dates.months,
    dates.month_and_short_year,
    dates.until_another_date,
    dates.early_year,
    dates.day_before_month,
    dates.month_before_day,
    dates.month_and_year,
    dates.weekday_range,
    dates.weekday_letters,
    dates.weekday_of_two_letters,
    dates.weekday,
    dates.weekday_in_small,
    dates.month_alone,
    dates.month_in_small,
    times.military_time,
    times.seconds_left,
    times.minutes_with_colon,
    times.hour_and_central_hour,
    times.time_elapsed,
    times.time_with_fraction,
    times.clock,
    times.clock_with_dot,
    times.hours_and_minutes,
    times.minutes_and_seconds,
    times.hour,
    times.hours_in_short,
    times.noon_to,
    times.to_noon,
    times.duration,
    dates.year_with_apostrophe,
    # Money
    money.foreign_dollars,
    money.rupees,
    money.so_many_for,
    money.tens_of_millions,
    money.european_money,
    money.money,
    money.european_money_sign_last,
    # Figures with something around them
    codes.height_of_player,
    codes.record_in_brackets,
    codes.record_of_games,
    codes.record_of_season,
    codes.record_of_team,
    figures.scientific,
    figures.dotted_thousands,
    codes.version,
    codes.version_of_software,
    figures.spaced_thousands,
    figures.ratio,
    measures.angle,
    measures.feet_and_inches,
    measures.height,
    measures.height_without_inches,
    measures.recipe_unit,
    measures.package_size,
    measures.rooms,
    measures.bedrooms,
    measures.part_of_a_second,
    measures.resolution,
    figures.tens_of,
    figures.plural_digit,
    figures.decade,
    measures.temperature,
    measures.oven_temperature,
    measures.amperes,
    measures.dimension,
    measures.inches,
    measures.measurement,
    measures.decimal_and_unit,
    measures.inch_or_foot_mark,
    figures.part_in_brackets,
    figures.two_versions,
    figures.score_with_context,
    dates.month_and_day,
    figures.score_out_of,
    figures.fraction,
    figures.ordinal_and_noun,
    figures.ordinal_figure,
    measures.count_of_parts,
    figures.unknown,
    figures.multiple,
    measures.karat,
    figures.distance_of_a_race,
    figures.members,
    figures.thousands,
    figures.figure_with_letters,
    places.number_of_a_room,
    places.road_number,
    codes.port_number,
    codes.model_number,
    figures.emergency_number,
    figures.batting_average,
    figures.plain_number,
    marks.grade,
    figures.minus,
    figures.subtraction,
    # Places, titles, abbreviations with a full stop
    places.state,
    places.province_of_canada,
    places.state_with_stop,
    places.state_with_stops,
    places.highway,
    places.compass,
    places.road_and_direction,
    places.street_direction,
    places.street_quarter,
    places.end_of_street,
    abbreviations.journal,
    abbreviations.initials,
    abbreviations.initial,
    abbreviations.species,
    abbreviations.case_name,
    abbreviations.abbreviation,
    abbreviations.street_without_stop,
    abbreviations.title_without_stop,
    abbreviations.label,
    abbreviations.abbreviation_without_stop,
    abbreviations.bare_number_abbreviation,
    # Roman numerals
    roman.roman_year,
    roman.roman_with_ending,
    roman.roman_ordinal,
    roman.roman_alone,
    roman.roman_of_monarch,
    roman.roman_after_noun,
    roman.roman_in_list,
    # Capitals, letters among digits
    capitals.symbol_of_an_element,
    capitals.formula,
    capitals.function_of,
    capitals.named_function,
    capitals.sizes,
    capitals.dimensions,
    capitals.letter_and_letter,
    codes.processor,
    codes.model_with_letter,
    capitals.mixed_case,
    capitals.letters_and_digits,
    capitals.acronym,
    capitals.camel_case,
    capitals.letters_and_word,
    capitals.joined_words,
    capitals.product_of_letters,
    capitals.product_of_two_letters,
    capitals.single_letter,
    capitals.small_letter,
    # Words
    addresses.dotted_name,
    addresses.snake_case,
    words.without_apostrophe,
    words.elision_at_start,
    words.elision_at_end,
    words.plural_genitive,
    words.letters_without_a_vowel,
    words.optional_plural,
    words.word,
    # Signs
    marks.pause_mark,
    marks.footnote_in_brackets,
    marks.empty_brackets,
    marks.superscript,
    marks.dagger,
    marks.telephone_key,
    marks.footnote_star,
    marks.greek_letter,
    marks.operator,
    marks.menu_arrow,
    marks.times_star,
    marks.factorial,
    marks.cashtag,
    marks.prompt,
    marks.hashtag,
    marks.about,
    figures.power,
    marks.power_of_letter,
    figures.per,
    marks.divided_by,
    marks.slash_between_words,
    marks.sign,
)
# Sign -> the `needs` of all rules that contain it.
_NEEDS_WITH = {sign: frozenset(rule.needs for rule in RULES if sign in rule.needs)
               for sign in {sign for rule in RULES for sign in rule.needs}}


class RulesOfText:
    """The rules that may apply in one text: those that need a sign which it does not hold are left out."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._by_character: dict[str, tuple[Rule, ...]] = {}

    @functools.cached_property
    def _needs_met(self) -> frozenset[str]:
        """Returns the `needs` that are met: those of which the text contains at least one sign."""
        return frozenset().union(*[_NEEDS_WITH[sign] for sign in _NEEDS_WITH.keys() & self._text])

    def at(self, character: str) -> tuple[Rule, ...]:
        """Returns the rules that may apply where the text has this character, in order."""
        rules = self._by_character.get(character)
        if rules is None:
            rules = self._by_character[character] = _rules_for(_kind(character), self._needs_met)
        return rules


def _kind(character: str) -> str:
    """Returns what stands for a first character in Rule.starts: its class, or itself."""
    if character.isascii() and character.isalpha():
        return CAPITAL if character.isupper() else SMALL
    return DIGIT if character.isdecimal() and character.isascii() else character


@functools.lru_cache(maxsize=4096)
def _rules_for(kind: str, needs_met: frozenset[str]) -> tuple[Rule, ...]:
    """Returns the rules that may apply at a kind of character, in order, whose `needs` are empty or met.

    Cached: few combinations occur, and to look through all rules for each text took a tenth of the time.
    """
    return tuple(one for one in RULES if kind in one.starts and (not one.needs or one.needs in needs_met))
