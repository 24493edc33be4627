"""Random things a sentence may hold: numbers, phone numbers, times, dates, names, and whole sentences to copy."""

import random
from collections.abc import Callable

from . import words
from .grammar import listed

_ORDINALS = listed("""
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth
    nineteenth twentieth thirtieth half quarter past to dozen once twice noon midnight
""")
_CLAUSES = [
    "i found {P} and {Q}. Which one do you mean",
    "i know {n} people called {P}: {P} {Q} and {P} {Q}. Which one do you mean",
    "{P} is at {phone}, and {Q} is at {phone}",
    "the number of {P} {Q} is {phone}",
    "{phone} is the number of {P}",
    "something went wrong with the {w}, please {v} again",
    "i do not know which {w} you mean",
    "a {w} can {v} for at most {n} {w}",
    "there are {n} people called {P}: {P} and {Q}. Which one do you {v}",
    "it is half past {n}",
    "it is quarter to {n}",
    "it is {n} minutes to {n} in the {w}",
    "the {w} are not {w} right now",
    "nobody called {P} is in your {w}",
    "sorry, {P} has no {w}",
    "you have {n} {w}. The {w} has {n} {w} left, and the {w} has half an hour left",
    "the {w} timer will ring at half past {n}",
    "{P} {Q} is under +{n} {phone}",
    "today is {day}, {month} the {o}",
    "it is {day}, the {o} of {month}",
    "i can only {v} {n} {w} at a time",
    "the {w} timer is {w} now",
    "your {w} has {n} {w} left",
    "i could not find {P} in your contacts",
    "{P} is at {phone}",
    "there is no {w} here",
    "{n} {w} and {n} {w}",
    "the {w} of {P} is {w}",
    "{P} and {Q} have {n} {w}",
    "it is {clock} on {day}",
    "please say the {w} again",
    "the {w} rings in {n} {w}",
    "{day} the {nth} of {month}",
    "that makes {n}",
    "nothing is {w}",
    "you have {n} timers",
    "the {w} is {w} and the {w} is {w}",
    "{n} {w} are {w}",
    "call {P} under {phone}",
    "no {w} was {w}",
]

TEXTS = [*_CLAUSES, *_ORDINALS]


def number(rng: random.Random) -> str:
    """Return a number in digits or in words."""
    value = rng.choice([rng.randint(0, 20), rng.randint(0, 99), rng.randint(0, 999), rng.randint(0, 99999)])
    if rng.random() < 0.5 and value <= 9999:
        return words.number_words(value)
    if rng.random() < 0.1:
        return f"{value}.{rng.randint(0, 99)}"
    return str(value)


def phone_number(rng: random.Random) -> str:
    """Return a phone number, digit by digit in words, in groups, or in figures."""
    # Few different digits make long runs of the same one, which are the hardest to copy.
    pool = rng.sample(range(10), rng.choice([1, 2, 2, 3, 10, 10, 10]))
    digits = [rng.choice(pool) for _ in range(rng.randint(3, 12))]
    style = rng.random()
    if style < 0.2:  # figures or words in groups of any length
        figures = [str(digit) for digit in digits]
        parts = figures if rng.random() < 0.6 else [words.UNITS[digit] for digit in digits]
        between = rng.choice(["", " "]) if parts is figures else " "
        groups, at = list[str](), 0
        while at < len(parts):
            size = rng.randint(1, 5)
            groups.append(between.join(parts[at : at + size]))
            at += size
        country = rng.choice(["", "", f"+{rng.randint(1, 99)} ", f"00{rng.randint(1, 99)} ", "plus "])
        return country + rng.choice([" ", ", ", "-"]).join(groups)
    if style < 0.7:
        spoken = [words.UNITS[digit] for digit in digits]
        groups = [" ".join(spoken[at : at + 3]) for at in range(0, len(spoken), 3)]
        return ("plus " if rng.random() < 0.15 else "") + (", " if style < 0.45 else " ").join(groups)
    return ("-" if style < 0.8 else " " if style < 0.85 else "").join(map(str, digits))


