"""Downloads as they really go: broken off, resumed, replaced on the way, with nobody there, with a full disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from her_os.service.model_store import lock
from her_os.service.model_store.catalogue import Catalogue, Model, ModelFile
from her_os.service.model_store.download import DownloadFailed, NotThere
from her_os.service.model_store.puller import Need, PullRefused, Wishes, bring_in, pull
from her_os.service.model_store.store import entries, is_good, models_in, remove, verify
from her_os.service.model_store.stored import RECORD

from .hub import COMMIT, Hub, running

WEIGHTS = bytes(range(256)) * 1200
FILES = {"config.json": b"{}", "parts/weights.bin": WEIGHTS}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running(Hub(dict(FILES))) as hub:
        yield hub


def model(*, pinned: bool = True, files: dict[str, bytes] | None = None, **fields: Any) -> Model:
    entries = tuple(
        ModelFile(path=path, size=len(body), sha256=sha256(body).hexdigest()) if pinned else ModelFile(path=path)
        for path, body in (files or FILES).items()
    )
    revision = COMMIT if pinned else "main"
    values = {"name": "tiny", "engine": "llm", "licence": "MIT", "repository": "owner/model", "revision": revision}
    return Model(files=entries, **{**values, **fields})


def wishes(hub: Hub, tmp_path: Path, **changes: Any) -> Wishes:
    return Wishes(tmp_path / "store", hub.url, agree=lambda _: True, pauses_s=(0, 0, 0), **changes)


def catalogue(*models: Model) -> Catalogue:
    return Catalogue({each.name: each for each in models})


def test_a_pinned_model_comes_whole_and_is_recorded(hub: Hub, tmp_path: Path) -> None:
    told: list[Need] = []
    locked = pull(model(), wishes(hub, tmp_path, tell=told.append))
    folder = tmp_path / "store" / "tiny"
    assert (folder / "parts" / "weights.bin").read_bytes() == WEIGHTS
    assert (locked.revision, locked.origin) == (COMMIT, "catalogue")
    assert lock.read_lock(tmp_path / "store")["tiny"] == locked
    assert told[0].download_bytes == len(WEIGHTS) + 2
    assert told[0].disk_free_bytes > 0
    assert is_good(tmp_path / "store", model())
    assert [path for path in (tmp_path / "store" / ".parts").rglob("*") if path.name != "busy"] == []


@pytest.mark.parametrize("promise", ["etag", "checksum"])
def test_a_download_that_breaks_off_goes_on_where_it_was(hub: Hub, tmp_path: Path, promise: str) -> None:
    hub.cut_after, hub.cuts, hub.etags = 100_000, 2, promise == "etag"
    pull(model(files={"parts/weights.bin": WEIGHTS}), wishes(hub, tmp_path))
    assert [where for _, _, where in hub.asked] == ["", "bytes=100000-", "bytes=200000-"]
    assert (tmp_path / "store/tiny/parts/weights.bin").read_bytes() == WEIGHTS


def test_a_server_without_ranges_begins_anew(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after, hub.cuts, hub.ranges = 100_000, 1, False
    pull(model(), wishes(hub, tmp_path))
    assert (tmp_path / "store/tiny/parts/weights.bin").read_bytes() == WEIGHTS


def test_what_is_not_pinned_goes_on_only_where_the_server_says_that_it_is_the_same(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after, hub.cuts, hub.etags = 100_000, 1, False
    pull(model(pinned=False, files={"parts/weights.bin": WEIGHTS}), wishes(hub, tmp_path, trust_first=True))
    assert [where for method, _, where in hub.asked if method == "GET"] == ["", ""]


def test_a_download_given_up_is_finished_by_the_next_one(hub: Hub, tmp_path: Path) -> None:
    part = tmp_path / "store/.parts/tiny/parts/weights.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:50_000])
    hub.status = 503
    with pytest.raises(DownloadFailed, match=r"try again later; 50000 bytes are kept, the next try goes on from there"):
        pull(model(files={"parts/weights.bin": WEIGHTS}), wishes(hub, tmp_path))
    assert not (tmp_path / "store" / "tiny").exists()
    hub.status = 0
    hub.asked.clear()
    pull(model(), wishes(hub, tmp_path))
    assert ("GET", "parts/weights.bin", "bytes=50000-") in hub.asked
    assert (tmp_path / "store/tiny/parts/weights.bin").read_bytes() == WEIGHTS


def test_wrong_bytes_are_refused_and_thrown_away(hub: Hub, tmp_path: Path) -> None:
    hub.files["parts/weights.bin"] = WEIGHTS[:-1] + b"!"
    with pytest.raises(PullRefused, match="is not what it should be: its SHA-256 is"):
        pull(model(), wishes(hub, tmp_path))
    store = tmp_path / "store"
    assert not (store / "tiny").exists()
    assert not list(store.rglob("weights.bin*"))


def test_a_file_of_another_size_is_refused_before_it_is_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.files["parts/weights.bin"] = WEIGHTS * 2
    with pytest.raises(DownloadFailed, match=f"has {2 * len(WEIGHTS)} bytes, expected {len(WEIGHTS)}"):
        pull(model(), wishes(hub, tmp_path))


def test_what_is_not_pinned_is_refused_unless_it_is_trusted_and_then_remembered(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(PullRefused, match=r"not pinned yet.*--trust-first-download"):
        pull(model(pinned=False), wishes(hub, tmp_path))
    assert hub.asked == []
    locked = pull(model(pinned=False), wishes(hub, tmp_path, trust_first=True))
    assert (locked.origin, locked.revision) == ("first download", COMMIT)
    assert locked.sums["parts/weights.bin"] == sha256(WEIGHTS).hexdigest()
    store = tmp_path / "store"
    remove(store, "tiny")
    hub.files["config.json"] = b"other"
    with pytest.raises(PullRefused, match="is not what it should be"):
        pull(model(pinned=False), wishes(hub, tmp_path))
    remove(store, "tiny", forget=True)
    with pytest.raises(PullRefused, match="not pinned yet"):
        pull(model(pinned=False), wishes(hub, tmp_path))


def test_an_optional_file_may_be_missing_another_may_not(hub: Hub, tmp_path: Path) -> None:
    extra = ModelFile(path="extra.json", optional=True)
    plain = model(pinned=False)
    with_extra = msgspec.structs.replace(plain, files=(*plain.files, extra))
    assert len(pull(with_extra, wishes(hub, tmp_path, trust_first=True)).files) == 2
    del hub.files["config.json"]
    with pytest.raises(NotThere, match=r"config\.json is not there \(HTTP 404\)"):
        pull(model(name="other", pinned=False), wishes(hub, tmp_path, trust_first=True))


@pytest.mark.parametrize(
    ("status", "says"), [(401, "licence has to be agreed to"), (503, "try again later"), (418, "HTTP 418")]
)
def test_refusals_of_the_server_say_what_to_do(hub: Hub, tmp_path: Path, status: int, says: str) -> None:
    hub.status = status
    with pytest.raises(DownloadFailed, match=says):
        pull(model(), wishes(hub, tmp_path))


def test_nobody_there(tmp_path: Path) -> None:
    with running(Hub({})) as hub:
        pass
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1 cannot be reached .*is this machine online.*models import"):
        pull(model(), wishes(hub, tmp_path))


def test_a_server_that_knows_no_head_leaves_sizes_unknown(hub: Hub, tmp_path: Path) -> None:
    hub.heads, told = False, list[Need]()
    pull(model(pinned=False), wishes(hub, tmp_path, trust_first=True, tell=told.append))
    assert told[0].unknown_files == ("config.json", "parts/weights.bin")


def test_a_licence_is_asked_for_once_and_refusing_it_fetches_nothing(hub: Hub, tmp_path: Path) -> None:
    asked: list[str] = []

    def agree(which: Model) -> bool:
        asked.append(which.name)
        return len(asked) > 1

    plan = Wishes(tmp_path / "store", hub.url, agree=agree, pauses_s=())
    with pytest.raises(PullRefused, match="licence of tiny"):
        pull(model(), plan)
    assert hub.asked == []
    pull(model(), plan)
    pull(model(name="second"), plan)
    assert asked == ["tiny", "tiny"]


def test_a_full_disk_is_told_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    huge = ModelFile(path="huge.bin", size=1 << 60, sha256="0" * 64)
    big = Model(name="big", engine="llm", licence="MIT", repository="owner/model", revision=COMMIT, files=(huge,))
    with pytest.raises(PullRefused, match=r"needs .* MB more .* are free; make room"):
        pull(big, wishes(hub, tmp_path))
    assert hub.asked == []


def test_damage_is_found_and_mended_by_fetching_only_what_is_damaged(hub: Hub, tmp_path: Path) -> None:
    store = tmp_path / "store"
    pull(model(), wishes(hub, tmp_path))
    (store / "tiny/parts/weights.bin").write_bytes(b"x" * len(WEIGHTS))
    (problem,) = verify(store, "tiny", catalogue(model()))
    assert "weights.bin is damaged or was changed" in problem
    (store / "tiny/parts/weights.bin").write_bytes(b"x")
    assert "has 1 bytes" in verify(store, "tiny", catalogue(model()))[0]
    (store / "tiny/parts/weights.bin").unlink()
    assert verify(store, "tiny", catalogue(model())) == ["parts/weights.bin is missing"]
    hub.asked.clear()
    pull(model(), wishes(hub, tmp_path))
    assert [path for _, path, _ in hub.asked] == ["parts/weights.bin"]
    assert verify(store, "tiny", catalogue(model())) == []


def test_a_stick_brings_models_where_there_is_no_network(hub: Hub, tmp_path: Path) -> None:
    pull(model(), wishes(hub, tmp_path))
    stick = tmp_path / "stick"
    shutil.copytree(tmp_path / "store" / "tiny", stick / "renamed by somebody")
    ((found, place),) = models_in(stick, catalogue(model()))
    assert (found.name, place.name) == ("tiny", "renamed by somebody")
    elsewhere = Wishes(tmp_path / "elsewhere", "http://127.0.0.1:9", agree=lambda _: True)
    assert bring_in(found, place, elsewhere).origin == "catalogue"
    assert (tmp_path / "elsewhere/tiny/parts/weights.bin").read_bytes() == WEIGHTS
    (place / "config.json").write_text("damaged on the way")
    with pytest.raises(PullRefused, match="is not what it should be"):
        bring_in(found, place, Wishes(tmp_path / "third", "http://127.0.0.1:9", agree=lambda _: True))
    (place / "config.json").unlink()
    with pytest.raises(PullRefused, match=r"does not hold config\.json of tiny"):
        bring_in(found, place, elsewhere)


def test_the_list_tells_what_is_here(hub: Hub, tmp_path: Path) -> None:
    pull(model(), wishes(hub, tmp_path))
    (tmp_path / "store" / "not a model").mkdir()
    found = entries(tmp_path / "store", catalogue(model(name="absent")))
    assert [(entry.name, entry.here, entry.size) for entry in found] == [
        ("absent", False, len(WEIGHTS) + 2),
        ("tiny", True, len(WEIGHTS) + 2),
    ]
    assert (tmp_path / "store" / "tiny" / RECORD).is_file()
