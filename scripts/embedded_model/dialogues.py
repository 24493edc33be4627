"""Write conversations: the intents of a household call, chained, with tools and interruptions.

`Writer(random.Random(seed)).conversation()` returns one conversation; the same seed writes the same ones.
"""

import random
import re
from typing import Any

from . import grammar, noise, phrasings, quantities, replies, results, sentences, unknown, words
from .tools import SYSTEM, Message, ToolCall

_SENTENCE = re.compile(r"(?<=[.!?]) ")
_CUT = "—"
# How often each turn comes: tools and refusals are the hard part.
# fmt: off
_TURNS = {
    "greeting": 5, "how_are_you": 3, "who_are_you": 7, "capabilities": 3, "time": 4, "date": 4, "set_timer": 8,
    "set_timer_label": 10, "set_timer_asked": 2, "list_timers": 8, "cancel_timer": 6, "cancel_timer_label": 6,
    "find_contact": 18, "find_contact_asked": 3, "calculate": 11, "my_name": 8, "set_reminder": 2,
    "ask_my_name": 8, "thanks": 3, "feeling": 2, "short_answer": 3, "repeat": 4, "stop": 4, "story": 4,
    "about_you": 2, "explain": 2, "joke": 2, "carry_on": 5, "unknown": 28,
}
# fmt: on


