from __future__ import annotations

from pathlib import Path

import pytest

from her_os.contracts.errors import ConfigError
from her_os.engines.stt_domain_phrases import Phrase, parse_domain_phrases, read_domain_phrases
from her_os.engines.stt_pronunciations import Pronunciations


def test_phrases_comments_and_pronunciations():
    parsed = parse_domain_phrases(
        "# a comment\n\nWhat time is it?\ncall priya  # our neighbour\npriya = p r iy y ah\nit’s late", file="p.txt"
    )
    assert parsed.phrases == (
        Phrase(3, ("what", "time", "is", "it")),
        Phrase(4, ("call", "priya")),
        Phrase(6, ("it's", "late")),
    )
    assert parsed.pronunciations == {"priya": "P R IY Y AH"}
    assert parsed.first_lines()["priya"] == 4


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hello\nset a timer for 10 minutes", r"p\.txt:2: '10' has digits; write the number in words"),
        ("hello\n\nstraße", r"p\.txt:3: 'straße' cannot be a word here"),
        ("hello\npriya = P R II", r"p\.txt:2: priya: 'II' is not a phone; known: AA AE"),
        ("hello\n= P", r"p\.txt:2: expected a pronunciation such as"),
        ("# nothing\n", r"p\.txt: holds no phrase"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(text: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        parse_domain_phrases(text, file="p.txt")


def test_a_file_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.txt: cannot be read"):
        read_domain_phrases(tmp_path / "none.txt")
    (tmp_path / "latin1.txt").write_bytes("caf\xe9".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin1\.txt: is not UTF-8"):
        read_domain_phrases(tmp_path / "latin1.txt")


def test_possessives_are_said_by_rule(tmp_path: Path):
    dictionary = tmp_path / "words.dict"
    dictionary.write_text(
        "max M AE K S\ndan D AE N\npat P AE T\nsusan S UW Z AH N\nsusan's S UW Z AH N Z\na AH\na(2) EY\n"
    )
    known = Pronunciations(dictionary, {"priya": "P R IY Y AH"})
    assert known.of("susans") == ["S UW Z AH N Z"]
    assert known.of("dans") == ["D AE N Z"]
    assert known.of("pats") == known.of("pat's") == ["P AE T S"]
    assert known.of("maxs") == ["M AE K S IH Z"]
    assert known.of("priyas") == ["P R IY Y AH Z"]
    assert known.of("zzz") == known.of("zzzs") == []
    assert known.lines(["a", "priya"]) == ["a AH", "a(2) EY", "priya P R IY Y AH"]