def clock(rng: random.Random) -> str:
    """Return a time of day, as figures or in words."""
    hour, minute = rng.randint(0, 23), rng.randint(0, 59)
    minutes = (
        "o'clock" if minute == 0 else f"oh {words.number_words(minute)}" if minute < 10 else words.number_words(minute)
    )
    spoken = f"{words.number_words(hour % 12 or 12)} {minutes}"
    return rng.choice(
        [
            f"{hour}:{minute:02d}",
            f"{hour % 12 or 12}:{minute:02d} {'AM' if hour < 12 else 'PM'}",
            spoken,
            f"{spoken} in the {rng.choice(['morning', 'afternoon', 'evening'])}",
            f"{spoken} in the {rng.choice(['morning', 'afternoon', 'evening'])}",
            f"{spoken} at night",
            "noon" if hour < 12 else "midnight",
            f"{words.number_words(minute or 5)} minutes past {words.number_words(hour % 12 or 12)}",
        ]
    )


def date(rng: random.Random) -> str:
    """Return a date as a sentence says it."""
    day, month = rng.choice(words.WEEKDAYS).title(), rng.choice(words.MONTHS).title()
    nth = rng.randint(1, 31)
    ordinal = f"{nth}{'th' if 10 < nth < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(nth % 10, 'th')}"
    year = rng.choice(
        ["", "", f", {rng.randint(2024, 2039)}", f" {words.number_words(20)} {words.number_words(rng.randint(24, 39))}"]
    )
    if rng.random() < 0.5:
        tens = f"{rng.choice(['twenty', 'thirty'])} {rng.choice(_ORDINALS[:9])}"
        return f"{day}, the {rng.choice([rng.choice(_ORDINALS[:20]), tens])} of {month}"
    return rng.choice(
        [f"{day}, the {ordinal} of {month}{year}", f"{day}, {month} {nth}{year}", f"{day} {nth} {month}{year}", day]
    )


def any_word(rng: random.Random) -> str:
    """Return a word: a label, a topic, or an invented one."""
    return rng.choice(
        [rng.choice(words.LABELS), rng.choice(words.TOPICS), words.invented_word(rng), words.invented_word(rng)]
    )


def contact(rng: random.Random) -> str:
    """Return a contact's name as a result writes it."""
    name = words.person(rng).title()
    return f"{rng.choice(words.ACCENTED)} {name}" if rng.random() < 0.07 else name


def _plain_text(rng: random.Random) -> str:
    """Return everyday words in no order, with commas and full stops between them."""
    out: list[str] = []
    for _ in range(rng.randint(2, 16)):
        word = rng.choice([rng.choice(words.PLAIN), rng.choice(words.FILLER), rng.choice(words.VERBS), any_word(rng)])
        if rng.random() < 0.08:
            word = rng.choice([contact(rng), number(rng), rng.choice(words.MONTHS).title(), rng.choice(_ORDINALS)])
        if out and out[-1][-1] in ".!?":
            word = word[:1].upper() + word[1:]
        out.append(word + rng.choice([""] * 12 + [",", ",", ".", ":", "!", "?"]))
    return " ".join(out).rstrip(",.:!? ")


def any_sentence(rng: random.Random) -> str:
    """Return a sentence of no fixed meaning, to be copied."""
    if rng.random() < 0.3:
        text = _plain_text(rng)
    elif rng.random() < 0.4:
        kinds = rng.choice([[any_word, number], [contact], [contact, phone_number], [phone_number], [number, contact]])
        text = " ".join(rng.choice(kinds)(rng) for _ in range(rng.randint(2, 9 if len(kinds) > 1 else 4)))
    else:
        text = rng.choice(_CLAUSES)
        while "{" in text:
            slot = text[text.index("{") + 1 : text.index("}")]
            value = _SLOTS[slot](rng)
            text = text.replace("{" + slot + "}", value, 1)
    return text[:1].upper() + text[1:] + rng.choice([".", ".", ".", "!", "?"])


_SLOTS: dict[str, Callable[[random.Random], str]] = {
    "w": any_word,
    "v": lambda rng: rng.choice(words.VERBS),
    "o": lambda rng: rng.choice(_ORDINALS),
    "n": number,
    "phone": phone_number,
    "clock": clock,
    "P": contact,
    "Q": contact,
    "day": lambda rng: rng.choice(words.WEEKDAYS).title(),
    "month": lambda rng: rng.choice(words.MONTHS).title(),
    "nth": lambda rng: str(rng.randint(1, 31)),
}
