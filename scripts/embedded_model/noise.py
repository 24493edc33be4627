"""What a speech recogniser, or a hurried typist, makes of a phrase.

Function words are dropped, swapped and inserted; the words that carry the meaning stay.
"""

import random
import re

from .grammar import listed

_FUNCTION = set(
    listed("""
    a an the to for of is it me my in on at and you can could do that this are am i please what be will with
""")
)
_CONFUSED = {
    "a": ["the", "uh", "of", "her"], "an": ["and", "a", "in"], "the": ["a", "that", "of", "them"],
    "to": ["two", "the", "do", "too"], "for": ["four", "of", "from", "or", "far"], "of": ["a", "the", "for"],
    "is": ["it", "as", "his", "was"], "it": ["is", "that", "at"], "me": ["my", "we", "the"], "my": ["me", "the", "by"],
    "in": ["and", "an", "on"], "on": ["in", "and", "an"], "and": ["in", "an", "end"], "you": ["your", "do", "we"],
    "can": ["could", "and", "come"], "could": ["can", "good"], "do": ["to", "you"], "that": ["the", "it"],
    "are": ["our", "or", "is"], "what": ["but", "that", "watch", "one"], "i": ["a", "and"], "will": ["we", "well"],
    "set": ["said", "sit", "sat"], "timer": ["time", "timers", "timer is"], "timers": ["timer", "times"],
    "minutes": ["minute", "minutes and"], "find": ["fine", "finds"], "tell": ["till", "tells"], "cancel": ["cancels"],
    "number": ["numbers"], "start": ["starts", "started"], "hello": ["hallo", "yellow"], "times": ["time"],
    "called": ["call"], "stop": ["stopped", "stop a"], "thank": ["think"], "thanks": ["thank"],
}  # fmt: skip
_REQUESTS = """can you|could you|would you|will you|can you please|could you please|would you please|please
i want you to|i need you to|i would like you to|go ahead and|just|now|you should|you can|you may|let us|quickly|then
do|may i ask you to|i ask you to|be so kind and|you must|okay now|i would like to|i want to|first"""
_REQUESTS = _REQUESTS.replace("\n", "|").split("|")
_IMPERATIVES = set(
    listed("""
    set start make create put give begin add run cancel stop delete remove end clear find look search get tell say
    show list read check remind wake call ring phone calculate compute work multiply divide subtract take explain
    describe repeat count play turn switch order send open close buy book translate spell remember note write
""")
)
_INSERTED = ["uh", "um", "a", "the", "and", "of", "to", "it", "uh", "so"]
_LEADS = ["uh", "um", "please", "hey", "okay", "so", "well", "and", "oh", "hello", "yes", "now", "the", "hi", "a"]
_TAILS = [
    "for me",
    "for me please",
    "right now",
    "if you can",
    "then",
    "again",
    "will you",
    "if you please",
    "today",
    "please",
    "please",
    "now",
    "thank you",
    "thanks",
    "uh",
    "okay",
    "the",
    "a",
]
ALL_WORDS = [*_FUNCTION, *_CONFUSED, *_LEADS, *_TAILS, *_REQUESTS]


def misheard(phrase: str, rng: random.Random, rate: float) -> str:
    """Return `phrase` with about `rate` of its function words wrong, and now and then one other word."""
    out: list[str] = []
    for word in phrase.split():
        draw = rng.random()
        if word in _FUNCTION and draw < rate * 0.45:
            continue
        if word in _CONFUSED and draw < rate * (0.9 if word in _FUNCTION else 0.3):
            out.append(rng.choice(_CONFUSED[word]))
        else:
            out.append(word)
        if rng.random() < rate * 0.12:
            out.append(rng.choice(_INSERTED))
    return " ".join(out) if out else phrase


def requested(phrase: str, rng: random.Random) -> str:
    """Return an imperative as a polite request, one time in four; anything else as it is."""
    if phrase.split(" ")[0] in _IMPERATIVES and rng.random() < 0.25:
        return f"{rng.choice(_REQUESTS)} {phrase}"
    return phrase


def heard(phrase: str, rng: random.Random, assistant: str) -> str:
    """Return `phrase` as a caller's words reach the model: often clean, else with fillers and errors."""
    phrase = requested(phrase, rng)
    rate = rng.choice([0.0, 0.0, 0.0, 0.1, 0.2, 0.35])
    text = misheard(phrase, rng, rate)
    if rng.random() < 0.2:
        text = f"{rng.choice([*_LEADS, assistant, 'hey ' + assistant])} {text}"
    if rng.random() < 0.12:
        text = f"{text} {rng.choice([*_TAILS, assistant])}"
    return text


def typed(phrase: str, rng: random.Random, question: bool) -> str:
    """Return `phrase` as someone types it: a capital, often punctuation."""
    text = re.sub(r"\bi\b", "I", phrase)
    if rng.random() < 0.8:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.7:
        text += "?" if question else rng.choice([".", ".", "!"])
    return text
