"""Whether the words so far could be all that the caller wants to say. Pure, English, no model.

Looks at the last words only as far as they decide: a word that needs another after it, a question whose subject has
come but not its verb, a request whose number or unit is missing. In doubt an utterance is finished: an answer that
comes too soon is withdrawn when the caller goes on, one that comes late is always late.
"""

from __future__ import annotations

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_GOES_ON = _set(
    "a an the and or but so because if when while to for of at by with from about than as my your his our their "
    "its i we he she they who what which where how um uh er set add find tell give plus minus times divided let "
    "let's i'd i'm i'll i've you're we're it's that's what's is are was were am be could would should will shall "
    "may might does did can has have had want need like not into any some every another next very really call "
    "start cancel please remind wake between around until both one's don't can't won't whats "
    "turn switch put bring spell these those going"
)
"""Words after which an English speaker goes on, unless a rule below says otherwise."""
_DETACHED = _set("on in off up down over out")
"""End "turn it on", and go on in "what is on"."""
_TURNING = _set("turn switch put hang come go pick")
_SUBJECTS = _set("you i we it he she they that there")
_TAKES_THIS = _set("do stop like want understand hear forget leave read play about with of for like know see on off")
_WANTS_A_PLACE = re.compile(
    r"^(please |can you |could you |would you |i need to )*(put|add)\b(?!.*\b(to|on|in|into|down|away|off)\b)"
)
"""What is put or added must still be told its place."""
_TO_BE = _set("is are was were am")
_AUXILIARIES = _TO_BE | _set("can could would should will shall may might do does did have has had")
_JOINING = _set("if and but when because so that think")
_NEED_AN_OBJECT = _set("tell give call remind wake show send let play get find")
_NUMBERS = _set(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred"
)
_OPERATORS = _set("plus minus times divided multiplied by over")
_FULL_ANSWERS = frozenset({"please", "i am", "i do", "i did", "yes i am", "yes i do", "i can", "i will", "cancel"})
_OPEN_REQUEST = re.compile(
    r"\b(set|start|make|create|put) (me )?(a|an|the|another|my) ([a-z]+ )?(timer|alarm|reminder)$"
    r"|\b(what|which|find|give me|tell me|know|is|got|have|want|need) (the|a) ((phone|telephone|mobile) )?number$"
    r"|^(my|the|what|which|phone|could|can) ?(name|time|day|phone|number|mobile|telephone)?$"
    r"|\b(tell me|give me|i want|say) (a|an|another|some) (long|short|nice|good|new|funny|little)$"
    r"|\b(how (much|many|long|old|far|about)|a (little|few|couple)|do you|are you|my (name|wife|mother|father)'s)$"
)
_INDIRECT = re.compile(
    r"\b(who|what|which|how|when|where|all|things)\b.* (you|it|i|my name) (is|are|am|can do|do)$"
    r"|\b(what is|who is|what's|is) (there|up)$|\b(timers?|alarms?|lights?|music) (off|on)$"
    r"|\b(how|where|who|what).* going$"
    r"|\bwho am i$|\b(what|how many) [a-z]+ (do|are|did) [a-z]+ (have|set|need)$|^the (time|date)$"
)
"""Whole although the last word is one of `_GOES_ON`: "tell me what time it is"."""
_TIMED = re.compile(r"\b(timer|alarm|remind|wake|minutes|for|in|at)\b")


def sounds_finished(text: str) -> bool:
    """Whether the words so far could be a complete utterance. No words yet: not finished."""
    words = text.lower().strip(" .?!,").replace(",", "").split()
    if not words:
        return False
    said, last = " ".join(words), words[-1]
    if said in _FULL_ANSWERS or _INDIRECT.search(said):
        return True
    if last == "please" and len(words) > 1:
        return sounds_finished(" ".join(words[:-1]))
    if last in _NUMBERS:
        return _number_ends(words)
    if last in _SUBJECTS:
        return _subject_ends(words)
    if _OPEN_REQUEST.search(said):
        return False
    if last == "me":
        return len(words) > 1 and words[-2] not in _NEED_AN_OBJECT
    if last == "this":
        return len(words) > 1 and words[-2] in _TO_BE | _TAKES_THIS
    if _WANTS_A_PLACE.search(said):
        return False
    if last == "do":
        return len(words) > 1 and words[-2] in _SUBJECTS | {"to"}
    if last in _DETACHED:
        return len(words) > 2 and words[0] in _TURNING
    return last not in _GOES_ON


def _subject_ends(words: list[str]) -> bool:
    """Whole: "who are you", "what time is it", "thank you". Not whole: "can you", "what do you", "if it"."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in {"i", "we", "he", "she", "they", "there"} or not before:
        return before in _TO_BE and len(words) > 2 and last != "i"
    if before in _TO_BE:
        return len(words) > 2
    return before not in _AUXILIARIES and before not in _JOINING


def _number_ends(words: list[str]) -> bool:
    """A sum has its second number; a duration still lacks its unit."""
    rest = words[:-1]
    while rest and rest[-1] in _NUMBERS:
        rest.pop()
    if not rest:
        return True
    if set(rest) & _OPERATORS:
        return True
    if " ".join(rest).startswith(("what is", "what's", "whats", "how much", "calculate", "add")):
        return False
    return not _TIMED.search(" ".join(rest))
