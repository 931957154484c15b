from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openfeature_kameleoon.datafile.cache import Cached, DataFileCache
from tests.clock import FakeClock

RAW = b'{"featureFlags": [' + b'{"key": "checkout"},' * 100 + b"null]}"
THEN = "Mon, 21 Sep 2026 14:00:00 GMT"
SITE = "secretsite1"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "made" / "kameleoon"


@pytest.fixture
def cache(directory: Path) -> DataFileCache:
    return DataFileCache(directory, SITE, "staging", clock=FakeClock())


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_saved_is_loaded_with_its_age(directory: Path) -> None:
    clock = FakeClock()
    DataFileCache(directory, SITE, clock=clock).save(RAW, THEN)
    clock.advance(90)

    loaded = DataFileCache(directory, SITE, clock=clock).load()

    assert loaded == Cached(RAW, THEN, 90.0)


def test_the_age_is_never_negative(directory: Path) -> None:
    DataFileCache(directory, SITE, clock=FakeClock(time=2e9)).save(RAW, THEN)

    loaded = DataFileCache(directory, SITE, clock=FakeClock(time=1e9)).load()

    assert loaded is not None
    assert loaded.age_seconds == 0.0


def test_nothing_saved_is_nothing_loaded_and_no_warning(cache: DataFileCache, caplog: pytest.LogCaptureFixture) -> None:
    assert cache.load() is None
    assert warnings(caplog) == []


def test_a_newer_copy_replaces_the_older(cache: DataFileCache) -> None:
    cache.save(RAW, THEN)
    cache.save(b"{}", "")

    loaded = cache.load()

    assert loaded is not None
    assert (loaded.raw, loaded.last_modified) == (b"{}", "")
    assert os.listdir(cache.path.parent) == [cache.path.name]


def test_only_its_owner_may_read_the_copy_and_its_directory(cache: DataFileCache) -> None:
    cache.save(RAW, THEN)

    assert mode(cache.path) == 0o600
    assert mode(cache.path.parent) == 0o700


def test_a_directory_that_was_there_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)

    DataFileCache(tmp_path, SITE).save(RAW, THEN)

    assert mode(tmp_path) == 0o750


def test_sites_and_environments_have_copies_of_their_own_and_names_that_tell_neither(directory: Path) -> None:
    caches = [
        DataFileCache(directory, site, environment)
        for site, environment in [(SITE, ""), (SITE, "staging"), (SITE + "s", "taging"), ("other", "")]
    ]
    for number, cache in enumerate(caches):
        cache.save(b"%d" % number, "")

    loaded = [cache.load() for cache in caches]

    assert [copy.raw for copy in loaded if copy] == [b"0", b"1", b"2", b"3"]
    for cache in caches:
        assert SITE not in cache.path.name
        assert b"staging" not in cache.path.read_bytes()
        assert SITE.encode() not in cache.path.read_bytes()


