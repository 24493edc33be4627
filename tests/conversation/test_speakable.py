"""Text made speakable, and the way back from a spoken position to the source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from her_os.conversation.speakable import SpeakableText, make_speakable
from her_os.conversation.speakable_markup import CODE_LEFT_OUT

PARTS = [
    "Hello", "there,", "$3.50", "3:30", "p.m.", "**bold**", "[x](y.com)", "\n\n", "- a", "1/2", "\u2014", "&", "Dr.",
    "A4", "12 km", "`c`", "\U0001f389", "555-1234", "a_b", "_i_", "<br>", "# H", "...", "(so", "far)", "5", "=", "e.g.",
]  # fmt: skip


def words(source: str) -> list[tuple[str, str]]:
    """(source word, spoken words) of each span."""
    speakable = make_speakable(source)
    return [
        (source[span.source_start : span.source_end], speakable.text[span.spoken_start : span.spoken_end])
        for span in speakable.spans
    ]


SPOKEN = {
    "plain": [
        ("I have moved your meeting.", "I have moved your meeting."),
        ("Don't you think it's fine?", "Don't you think it's fine?"),
        ("Hello there,  how are   you?", "Hello there, how are you?"),
    ],
    "times": [
        ("at 3:30 p.m. on Thursday", "at three thirty p.m. on Thursday"),
        ("at 3:05pm or 9 AM", "at three oh five p.m. or nine a.m."),
        ("at 15:45, not 9:00", "at fifteen forty-five, not nine o'clock"),
        ("at 18:00 or 0:00", "at eighteen hundred or midnight"),
        ("It is 12:00 a.m.", "It is twelve a.m."),
    ],
    "money": [
        ("$3.50", "three dollars and fifty cents"),
        ("$1, $0.99 and \u00a31.01", "one dollar, ninety-nine cents and one pound and one penny"),
        ("$1,200 or \u20ac20", "one thousand two hundred dollars or twenty euros"),
        ("$3.5 million or $5M", "three point five million dollars or five million dollars"),
        ("It is 5 USD or 7 \u20ac.", "It is five dollars or seven euros."),
    ],
    "dates": [
        ("on Jan. 5, 2026", "on January fifth, twenty twenty-six"),
        ("on 21 November 2026", "on November twenty-first, twenty twenty-six"),
        ("by 2026-11-21", "by November twenty-first, twenty twenty-six"),
        ("by 11/21/2026", "by November twenty-first, twenty twenty-six"),
        ("by 21/11/2026", "by November twenty-first, twenty twenty-six"),
        ("on March 3rd", "on March third"),
        ("in March 2026", "in March twenty twenty-six"),
        ("in 1984, not in 2005", "in nineteen eighty-four, not in two thousand and five"),
        ("from 1990-1995", "from nineteen ninety to nineteen ninety-five"),
        ("the 1990s and the 80s", "the nineteen nineties and the eighties"),
    ],
    "numbers": [
        ("1,200 people", "one thousand two hundred people"),
        ("about 4.5 or -5", "about four point five or minus five"),
        ("the 21st and the 3rd", "the twenty-first and the third"),
        ("1/2 cup, 3/4, 1 1/2 cups", "one half cup, three quarters, one and a half cups"),
        ("\u00bd cup, 2\u00bd cups", "a half cup, two and a half cups"),
        ("24/7 and 8/10", "twenty-four seven and eight out of ten"),
        ("pages 3-5, 5\u201310", "pages three to five, five to ten"),
        ("#5, No. 6, ~10", "number five, number six, about ten"),
        ("version 2.1.3", "version two point one point three"),
        ("v1.2.3", "version one point two point three"),
        ("room A4, code 007", "room A four, code zero zero seven"),
        ("2000 people", "two thousand people"),
        ("1234567890123456", "one two three four five six seven eight nine zero one two three four five six"),
    ],
    "sums": [
        ("7 x 8 = 56", "seven times eight equals fifty-six"),
        ("5+3=8", "five plus three equals eight"),
        ("9 - 4 = 5", "nine minus four equals five"),
        ("12 / 4 = 3", "twelve divided by four equals three"),
        ("15% of 80", "fifteen percent of eighty"),
        ("2^10 > 3", "two to the power of ten is greater than three"),
        ("6 \u00d7 7 is 42.", "six times seven is forty-two."),
        ("3 * 4 = 12", "three times four equals twelve"),
    ],
    "units": [
        ("5 km, 1 km and 10kg", "five kilometers, one kilometer and ten kilograms"),
        ("-5\u00b0C or 20 \u00b0F", "minus five degrees Celsius or twenty degrees Fahrenheit"),
        ("30 km/h and 60 mph", "thirty kilometers per hour and sixty miles per hour"),
        ("5-10 km, 5\u201310%", "five to ten kilometers, five to ten percent"),
        ("6 ft., 5 m\u00b2", "six feet, five square meters"),
        ("10 min or 30 s", "ten minutes or thirty seconds"),
        ("He is 5'10\" tall", "He is five foot ten tall"),
    ],
    "phones": [
        ("Call 555-123-4567.", "Call five five five, one two three, four five six seven."),
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        ("+1 555 123 4567", "plus one, five five five, one two three, four five six seven"),
        ("555-1234", "five five five, one two three four"),
        ("at 10 20 30 40", "at ten twenty thirty forty"),
    ],
    "addresses": [
        ("Visit https://www.example.com/help.", "Visit example dot com slash help."),
        ("example.co.uk or 10.0.1.2", "example dot co dot uk or ten dot zero dot one dot two"),
        ("https://example.com/a/b?q=1&r=2#x now", "example dot com now"),
        ("http://homeassistant.local:8123/", "homeassistant dot local port eight one two three"),
        ("Write to bob.smith@site.org!", "Write to bob dot smith at site dot org!"),
        ("The end.The next", "The end.The next"),
    ],
    "signs": [
        ("Tom & Jerry, AT&T", "Tom and Jerry, AT and T"),
        ("He said \u2014 quietly \u2014 \u201cNo\u2026\u201d", 'He said, quietly, "No..."'),
        ("he/she and/or them", "he or she and or them"),
        ("Dr. Smith, 12 Baker St. near St. Paul's", "Doctor Smith, twelve Baker Street near Saint Paul's"),
        ("e.g. this, i.e. that, etc.", "for example this, that is that, et cetera."),
        ("\u00a9 Acme\u2122 #fun", "Acme hashtag fun"),
        ("It's 5 - or more", "It's five, or more"),
    ],
    "emoji": [
        ("Great \U0001f389! Well done \U0001f44d\U0001f3fd", "Great! Well done"),
        ("\U0001f389", "party popper"),
        ("I \u2764\ufe0f it", "I it"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467 family", "family"),
    ],
    "silence": [("", ""), ("   ", ""), ("...", ""), ("---", ""), ("**", "")],
    "markdown": [
        ("**Bold**, _italic_ and `code`", "Bold, italic and code"),
        ("See [the **help** page](http://x.com/a_b) now", "See the help page now"),
        ("![a red door](x.png)", "a red door"),
        ("# Plan\n\nGo home", "Plan. Go home"),
        ("- one\n- two!\n- three", "one. two! three."),
        ("1. Milk\n2. Eggs", "one, Milk. two, Eggs."),
        ("2. Eggs", "two, Eggs."),
        ("> quoted\n\nplain", "quoted. plain"),
        ("Look:\n\n```py\nx = 1\n```\n", f"Look: {CODE_LEFT_OUT}"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b. one, two."),
        ("~~old~~ new<br>line", "old new line"),
        ("half of **a bold", "half of a bold"),
        ("    an indented line", "an indented line"),
        ("snake_case is 3 * 4", "snake case is three times four"),
        ("One line\nand the next", "One line and the next"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("source", "spoken"), [case for cases in SPOKEN.values() for case in cases])
def test_spoken_form(source: str, spoken: str) -> None:
    assert make_speakable(source).text == spoken


def test_each_source_word_knows_its_spoken_words() -> None:
    assert words("It costs **$3.50**, at 3:30 p.m. & more \u2014 really!") == [
        ("It", "It"),
        ("costs", "costs"),
        ("$3.50**,", "three dollars and fifty cents,"),
        ("at", "at"),
        ("3:30 p.m.", "three thirty p.m."),
        ("&", "and"),
        ("more", "more"),
        ("really!", "really!"),
    ]


def test_what_was_heard_ends_at_a_whole_source_word() -> None:
    source = "It costs $3.50 today."
    speakable = make_speakable(source)
    assert speakable.text == "It costs three dollars and fifty cents today."

    def heard(spoken: str) -> str:
        assert speakable.text.startswith(spoken)
        return source[: speakable.source_end_for(len(spoken))]

    assert heard("") == ""
    assert heard("I") == ""
    assert heard("It") == "It"
    assert heard("It costs three dollars and fifty cen") == "It costs"
    assert heard("It costs three dollars and fifty cents") == "It costs $3.50"
    assert heard("It costs three dollars and fifty cents today") == source
    assert heard(speakable.text) == source


def test_markup_around_the_last_word_is_heard_with_it() -> None:
    speakable = make_speakable("This is **important**")
    assert speakable.source_end_for(len(speakable.text)) == speakable.source_length == 21


def test_a_text_without_sound_has_no_words() -> None:
    assert make_speakable("...") == SpeakableText("", (), 3)
    assert make_speakable("...").source_end_for(0) == 0


@given(st.lists(st.sampled_from(PARTS), max_size=20))
def test_spans_are_in_order_and_inside_their_texts(parts: list[str]) -> None:
    source = " ".join(parts)
    speakable = make_speakable(source)
    source_at = spoken_at = 0
    for span in speakable.spans:
        assert source_at <= span.source_start <= span.source_end <= len(source)
        assert spoken_at <= span.spoken_start < span.spoken_end <= len(speakable.text)
        source_at, spoken_at = span.source_end, span.spoken_end
    ends = [speakable.source_end_for(chars) for chars in range(len(speakable.text) + 1)]
    assert ends == sorted(ends)
    covered = {i for span in speakable.spans for i in range(span.spoken_start, span.spoken_end)}
    assert all(i in covered for i, character in enumerate(speakable.text) if character.isalnum())
    assert speakable.text == " ".join(speakable.text.split())


@given(st.text(max_size=200))
def test_any_text_at_all_is_made_speakable(source: str) -> None:
    speakable = make_speakable(source)
    assert speakable.source_end_for(len(speakable.text)) <= len(source)
