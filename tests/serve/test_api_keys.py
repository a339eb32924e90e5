"""Keys as they are made, stored, found again and revoked."""

from __future__ import annotations

import hashlib
import hmac
import logging
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from tart_serve.keys_cli import keys
from tart_serve.security.api_keys import ApiKey, KeyFileError, Scope, key_digest, new_key, parse_key_line
from tart_serve.security.key_file import add_key, read_keys, remove_key
from tart_serve.security.key_ring import KeyRing
from tart_serve.security.options import key_lines

HASH = "ab" * 32


def stored(name: str, key: str, scope: Scope = Scope.READ) -> ApiKey:
    return ApiKey(name, scope, key_digest(key))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(keys, [str(argument) for argument in arguments])


def test_a_key_is_256_random_bits_and_its_hash_is_sha256() -> None:
    made = {new_key() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(key.startswith("tart_") and len(key) == 5 + 43 for key in made)  # 43 characters of 6 bits hold 256.
    assert key_digest("tart_x") == hashlib.sha256(b"tart_x").digest()
    assert key_digest("schlüssel") == hashlib.sha256("schlüssel".encode()).digest()


@given(
    st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"),
    st.sampled_from(list(Scope)),
    st.binary(min_size=32, max_size=32),
)
def test_a_line_holds_all_of_a_key(name: str, scope: Scope, digest: bytes) -> None:
    key = ApiKey(name, scope, digest)
    assert parse_key_line(key.line) == key


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", "the name is no name"),
        ("tart_secret", "key tart_secret: the scope is not one of read, write, admin"),
        (f"a b:read:sha256:{HASH}", "the name is no name"),
        (f"{'a' * 65}:read:sha256:{HASH}", "the name is no name"),
        (f"a:READ:sha256:{HASH}", "key a: the scope"),
        (f"a:read:{HASH}", "key a: the hash"),
        (f"a:read:sha256:{HASH}0", "key a: the hash"),
        (f"a:read:sha256:{HASH.upper()}", "key a: the hash"),
        (f"a:read:sha256:{HASH}:x", "key a: the hash"),
        ("a:read:tart_secret", "key a: the hash"),
    ],
)
def test_a_line_of_another_form_is_refused(line: str, fault: str) -> None:
    with pytest.raises(KeyFileError, match=fault):
        parse_key_line(line)


def test_a_key_put_where_its_hash_belongs_is_not_repeated() -> None:
    key = new_key()
    with pytest.raises(KeyFileError) as caught:
        parse_key_line(f"a:read:{key}")
    assert key not in str(caught.value)


