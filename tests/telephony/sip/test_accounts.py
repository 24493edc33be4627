"""The accounts file: private, never a password in it, seen by a running daemon, safe against two writers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from her_os.contracts.errors import ConfigError
from her_os.telephony.sip.accounts import FILE_NAME, AccountStore
from her_os.telephony.sip.digest import ha1


@pytest.fixture
def store(tmp_path: Path) -> AccountStore:
    return AccountStore(tmp_path / "state", "her-os")


def test_add_shows_a_password_and_stores_only_its_hashes(store: AccountStore, tmp_path: Path) -> None:
    password = store.add("kitchen")
    assert len(password) >= 16
    assert store.add("hall") != password
    file = tmp_path / "state" / FILE_NAME
    assert file.stat().st_mode & 0o777 == 0o600
    assert password not in file.read_text()
    for algorithm in ("MD5", "SHA-256"):
        secrets = store.secrets_of("kitchen")
        assert secrets is not None
        assert secrets[algorithm] == ha1(algorithm, "kitchen", "her-os", password)
    assert [account.name for account in store.list()] == ["hall", "kitchen"]


def test_names(store: AccountStore) -> None:
    store.add("a.b-c_1")
    for bad in ("", "Kitchen", "a b", "-a", "x" * 33, "a\n", 'a"b', "ä"):
        with pytest.raises(ConfigError):
            store.add(bad)
    with pytest.raises(ConfigError, match="exists"):
        store.add("a.b-c_1")


def test_remove(store: AccountStore) -> None:
    store.add("kitchen")
    assert store.remove("kitchen")
    assert not store.remove("kitchen")
    assert store.secrets_of("kitchen") is None


def test_a_running_daemon_sees_changes(store: AccountStore, tmp_path: Path) -> None:
    daemon = AccountStore(tmp_path / "state", "her-os")
    assert daemon.secrets_of("kitchen") is None
    store.add("kitchen")
    assert daemon.secrets_of("kitchen")
    store.remove("kitchen")
    assert daemon.secrets_of("kitchen") is None


def test_accounts_of_another_realm_do_not_work(store: AccountStore, tmp_path: Path) -> None:
    store.add("kitchen")
    assert AccountStore(tmp_path / "state", "elsewhere").secrets_of("kitchen") is None


def test_a_broken_file_is_told_and_kept(store: AccountStore, tmp_path: Path) -> None:
    store.add("kitchen")
    file = tmp_path / "state" / FILE_NAME
    file.write_text("{broken")
    for use in (store.list, lambda: store.secrets_of("kitchen"), lambda: store.add("hall")):
        with pytest.raises(ConfigError, match=FILE_NAME):
            use()
    assert file.read_text() == "{broken"


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    def write(prefix: str) -> None:
        for number in range(8):
            AccountStore(tmp_path, "her-os").add(f"{prefix}{number}")

    threads = [threading.Thread(target=write, args=(prefix,)) for prefix in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(AccountStore(tmp_path, "her-os").list()) == 16