class Writer:
    """Writes conversations from one random source."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._start()

    def _start(self) -> None:
        self._messages: list[Message] = []
        self._assistant = words.assistant(self._rng)
        self._is_typed = self._rng.random() < 0.12
        self._caller: str | None = None
        self._unheard = ""  # words of the caller whose answer nobody heard
        self._last = ""  # what the assistant said last, in full
        self._rest = ""  # what a story that was cut had still to say
        self._stories = self._rng.sample(list(replies.STORIES), len(replies.STORIES))
        self._jokes = self._rng.sample(replies.JOKES, len(replies.JOKES))

    def conversation(self) -> list[Message]:
        """Return one conversation of one to six exchanges, the system message first."""
        self._start()
        self._messages.append({"role": "system", "content": SYSTEM.format(name=self._shown()) + self._facts()})
        if self._rng.random() < 0.4:  # the line greets before the caller speaks
            greetings = [*replies.CALL_GREETING, sentences.any_sentence(self._rng)]
            self._announce(self._rng.choice(greetings).replace("{name}", self._shown()))
        turns, weights = list(_TURNS), list(_TURNS.values())
        for _ in range(self._rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 6, 7])):
            getattr(self, "_" + self._rng.choices(turns, weights)[0])()
            if self._rng.random() < 0.15:
                self._interrupt()
            elif self._rng.random() < 0.04:
                self._announce(f"Your {self._label()} timer is done.")
        if self._rng.random() < 0.12:
            self._goodbye()
        return self._messages

    # --- pieces -----------------------------------------------------------------------------------

    def _user(self, phrase: str, question: bool = False) -> None:
        if self._is_typed:
            text = noise.typed(phrase, self._rng, question)
        else:
            text = noise.heard(phrase, self._rng, self._assistant)
        if self._unheard:
            text, self._unheard = f"{self._unheard} {text}", ""
        self._messages.append({"role": "user", "content": text})

    def _ask(self, templates: list[str], question: bool = False, **values: str) -> None:
        values.setdefault("assistant", self._assistant)
        values.setdefault("weekday", self._rng.choice(words.WEEKDAYS))
        values.setdefault("label", self._label())
        values.setdefault("animal", self._rng.choice(phrasings.ANIMALS))
        self._user(grammar.fill(grammar.expand(self._rng.choice(templates), self._rng), values), question)

    def _reply(self, text: str) -> None:
        self._last, self._rest = text, ""
        self._messages.append({"role": "assistant", "content": text})

    def _answer(self, texts: list[str]) -> None:
        self._reply(self._rng.choice(texts).replace("{name}", self._shown()))

    def _shown(self) -> str:
        return self._assistant if self._assistant == "her" else self._assistant.title()

    def _facts(self) -> str:
        """What a shortened history leaves behind in the system message, now and then."""
        facts = ""
        if self._rng.random() < 0.15:
            self._caller = words.person(self._rng).split(" ")[0].capitalize()
            facts += f" The caller's name is {self._caller}."
        if self._rng.random() < 0.05:
            facts += f" They spoke of {sentences.contact(self._rng)}, {sentences.contact(self._rng)}."
        if self._rng.random() < 0.06:
            facts += f" Running: {results.running(self._rng)}."
        return facts

    def _announce(self, text: str) -> None:
        """Say something that no network wrote: the line's greeting, a timer that is due."""
        self._reply(text)
        self._messages[-1]["learn"] = False

    def _use(self, name: str, /, **arguments: Any) -> None:
        self._call({"name": name, "arguments": arguments})

    def _call(self, call: ToolCall, content: str = "", say: str | None = None) -> None:
        self._messages.append({"role": "assistant", "content": content, "tool_call": call})
        text, sentence = results.result(call, self._rng, say)
        self._messages.append({"role": "tool", "content": text})
        self._reply(sentence)

    def _label(self) -> str:
        label = self._rng.choice(words.LABELS) if self._rng.random() < 0.75 else words.invented_word(self._rng)
        if self._rng.random() < 0.06:
            label += " " + self._rng.choice(words.LABELS)
        return label.title() if self._is_typed and self._rng.random() < 0.15 else label

    def _person(self) -> str:
        name = words.person(self._rng)
        return name.title() if self._is_typed and self._rng.random() < 0.7 else name

    def _interrupt(self) -> None:
        """Cut the last reply at a word, as the caller who spoke over it heard it."""
        last = self._messages[-1]
        heard = last["content"].split(" ")
        is_reply = last["role"] == "assistant" and "tool_call" not in last and last.get("learn", True)
        if not is_reply or len(heard) < 3:
            return
        at = self._rng.randint(1, len(heard) - 1)
        if len(self._last) > 150:  # a long answer: it goes on from the sentence that was cut
            sentences, words_before = _SENTENCE.split(last["content"]), 0
            for index, sentence in enumerate(sentences):
                words_before += len(sentence.split(" "))
                if words_before > at:
                    self._rest = " ".join(sentences[index:])
                    break
        if self._rng.random() < 0.12:  # nothing of it was heard, so the history has nothing
            self._messages.pop()
            if self._messages[-1]["role"] == "user":
                self._unheard = self._messages.pop()["content"]
            self._rest = ""
            return
        last["content"], last["learn"] = " ".join(heard[:at]) + _CUT, False
        if self._rng.random() < 0.3:
            self._user(grammar.expand(self._rng.choice(phrasings.STOP), self._rng))
            rest = self._rest
            self._answer(replies.STOP)
            self._rest = rest

    # --- intents ----------------------------------------------------------------------------------

    def _greeting(self) -> None:
        self._ask(phrasings.GREETING)
        self._answer(replies.GREETING)

    def _how_are_you(self) -> None:
        self._ask(phrasings.HOW_ARE_YOU, True)
        self._answer(replies.HOW_ARE_YOU)
        if self._rng.random() < 0.4:
            self._feeling()

    def _feeling(self) -> None:
        good = self._rng.random() < 0.5
        self._ask(phrasings.FEELING_GOOD if good else phrasings.FEELING_BAD)
        self._answer(replies.FEELING_GOOD if good else replies.FEELING_BAD)

    def _who_are_you(self) -> None:
        self._ask(phrasings.WHO_ARE_YOU, True)
        self._answer(replies.WHO_ARE_YOU)

    def _capabilities(self) -> None:
        self._ask(phrasings.CAPABILITIES, True)
        self._answer(replies.CAPABILITIES)

    def _time(self) -> None:
        self._ask(phrasings.TIME, True)
        self._use("get_time")

    def _date(self) -> None:
        self._ask(phrasings.DATE, True)
        self._use("get_date")

    def _set_timer(self) -> None:
        length = quantities.duration(self._rng, self._is_typed)
        self._ask(phrasings.SET_TIMER, duration=length.spoken, duration_adjective=length.adjective)
        self._use("set_timer", amount=length.amount, unit=length.unit)

    def _set_timer_label(self) -> None:
        length, label = quantities.duration(self._rng, self._is_typed), self._label()
        self._ask(phrasings.SET_TIMER_LABEL, label=label, duration=length.spoken, duration_adjective=length.adjective)
        self._use("set_timer", amount=length.amount, unit=length.unit, label=label)

    def _set_timer_asked(self) -> None:
        label = self._label() if self._rng.random() < 0.4 else None
        self._ask(phrasings.SET_TIMER_BARE_LABEL if label else phrasings.SET_TIMER_BARE, label=label or "")
        self._answer(replies.HOW_LONG)
        if self._rng.random() < 0.12:
            self._stop()
            return
        length = quantities.duration(self._rng, self._is_typed)
        self._ask(["[for|make it|] {duration}"], duration=length.spoken)
        self._use("set_timer", amount=length.amount, unit=length.unit, **({"label": label} if label else {}))

    def _set_reminder(self) -> None:
        length = quantities.duration(self._rng, self._is_typed)
        chore = grammar.expand(phrasings.CHORES, self._rng).replace("{thing}", self._label())
        self._ask(phrasings.SET_REMINDER, duration=length.spoken, chore=chore)
        self._use("set_timer", amount=length.amount, unit=length.unit, label=chore)

    def _list_timers(self) -> None:
        self._ask(phrasings.LIST_TIMERS, True)
        self._use("list_timers")

    def _cancel_timer(self) -> None:
        draw = self._rng.random()
        if draw < 0.3:
            self._ask(phrasings.CANCEL_ALL)
            self._use("cancel_timer", label="all")
            return
        self._ask(phrasings.CANCEL_TIMER)
        if draw < 0.7:
            self._use("cancel_timer")
            return
        label, other = self._rng.sample([self._label(), self._label()], 2)
        say = f"You have the {label} timer and the {other} timer. Which one shall I cancel?"
        self._call({"name": "cancel_timer", "arguments": {}}, say=say)
        self._ask(["[the|cancel|it is|] [the|] {label} [one|timer|] [please|]"], label=label)
        self._use("cancel_timer", label=label)

    def _cancel_timer_label(self) -> None:
        label = self._label()
        self._ask(phrasings.CANCEL_TIMER_LABEL, label=label)
        self._use("cancel_timer", label=label)

    def _find_contact(self) -> None:
        relative = self._rng.random() < 0.12
        spoken = self._rng.choice(words.RELATIVES) if relative else self._person()
        possessive = spoken + ("'s" if self._rng.random() < 0.6 else "s")
        template = grammar.expand(self._rng.choice(phrasings.FIND_CONTACT), self._rng)
        self._ask([template], True, person=spoken, person_possessive=possessive)
        if relative or self._is_typed or self._rng.random() < 0.88:
            self._use("find_contact", name=spoken)
            return
        first, second = (f"{spoken.split(' ')[0]} {words.person(self._rng).split(' ')[0]}" for _ in range(2))
        say = f"I found {first.title()} and {second.title()}. Which one do you mean?"
        self._call({"name": "find_contact", "arguments": {"name": spoken}}, say=say)
        self._ask(["[i mean|it is|the number of|] {person}"], person=first)
        self._use("find_contact", name=first)

    def _find_contact_asked(self) -> None:
        self._ask(phrasings.FIND_CONTACT_BARE)
        self._answer(replies.WHOSE_NUMBER)
        person = self._person()
        self._ask(["[the number of|it is|] {person}", "{person}"], person=person)
        self._use("find_contact", name=person)

    def _calculate(self) -> None:
        phrase, arguments = quantities.calculation(self._rng, self._is_typed)
        self._user(phrase, True)
        self._use("calculate", **arguments)

    def _my_name(self) -> None:
        self._caller = self._person()
        self._ask(phrasings.MY_NAME, person=self._caller)
        self._answer([text.replace("{person}", self._caller) for text in replies.MY_NAME])

    def _ask_my_name(self) -> None:
        if self._caller is None and self._rng.random() < 0.5:
            self._my_name()
        self._ask(phrasings.ASK_MY_NAME, True)
        if self._caller is None:
            self._answer(replies.UNKNOWN_NAME)
        else:
            self._answer([text.replace("{person}", self._caller) for text in replies.KNOWN_NAME])

    def _thanks(self) -> None:
        self._ask(phrasings.THANKS)
        self._answer(replies.THANKS)

    def _short_answer(self) -> None:
        templates, texts = self._rng.choice(
            [(phrasings.YES, replies.YES), (phrasings.NO, replies.NO), (phrasings.OKAY, replies.OKAY)]
        )
        self._ask(templates)
        self._answer(texts)

    def _repeat(self) -> None:
        last, rest = self._last, self._rest
        self._ask(phrasings.REPEAT, True)
        if not last:
            self._answer(replies.NOTHING_SAID)
        else:
            self._reply(rest or last)

    def _stop(self) -> None:
        self._ask(phrasings.STOP)
        self._answer(replies.STOP)

    def _story(self, goes_on: bool = True) -> None:
        about = [(subject, key) for subject, key in replies.STORY_ABOUT.items() if key in self._stories]
        if about and self._rng.random() < 0.3:
            subject, key = self._rng.choice(about)
            self._ask(["[tell me|i want|read me] a story about [a|the|] {subject}"], subject=subject)
            self._stories.remove(key)
        else:
            self._ask(phrasings.STORY)
            key = self._stories.pop() if self._stories else self._rng.choice(list(replies.STORIES))
        self._reply(replies.STORIES[key])
        if self._rng.random() < (0.6 if goes_on else 0.95):
            self._interrupt()
            if goes_on and self._rest and self._rng.random() < 0.35:
                self._carry_on()

    def _about_you(self) -> None:
        self._ask(phrasings.ABOUT_YOU)
        self._answer(replies.ABOUT_YOU)

    def _explain(self) -> None:
        self._ask(phrasings.EXPLAIN)
        self._answer(replies.EXPLAIN)

    def _joke(self) -> None:
        self._ask(phrasings.JOKE)
        self._reply(self._jokes.pop() if self._jokes else self._rng.choice(replies.JOKES))

    def _carry_on(self) -> None:
        if not self._rest and self._rng.random() < 0.7:  # else "nothing to go on with" is all that is learnt
            self._story(goes_on=False)
        rest = self._rest
        self._ask(phrasings.CONTINUE)
        if rest:
            self._reply(rest)
        else:
            self._answer(replies.NOTHING_TO_CONTINUE)

    def _unknown(self) -> None:
        self._user(unknown.phrase(self._rng), self._rng.random() < 0.5)
        self._answer(replies.REFUSAL)

    def _goodbye(self) -> None:
        self._ask(phrasings.GOODBYE)
        self._call({"name": "hang_up", "arguments": {}}, replies.GOODBYE[0])
