"""The vocabulary: a byte-level BPE in which a name is cut into the same pieces wherever it stands.

Plain BPE cuts " anna" and "anna" differently and gives a frequent name a token of its own; a small network then has
to learn by heart which pieces stand for which, and miscopies the rest. Here merges are learnt from the assistant's
own words only (`own_words`), without the space before them, so that names and labels are spelt in short pieces;
the space is joined to whole frequent words last.
"""

import json
import random
import re
from collections import Counter

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from . import noise, phrasings, replies, sentences, tools, words
from .dialogues import Writer

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
_MARKUP = re.compile("|".join(re.escape(text) for text in CONTROL + MARKS))
_SPACE = "Ġ"
_RARE = 40  # a word seen less often in the sample is spelt in pieces
_WITH_SPACE = 420  # so many words have a token with the space before them
_JSON_KEYS = (
    "name arguments amount unit label left operator right ok true error say result seconds value phone get set list"
)


def wrap(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """Return the tokenizer of a vocabulary: each digit a token of its own (llama.cpp: `smollm`)."""
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = _cutter()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROL + MARKS])
    return tokenizer


def _cutter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def own_words() -> set[str]:
    """Return the words of the phrasings and replies, in lower case; what fills their slots is not among them."""
    texts = [tools.SYSTEM, _JSON_KEYS, *noise.ALL_WORDS, *words.UNITS, *words.TENS, *words.WEEKDAYS, *words.MONTHS]
    texts += ["timer timers hundred thousand point", *sentences.TEXTS]
    for module in (phrasings, replies):
        texts += _strings(vars(module))
    return set(re.findall(r"[a-z]+", " ".join(re.sub(r"\{\w+\}", " ", text) for text in texts).lower()))


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() if not str(key).startswith("__") for text in _strings(item)]
    return [text for item in value for text in _strings(item)] if isinstance(value, list) else []


def train_tokenizer(seed: int, size: int, conversations: int = 6000) -> Tokenizer:
    """Learn the merges from a sample of dialogues; `size` is without the words that carry their space."""
    writer, cutter, own = Writer(random.Random(seed)), _cutter(), own_words()
    seen, spaced = Counter[str](), Counter[str]()
    for _ in range(conversations):
        for text in _MARKUP.split(tools.render(writer.conversation())):
            for piece, _ in cutter.pre_tokenize_str(text):
                bare = piece.removeprefix(_SPACE)
                if not bare.isascii() or not bare.isalpha():
                    seen[piece] += 1
                elif bare.lower() in own:
                    seen[bare] += 1
                    spaced[bare] += piece != bare
    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in CONTROL + MARKS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    sample = ([piece] * (count // _RARE) for piece, count in sorted(seen.items()))
    tokenizer.train_from_iterator(sample, trainer)
    vocabulary = tokenizer.get_vocab()
    merges = merges_of(tokenizer)
    for word, count in spaced.most_common(_WITH_SPACE):
        if word in vocabulary and count >= _RARE:
            vocabulary[_SPACE + word] = len(vocabulary)
            merges.append((_SPACE, word))
    return wrap(vocabulary, merges)


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Return a tokenizer's merges, the first learnt first."""
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(pair.split(" ", 1)) if isinstance(pair, str) else tuple(pair) for pair in merges]
