"""Write `config/domain-phrases.txt`, the text the recogniser's domain language model is built from.

Usage: python scripts/embedded_model/write_domain_phrases.py [--out config/domain-phrases.txt] [--seed 7]

Every phrasing the embedded model is trained on appears, expanded with a sample of its slots, and
every number, label, first name and weekday appears at least once. Edit the written file freely:
running this again overwrites it.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from embedded_model import grammar, phrasings, words

HEADER = """\
# What this household says to its assistant, one phrase a line.
# her-os builds the recogniser's language model from this file, so a word that is not
# here is hard for the assistant to hear. Add your names, labels and phrases anywhere:
# lower case, no punctuation, numbers in words ("twenty five"). `#` starts a comment.
# A phrase that you say often may appear more than once.
"""
DURATIONS = [f"{words.number_words(n)} minute{'s' if n > 1 else ''}" for n in range(1, 61)]
DURATIONS += [f"{words.number_words(n)} hour{'s' if n > 1 else ''}" for n in range(1, 13)]
DURATIONS += [f"{words.number_words(n)} seconds" for n in (5, 10, 15, 20, 30, 40, 45, 50, 60, 90)]
DURATIONS += ["half an hour", "an hour", "a minute", "an hour and a half", "a quarter of an hour"]
ADJECTIVES = [f"{words.number_words(n)} minute" for n in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 45, 60)]
ADJECTIVES += ["one hour", "two hour", "thirty second", "half hour"]
SECTIONS: list[tuple[str, list[str], int]] = [
    ("Greetings", phrasings.GREETING + phrasings.HOW_ARE_YOU, 45),
    ("The assistant", phrasings.WHO_ARE_YOU + phrasings.CAPABILITIES + phrasings.ABOUT_YOU + phrasings.EXPLAIN, 80),
    ("Time and date", phrasings.TIME + phrasings.DATE, 100),
    ("Timers", phrasings.SET_TIMER, 150),
    ("Timers with a label", phrasings.SET_TIMER_LABEL, 145),
    ("Reminders", phrasings.SET_REMINDER, 30),
    ("Asking about timers", phrasings.LIST_TIMERS, 70),
    ("Cancelling timers", phrasings.CANCEL_TIMER + phrasings.CANCEL_ALL + phrasings.CANCEL_TIMER_LABEL, 110),
    ("Contacts", phrasings.FIND_CONTACT, 190),
    ("Sums", phrasings.CALCULATE, 110),
    ("The caller's name", phrasings.MY_NAME + phrasings.ASK_MY_NAME, 90),
    ("Small talk", phrasings.THANKS + phrasings.FEELING_GOOD + phrasings.FEELING_BAD, 70),
    ("Short answers", phrasings.YES + phrasings.NO + phrasings.OKAY + phrasings.REPEAT + phrasings.CONTINUE, 80),
    ("Stopping and goodbye", phrasings.STOP + phrasings.GOODBYE, 90),
    ("Stories and jokes", phrasings.STORY + phrasings.JOKE, 40),
]


class Deck:
    """Deal the values of one slot in shuffled order, so that each appears before any appears twice."""

    def __init__(self, values: list[str], rng: random.Random) -> None:
        self._values, self._rng, self._left = values, rng, list[str]()

    def deal(self) -> str:
        """Return the next value."""
        if not self._left:
            self._left = self._rng.sample(self._values, len(self._values))
        return self._left.pop()


def lines(seed: int) -> list[str]:
    """Return the file's lines for `seed`: the header, then each section's phrases without repetition."""
    rng = random.Random(seed)
    people = words.FIRST_NAMES + words.RELATIVES
    number = Deck([words.number_words(n) for n in range(101)], rng)
    decks = {
        "duration": Deck(DURATIONS, rng), "duration_adjective": Deck(ADJECTIVES, rng),
        "label": Deck(words.LABELS, rng), "person": Deck(people, rng),
        "person_possessive": Deck([name + "s" for name in words.FIRST_NAMES], rng),
        "left": number, "right": number, "operator": Deck(["plus", "minus", "times", "divided by"], rng),
        "assistant": Deck(["her", "her", "annie"], rng), "weekday": Deck(words.WEEKDAYS, rng),
        "chore": Deck([c.replace("{thing}", rng.choice(words.LABELS)) for c in grammar.every(phrasings.CHORES)], rng),
        "animal": Deck(phrasings.ANIMALS, rng),
    }  # fmt: skip
    out = [HEADER]
    for title, templates, size in SECTIONS:
        pools = [rng.sample(pool := list(dict.fromkeys(grammar.every(t))), len(pool)) for t in templates]
        seen: dict[str, None] = {}
        for turn in range(4 * size):
            pool = pools[turn % len(pools)]
            template = pool[turn // len(pools) % len(pool)]
            seen[grammar.fill(template, {slot: decks[slot].deal() for slot in grammar.slots(template)})] = None
            if len(seen) >= size:
                break
        out += [f"# {title}", *seen, ""]
    singles = ["# Single words", *words.WEEKDAYS, *words.MONTHS, *(words.number_words(n) for n in range(61))]
    singles += [f"{words.number_words(n)} plus {words.number_words(n + 7)}" for n in (100, 150, 275, 360, 1000)]
    said = set(" ".join(out).split())
    out += ["# Names not yet named", *(f"find {name}" for name in words.FIRST_NAMES if name not in said), ""]
    return [line.replace(" a eight", " an eight").replace(" a eleven", " an eleven") for line in out + singles]


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("config/domain-phrases.txt"))
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    text = lines(options.seed)
    options.out.write_text("\n".join(text) + "\n")
    print(f"{options.out}: {sum(1 for line in text if line and not line.startswith('#'))} phrases")


if __name__ == "__main__":
    main()
