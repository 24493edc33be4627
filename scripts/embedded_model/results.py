"""Tool results: JSON that always carries "say", a sentence the assistant repeats.

The sentences vary far more than the real tools' do, so that the network learns to copy and not to recite.
"""

import json
import random

from . import words
from .sentences import any_sentence, any_word, clock, contact, date, number, phone_number
from .tools import ToolCall


def _timer_name(rng: random.Random, label: str | None) -> str:
    return f"{label} timer" if label else rng.choice(["timer", "timer", f"{any_word(rng)} timer"])


def running(rng: random.Random) -> str:
    """Return a running timer as the assistant names it: "tea timer with four minutes left"."""
    length = words.number_words(rng.randint(1, 60))
    name = rng.choice([any_word(rng), f"{any_word(rng)} {any_word(rng)}", f"{length} minute"])
    return f"{name} timer with {_length(rng)} left"


def _length(rng: random.Random) -> str:
    unit = rng.choice(["minutes", "minutes", "seconds", "hours"])
    text = f"{words.number_words(rng.randint(2, 59))} {unit}" if rng.random() < 0.85 else f"one {unit[:-1]}"
    if rng.random() < 0.35:
        text += f" and {words.number_words(rng.randint(2, 59))} seconds"
    return text


def _left(rng: random.Random) -> str:
    unit = rng.choice(["minutes", "minutes", "seconds", "hours"])
    more = f" and {number(rng)} seconds" if rng.random() < 0.4 else ""
    return f"{number(rng)} {unit}{more}"


def say(call: ToolCall, rng: random.Random) -> str:
    """Return the sentence that `call`'s result asks the assistant to speak."""
    if rng.random() < 0.35:
        return any_sentence(rng)
    name, arguments = call["name"], call["arguments"]
    label = arguments.get("label")
    match name:
        case "get_time":
            text = rng.choice(["It is {}.", "It's {} now.", "The time is {}.", "It is now {}."]).format(clock(rng))
        case "get_date":
            text = rng.choice(["Today is {}.", "It is {}.", "It's {}."]).format(date(rng))
        case "set_timer":
            length = f"{rng.choice([str(arguments['amount']), number(rng)])} {arguments['unit']}"
            timer = _timer_name(rng, label)
            text = rng.choice(
                [f"Your {timer} is set for {length}.", f"Okay, {timer} for {length}.", f"I set a {timer} for {length}.",
                 f"Okay, {length} for the {label or any_word(rng)}.", f"Okay, {length}.",
                 f"{length} on the {timer}, starting now.", f"The {timer} rings in {length}."]
            )  # fmt: skip
        case "list_timers":
            first, second = _timer_name(rng, None), _timer_name(rng, None)
            text = rng.choice(
                ["You have no timers.", "No timer is running.", f"You have one timer: {running(rng)}.",
                 f"You have two timers: {running(rng)} and {running(rng)}.",
                 f"You have three timers: {running(rng)}, {running(rng)} and {running(rng)}.",
                 f"Your {first} has {_left(rng)} left.",
                 f"You have one timer: {first}, {_left(rng)} left.", f"There are {_left(rng)} left on the {first}.",
                 f"You have two timers: {first} with {_left(rng)} left, and {second} with {_left(rng)} left."]
            )  # fmt: skip
        case "cancel_timer":
            timer = _timer_name(rng, label)
            text = rng.choice(
                [f"Your {timer} is cancelled.", f"I cancelled the {timer}.", "You have no timers.",
                 f"There is no {timer}.", f"I stopped {number(rng)} timers.", f"I could not find a {timer}."]
            )  # fmt: skip
        case "find_contact":
            person = rng.choice([str(arguments["name"]).title(), contact(rng)])
            text = rng.choice(
                [f"{person} is at {phone_number(rng)}.", f"{person} is at {phone_number(rng)}.",
                 f"{person}'s number is {phone_number(rng)}.", f"The number of {person} is {phone_number(rng)}.",
                 f"I could not find {person} in your contacts.", f"{person}: {phone_number(rng)}.",
                 f"There are two people called {person}.", f"I found {person}, the number is {phone_number(rng)}."]
            )  # fmt: skip
        case "calculate":
            text = rng.choice(
                ["That is {}.", "The answer is {}.", "It makes {}.", "You cannot divide by zero."]
            ).format(number(rng))
            if rng.random() < 0.4:
                verb = rng.choice(["is", "is about"])
                text = f"{number(rng)} {arguments['operator']} {number(rng)} {verb} {number(rng)}."
        case _:
            text = rng.choice(["Goodbye.", "Goodbye!", "Bye, talk to you soon.", "I am hanging up now."])
    return text[:1].upper() + text[1:]


def result(call: ToolCall, rng: random.Random, sentence: str | None = None) -> tuple[str, str]:
    """Return a tool result's JSON for `call`, and its "say" (`sentence`, where one is given)."""
    sentence = say(call, rng) if sentence is None else sentence
    fields: dict[str, object] = {}
    if rng.random() < 0.15:
        fields["error"] = rng.choice(["no such contact", "no such timer", "several timers", "bad_request", "cancelled"])
        if rng.random() < 0.5:  # a code that is not to be said, of any look
            code = [rng.choice(["no", "bad", "not", any_word(rng)]), *(any_word(rng) for _ in range(rng.randint(0, 2)))]
            fields["error"] = rng.choice([" ", "_", "_", "-"]).join(code)
    else:
        fields["ok"] = True
    if rng.random() < 0.5:
        extras: dict[str, object] = {
            "id": rng.randint(1, 40),
            "value": rng.randint(0, 999),
            "seconds": rng.randint(1, 7200),
        }
        extras |= {"result": round(rng.uniform(0, 400), rng.randint(0, 3)), "phone": str(rng.randint(100, 10**9))}
        extras |= {"date": f"20{rng.randint(24, 39)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"}
        extras |= {"name": words.person(rng).title(), "label": any_word(rng), "time": clock(rng)}
        for key in rng.sample(list(extras), rng.randint(1, 2)):
            fields[key] = extras[key]
    fields["say"] = sentence
    if rng.random() < 0.1:
        keys = rng.sample(list(fields), len(fields))
        fields = {key: fields[key] for key in keys}
    return json.dumps(fields, ensure_ascii=False), sentence