def test_a_copy_of_another_site_under_our_name_is_ignored(
    cache: DataFileCache, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = DataFileCache(directory, "other")
    other.save(RAW, THEN)
    other.path.rename(cache.path)

    assert cache.load() is None
    assert "another site or environment" in warnings(caplog)[0]


def test_a_copy_in_which_any_byte_was_flipped_is_ignored(cache: DataFileCache) -> None:
    cache.save(RAW, THEN)
    good = cache.path.read_bytes()
    assert len(good) > 2000

    survivors = []
    with cache.path.open("r+b", buffering=0) as file:
        for position, byte in enumerate(good):
            os.pwrite(file.fileno(), bytes([byte ^ 1 << position % 8]), position)
            if cache.load() is not None:
                survivors.append(position)
            os.pwrite(file.fileno(), bytes([byte]), position)

    assert survivors == []
    assert cache.load() is not None


def test_a_copy_that_was_cut_or_grew_is_ignored(cache: DataFileCache) -> None:
    cache.save(RAW, THEN)
    good = cache.path.read_bytes()

    for bad in (good + b" ", good + good, b"\n" * 9):
        cache.path.write_bytes(bad)
        assert cache.load() is None

    cache.path.write_bytes(good)
    for length in reversed(range(len(good))):
        os.truncate(cache.path, length)
        assert cache.load() is None


def test_a_copy_that_is_ignored_is_one_warning_without_its_content(
    cache: DataFileCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.save(RAW, THEN)
    cache.path.write_bytes(b"rubbish\nchecks\n")

    cache.load()

    (warning,) = warnings(caplog)
    assert "it is cut, altered, too long or of another version" in warning
    assert "rubbish" not in warning


def test_a_copy_over_the_cap_is_ignored(directory: Path) -> None:
    DataFileCache(directory, SITE).save(RAW, THEN)

    assert DataFileCache(directory, SITE, max_bytes=len(RAW)).load() is not None
    assert DataFileCache(directory, SITE, max_bytes=len(RAW) - 1).load() is None


def test_a_symbolic_link_is_not_followed_and_its_target_not_written(cache: DataFileCache, tmp_path: Path) -> None:
    cache.save(RAW, THEN)
    target = tmp_path / "target"
    cache.path.rename(target)
    cache.path.symlink_to(target)

    assert cache.load() is None

    before = target.read_bytes()
    cache.save(b"{}", THEN)
    assert target.read_bytes() == before
    assert not cache.path.is_symlink()


def test_a_copy_that_others_may_write_is_ignored(cache: DataFileCache, caplog: pytest.LogCaptureFixture) -> None:
    cache.save(RAW, THEN)
    cache.path.chmod(0o622)

    assert cache.load() is None
    assert "others can write it" in warnings(caplog)[0]


def test_a_copy_of_another_owner_is_ignored(
    cache: DataFileCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache.save(RAW, THEN)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    assert cache.load() is None
    assert "others can write it" in warnings(caplog)[0]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_ignored_without_waiting(cache: DataFileCache, make: Callable[[Path], None]) -> None:
    cache.path.parent.mkdir(parents=True)
    make(cache.path)

    assert cache.load() is None


@pytest.mark.parametrize("call", ["mkdir", "open", "fsync", "replace"])
def test_a_disk_that_fails_is_one_warning_and_leaves_the_old_copy(
    call: str, cache: DataFileCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache.save(RAW, THEN)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Path if call == "mkdir" else os, call, fail)
        cache.save(b"{}", THEN)
        cache.save(b"{}", THEN)

    (warning,) = warnings(caplog)
    assert "No space left on device" in warning
    loaded = cache.load()
    assert loaded is not None
    assert loaded.raw == RAW
    assert os.listdir(cache.path.parent) == [cache.path.name]


def test_a_disk_that_fails_again_after_it_worked_is_news(
    cache: DataFileCache, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory.parent.mkdir()
    for _ in range(2):
        directory.write_text("in the way")
        cache.save(RAW, THEN)
        directory.unlink()
        cache.save(RAW, THEN)
        cache.path.unlink()
        directory.rmdir()

    assert len(warnings(caplog)) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o500)

    DataFileCache(tmp_path, SITE).save(RAW, THEN)

    tmp_path.chmod(0o700)
    assert len(warnings(caplog)) == 1


def test_processes_that_save_at_once_leave_one_whole_copy(directory: Path) -> None:
    contents = [b"%d" % number * 50_000 for number in range(4)]

    def save_often(content: bytes) -> None:
        own = DataFileCache(directory, SITE)
        for _ in range(10):
            own.save(content, "")

    writers = [threading.Thread(target=save_often, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    reader = DataFileCache(directory, SITE)
    seen = [copy.raw for _ in range(50) if (copy := reader.load())]
    for writer in writers:
        writer.join()

    last = reader.load()
    assert last is not None
    assert {last.raw, *seen} <= set(contents)
    assert os.listdir(directory) == [reader.path.name]
