"""Speech the assistant has no answer to: questions about everything else, and what a recogniser makes of noise."""

import random

from . import grammar, phrasings, words
from .grammar import listed

_COMMAND_WORDS = listed("""
    timer timers number set cancel minutes hours seconds find name story plus minus times clock time
""")


def gibberish(rng: random.Random) -> str:
    """Return words without meaning, now and then with a stray word of a command."""
    pools = [words.FILLER, words.PLAIN, words.TOPICS, words.FILLER, words.PLAIN]
    out = [rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 9))]
    if rng.random() < 0.2:
        out[rng.randrange(len(out))] = words.invented_word(rng)
    if len(out) > 3 and rng.random() < 0.15:
        out[rng.randrange(len(out))] = rng.choice(_COMMAND_WORDS)
    return " ".join(out)


def _thing(rng: random.Random) -> str:
    return f"{rng.choice(['the', 'a', 'my', 'your', 'some', 'this', 'that', 'our', ''])} {topic(rng)}"


_QUESTIONS = listed("what who where when why how which is does did can will was are should has how-many how-much")
_AUXILIARIES = listed("is are does did do can will was has should would were")
_ASKING = ["", "", "can you", "please", "i want to", "we have to", "he will"]


def question(rng: random.Random) -> str:
    """Return a question about anything."""
    end = rng.choice([f"{rng.choice(words.VERBS)} {_thing(rng)}", rng.choice(words.PLAIN), f"of {_thing(rng)}", ""])
    start = rng.choice(_QUESTIONS).replace("-", " ")
    return grammar.tidy(f"{start} {rng.choice([*_AUXILIARIES, ''])} {_thing(rng)} {end}")


def order(rng: random.Random) -> str:
    """Return a request for anything."""
    end = rng.choice(["", "", "please", "in {thing}", "for {thing}", "to {thing}", "today", "for me"])
    text = f"{rng.choice(_ASKING)} {rng.choice(words.VERBS)} {_thing(rng)} {end}"
    return grammar.tidy(text.replace("{thing}", _thing(rng)))


def topic(rng: random.Random) -> str:
    """Return something to ask about: a listed topic, a plain word, or an invented one."""
    return rng.choice(
        [rng.choice(words.TOPICS), rng.choice(words.TOPICS), rng.choice(words.PLAIN), words.invented_word(rng)]
    )


def phrase(rng: random.Random) -> str:
    """Return one thing the assistant cannot do."""
    kind = rng.random()
    if kind < 0.22:
        return gibberish(rng)
    if kind < 0.45:
        return question(rng) if rng.random() < 0.5 else order(rng)
    text = grammar.expand(rng.choice(phrasings.UNKNOWN), rng)
    while "{" in text:
        slot = grammar.slots(text)[0]
        value = {
            "topic": topic,
            "person": words.person,
            "weekday": lambda r: r.choice(words.WEEKDAYS),
            "number": lambda r: words.number_words(r.randint(0, 60)),
        }[slot](rng)
        text = text.replace("{" + slot + "}", value, 1)
    return text
