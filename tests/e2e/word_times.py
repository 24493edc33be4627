"""Where words end in audio whose text is known: forced alignment by pocketsphinx, independent of our own sums."""

from __future__ import annotations

import re

from pocketsphinx import Decoder


def word_ends(text: str, pcm: bytes) -> list[int]:
    """The sample at which each word of `text` ends in 16 kHz PCM. Words must be in the recogniser's dictionary."""
    words = re.sub(r"[^a-z' ]", "", text.lower())
    decoder = Decoder(loglevel="FATAL")
    decoder.set_align_text(words)
    decoder.start_utt()
    decoder.process_raw(pcm, False, True)
    decoder.end_utt()
    return [(segment.end_frame + 1) * 160 for segment in decoder.seg() if segment.word[0] not in "<["]