def test_keys_are_added_and_taken_away_and_all_else_stays(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text("# ours\n\n" + stored("old", "k0").line)  # No newline at the end.
    file.chmod(0o640)
    add_key(file, stored("new", "k1", Scope.ADMIN))
    assert file.read_text() == f"# ours\n\n{stored('old', 'k0').line}\n{stored('new', 'k1', Scope.ADMIN).line}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    with pytest.raises(KeyFileError, match="has a key named new"):
        add_key(file, stored("new", "k2"))
    remove_key(file, "old")
    assert file.read_text() == f"# ours\n\n{stored('new', 'k1', Scope.ADMIN).line}\n"
    with pytest.raises(KeyFileError, match="has no key named 'old'; there are: new"):
        remove_key(file, "old")
    assert {path.name for path in tmp_path.iterdir()} <= {"keys.txt", ".keys.txt.lock"}


def test_a_new_file_is_its_owner_s_only(tmp_path: Path) -> None:
    add_key(tmp_path / "keys.txt", stored("a", "k"))
    assert stat.S_IMODE((tmp_path / "keys.txt").stat().st_mode) == 0o600


def test_faults_of_a_file_name_the_line(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"{stored('a', 'k').line}\na:read\n{stored('a', 'k2').line}\n{stored('b', 'k3').line}\n")
    with pytest.raises(KeyFileError, match=r"keys\.txt:2: key a: the hash"):
        read_keys(file)
    faults: list[str] = []
    assert read_keys(file, faults.append) == (stored("a", "k"), stored("b", "k3"))
    assert [fault.partition(": ")[2][:20] for fault in faults] == ["key a: the hash is n", "the name a stands tw"]
    with pytest.raises(KeyFileError, match=r"No such file .*make a key: tart keys new --keys"):
        read_keys(tmp_path / "none")
    file.write_bytes(b"\xff")
    with pytest.raises(KeyFileError, match="it is not UTF-8"):
        read_keys(file)


def test_the_ring_takes_keys_of_file_and_environment(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    add_key(file, stored("a", "k1"))
    ring = KeyRing(file, [stored("b", "k2", Scope.WRITE).line])
    assert ring.find("k1") == stored("a", "k1")
    assert ring.find("k2") == stored("b", "k2", Scope.WRITE)
    assert ring.find("k3") is None
    assert ring.find("") is None
    file.write_text("# none left\n")
    with pytest.raises(KeyFileError, match="there is no key in"):
        KeyRing(file)
    with pytest.raises(KeyFileError, match="environment, key 1: key x: the scope"):
        KeyRing(None, ["x:all:1"])


def test_the_environment_parts_keys_by_commas_or_white_space() -> None:
    assert key_lines({"TART_API_KEYS": " a:read:1,b:read:2\n c:read:3,"}) == ("a:read:1", "b:read:2", "c:read:3")
    assert key_lines({}) == ()


def test_every_stored_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing(None, [stored(name, name).line for name in ("first", "second", "third")])
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for presented in ("first", "third", "unknown"):
        compared.clear()
        ring.find(presented)
        assert compared == [(key_digest(name), key_digest(presented)) for name in ("first", "second", "third")]


def test_a_changed_file_counts_from_the_next_request_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys.txt"
    for name in ("a", "b"):
        add_key(file, stored(name, name))
    ring = KeyRing(file)
    remove_key(file, "a")
    assert ring.find("a") is None
    assert ring.find("b") is not None
    add_key(file, stored("c", "c"))
    assert ring.find("c") is not None
    with caplog.at_level(logging.ERROR, "tart_serve.keys"):
        file.write_text(f"b:read:oops\n{stored('c', 'c').line}\n")
        assert ring.find("b") is None
    assert ring.find("c") is not None
    assert "keys.txt:1: key b: the hash" in caplog.text


def test_a_file_that_is_gone_closes_the_door(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys.txt"
    add_key(file, stored("a", "a"))
    ring = KeyRing(file, [stored("b", "b").line])
    file.unlink()
    assert ring.find("a") is None
    assert ring.find("b") is not None
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1  # Not one a request.
    add_key(file, stored("a", "a"))
    assert ring.find("a") is not None


def test_the_commands(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    made = run("new", "--name", "laptop", "--scope", "write", "--keys", file)
    assert made.exit_code == 0
    key = made.stdout.strip()
    assert KeyRing(file).find(key) == stored("laptop", key, Scope.WRITE)
    assert key not in file.read_text()
    assert run("list", "--keys", file).stdout == "laptop\twrite\n"
    again = run("new", "--name", "laptop", "--keys", file)
    assert isinstance(again.exception, KeyFileError)
    assert run("revoke", "laptop", "--keys", file).exit_code == 0
    assert run("list", "--keys", file).stdout == ""
    assert isinstance(run("revoke", "laptop", "--keys", file).exception, KeyFileError)
    assert isinstance(run("new", "--name", "a:b").exception, KeyFileError)
    assert isinstance(run("new", "--name", "a", "--keys", tmp_path / "none" / "keys").exception, KeyFileError)


def test_without_a_file_the_line_is_told() -> None:
    made = run("new", "--name", "ci")
    line = made.stderr.strip().rpartition(" ")[2]
    assert KeyRing(None, [line]).find(made.stdout.strip()) == stored("ci", made.stdout.strip())
