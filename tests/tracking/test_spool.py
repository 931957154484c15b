"""Who owns which file of waiting events."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openfeature_kameleoon.tracking import spool as spool_module
from openfeature_kameleoon.tracking.spool import Claim, Spool, SpoolUnusable, network_file_system
from tests.outboxes import SITE

HOLDER = """
import sys
from openfeature_kameleoon.tracking.spool import Spool
claim = Spool(sys.argv[1], sys.argv[2]).create()
print(claim.database.name, flush=True)
sys.stdin.read()
"""

ADOPTER = """
import sys
from openfeature_kameleoon.tracking.spool import Spool
spool = Spool(sys.argv[1], sys.argv[2])
sys.stdin.readline()
claims = list(spool.orphans())
print(*[claim.database.name for claim in claims], flush=True)
sys.stdin.read()
"""


def started(program: str, directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(directory), SITE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    print(line, file=process.stdin, flush=True)


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def ended(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=10)


@pytest.fixture
def claims() -> Iterator[list[Claim]]:
    """Claims to release when the test is over."""
    made: list[Claim] = []

    yield made

    for claim in made:
        claim.release()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "made", SITE)


def names(spool: Spool) -> list[str]:
    return sorted(os.listdir(spool.folder))


def orphans(spool: Spool, claims: list[Claim]) -> list[str]:
    found = list(spool.orphans())
    claims += found
    return [claim.database.name for claim in found]


def test_nothing_is_made_before_the_first_file(spool: Spool) -> None:
    assert list(spool.orphans()) == []
    assert not spool.folder.parent.exists()


def test_only_its_owner_may_read_the_folder_and_the_files(spool: Spool, claims: list[Claim]) -> None:
    claims.append(spool.create())

    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE((spool.folder / name).stat().st_mode) for name in names(spool)] == [0o600, 0o600]


def test_names_do_not_tell_the_site(spool: Spool, claims: list[Claim]) -> None:
    claims.append(spool.create())

    assert all(SITE not in name and str(os.getpid()) in name for name in names(spool))


def test_a_file_is_adopted_once_its_claim_is_released(spool: Spool, claims: list[Claim]) -> None:
    claim = spool.create()

    assert orphans(spool, claims) == []

    claim.release()
    assert orphans(spool, claims) == [claim.database.name]
    assert orphans(spool, claims) == []


def test_files_are_adopted_the_oldest_first(spool: Spool, claims: list[Claim]) -> None:
    made = [spool.create() for _ in range(5)]
    for age, claim in enumerate(made):
        os.utime(claim.database.with_suffix(".lock"), (1e9 - age, 1e9 - age))
        claim.release()

    assert orphans(spool, claims) == [claim.database.name for claim in reversed(made)]


def test_a_file_of_another_site_or_format_is_left_alone(
    spool: Spool, tmp_path: Path, claims: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    Spool(tmp_path / "made", "other").create().release()
    with monkeypatch.context() as later:
        later.setattr(spool_module, "FORMAT", 2)
        Spool(tmp_path / "made", SITE).create().release()

    assert orphans(spool, claims) == []
    assert len(names(spool)) == 4


def test_a_file_whose_process_lives_is_left_to_it_and_adopted_when_it_was_killed(
    spool: Spool, tmp_path: Path, claims: list[Claim]
) -> None:
    holder = started(HOLDER, tmp_path / "made")
    name = answer(holder).strip()

    while_it_lives = orphans(spool, claims)
    holder.kill()
    ended(holder)

    assert while_it_lives == []
    assert orphans(spool, claims) == [name]


def test_of_two_processes_that_look_for_orphans_at_once_one_gets_each(spool: Spool, tmp_path: Path) -> None:
    made = []
    for _ in range(200):
        claim = spool.create()
        made.append(claim.database.name)
        claim.release()
    adopters = [started(ADOPTER, tmp_path / "made") for _ in range(2)]

    for adopter in adopters:
        tell(adopter, "begin")
    adopted = [answer(adopter).split() for adopter in adopters]
    for adopter in adopters:
        ended(adopter)

    assert sorted(adopted[0] + adopted[1]) == sorted(made)


def test_a_removed_file_leaves_nothing(spool: Spool, claims: list[Claim]) -> None:
    claim = spool.create()
    for suffix in ("-wal", "-shm"):
        Path(f"{claim.database}{suffix}").touch()

    claim.remove()

    assert names(spool) == []
    assert orphans(spool, claims) == []


def test_what_a_process_left_that_died_while_making_or_removing_a_file_is_cleared_away(
    spool: Spool, claims: list[Claim]
) -> None:
    claim = spool.create()
    Path(f"{claim.database}-wal").touch()
    claim.database.unlink()
    claim.release()

    assert orphans(spool, claims) == []
    assert names(spool) == []


def test_a_file_that_somebody_replaced_is_not_removed_with_the_claim(spool: Spool) -> None:
    claim = spool.create()
    other = claim.database.parent / "other"
    other.touch()
    assert claim.is_in_place

    claim.database.unlink()
    assert not claim.is_in_place
    other.rename(claim.database)
    assert not claim.is_in_place

    claim.remove()
    assert claim.database.exists()


def test_a_damaged_file_is_set_aside_with_its_log_and_never_adopted(spool: Spool, claims: list[Claim]) -> None:
    claim = spool.create()
    for suffix in ("-wal", "-shm"):
        Path(f"{claim.database}{suffix}").touch()

    aside = claim.set_aside()

    assert aside is not None
    assert names(spool) == [aside.name, f"{aside.name}-wal"]
    assert aside.suffix == ".corrupt"
    assert orphans(spool, claims) == []


def test_of_damaged_files_the_latest_are_kept(spool: Spool) -> None:
    kept = []
    for age in range(10, 0, -1):
        claim = spool.create()
        Path(f"{claim.database}-wal").touch()
        os.utime(claim.database, (1e9 - age, 1e9 - age))
        kept.append(claim.set_aside())

    aside = [path.name for path in kept if path is not None]
    assert names(spool) == sorted(
        name for stem in aside[-spool_module.MOST_SET_ASIDE :] for name in (stem, f"{stem}-wal")
    )


def test_a_damaged_file_that_cannot_be_renamed_stays_ours(
    spool: Spool, claims: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = spool.create()
    claims.append(claim)

    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fail)
        assert claim.set_aside() is None

    assert orphans(spool, claims) == []


# --- what is refused ----------------------------------------------------------------------------------------


def by_symbolic_link(path: Path) -> None:
    target = path.with_name("target")
    path.rename(target)
    path.symlink_to(target)


def by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def by_access_for_others(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize("suffix", [".db", ".db-wal", ".db-shm", ".lock"])
@pytest.mark.parametrize("spoil", [by_symbolic_link, by_a_folder, by_a_pipe, by_access_for_others])
def test_a_file_that_is_not_this_users_alone_is_not_adopted(
    spoil: Callable[[Path], None], suffix: str, spool: Spool, claims: list[Claim], caplog: pytest.LogCaptureFixture
) -> None:
    claim = spool.create()
    claim.release()
    path = claim.database.with_name(claim.database.stem + suffix)
    path.touch()
    spoil(path)

    assert orphans(spool, claims) == []
    assert orphans(spool, claims) == []
    assert path.exists()
    assert len(caplog.records) == (suffix != ".lock")


def test_a_file_of_another_user_is_not_adopted(
    spool: Spool, claims: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.create().release()
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    assert orphans(spool, claims) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
def test_a_folder_in_which_others_can_write_is_refused(mode: int, spool: Spool, claims: list[Claim]) -> None:
    spool.create().release()
    spool.folder.chmod(mode)

    with pytest.raises(SpoolUnusable, match="others can write in it"):
        spool.create()

    assert orphans(spool, claims) == []


def test_a_folder_of_another_user_is_refused(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.folder.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

    with pytest.raises(SpoolUnusable, match="another user"):
        spool.create()


def test_a_symbolic_link_in_place_of_the_folder_is_refused(spool: Spool, tmp_path: Path) -> None:
    spool.folder.parent.mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    spool.folder.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SpoolUnusable, match="no folder"):
        spool.create()

    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_directory_that_was_there_is_left_as_it_is(tmp_path: Path, claims: list[Claim]) -> None:
    tmp_path.chmod(0o755)

    claims.append(Spool(tmp_path, SITE).create())

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("server:/x / nfs4 rw 0 0", "nfs4"),
        ("/dev/sda / ext4 rw 0 0\nserver:/x {folder} nfs rw 0 0", "nfs"),
        ("/dev/sda / ext4 rw 0 0\nserver:/x {folder}/deeper nfs rw 0 0", None),
        ("/dev/sda / ext4 rw 0 0\nserver:/x {folder}x nfs rw 0 0", None),
        ("server:/x / nfs rw 0 0\ntmpfs {folder} tmpfs rw 0 0", None),
        ("//server/x {folder} cifs rw 0 0", "cifs"),
        ("", None),
        ("rubbish\n\n", None),
    ],
)
def test_a_network_file_system_is_known_by_the_deepest_mount(
    mounts: str, kind: str | None, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("with space")
    table = tmp_path / "mounts"
    table.write_text(mounts.format(folder=str(folder).replace(" ", "\\040")))

    assert network_file_system(folder, str(table)) == kind


def test_where_mounts_are_not_told_no_file_system_is_refused(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, str(tmp_path / "missing")) is None


def test_a_folder_on_a_network_file_system_is_refused(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "network_file_system", lambda _: "nfs4")

    with pytest.raises(SpoolUnusable, match=r"network file system \(nfs4\)"):
        spool.create()


def test_a_file_system_without_locks_is_an_error_that_leaves_nothing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(spool_module, "_lock", fail)

    with pytest.raises(OSError, match="No locks available"):
        spool.create()

    assert names(spool) == []


def test_a_new_file_that_somebody_else_takes_for_an_orphan_is_left_to_it(
    spool: Spool, claims: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = spool_module._lock
    attempts: list[int] = []

    def late(descriptor: int) -> None:
        attempts.append(descriptor)
        if len(attempts) == 1:
            with monkeypatch.context() as others:
                others.setattr(spool_module, "_lock", locked)
                assert list(spool.orphans()) == []  # it clears the lock away
        locked(descriptor)

    monkeypatch.setattr(spool_module, "_lock", late)

    claims.append(spool.create())

    assert len(attempts) == 2
    assert len(names(spool)) == 2
