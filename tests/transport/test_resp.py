"""Redis's protocol over real sockets: whole, in pieces, dripping, cut, too large and wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.transport.resp import MOST_BYTES, OversizedReply, Refusal, Reply, StaleSocket, exchange, pack

SOON = 0.05


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours, and the server's."""
    ours, theirs = socket.socketpair()

    yield ours, theirs

    ours.close()
    theirs.close()


def asked(ours: socket.socket, count: int = 1, seconds: float = 5.0) -> list[Reply]:
    return exchange(ours, b"?", count, time.monotonic() + seconds)


REPLIES: list[tuple[bytes, Reply]] = [
    (b"+OK\r\n", b"OK"),
    (b":-7\r\n", -7),
    (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"),
    (b"$0\r\n\r\n", b""),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*4\r\n$1\r\na\r\n:1\r\n$-1\r\n+x\r\n", [b"a", 1, None, b"x"]),
    (b"-OOM command not allowed\r\n", Refusal("OOM")),
    (b"-ERR value 's3cret' is wrong\r\n", Refusal("ERR")),
    (b"-\xff\x1b[31m\r\n", Refusal("an error")),
]


@pytest.mark.parametrize(("sent", "expected"), REPLIES)
def test_replies_are_read(ends: tuple[socket.socket, socket.socket], sent: bytes, expected: Reply) -> None:
    ours, theirs = ends
    theirs.sendall(sent + b"+next\r\n")

    assert asked(ours, 2) == [expected, b"next"]
    assert type(asked_again(ours, theirs, sent)) is type(expected)


def asked_again(ours: socket.socket, theirs: socket.socket, sent: bytes) -> Reply:
    """The same, a byte at a time."""

    def drip() -> None:
        for byte in sent:
            theirs.sendall(bytes([byte]))

    thread = threading.Thread(target=drip)
    thread.start()
    (reply,) = asked(ours)
    thread.join()
    return reply


@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=5).map(tuple), max_size=5))
def test_commands_are_arrays_of_texts(commands: list[tuple[bytes, ...]]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(pack(commands))

        assert exchange(ours, b"", len(commands), time.monotonic() + 5) == [list(command) for command in commands]


@pytest.mark.parametrize(
    "sent",
    [b"HTTP/1.1 200 OK\r\n", b"*1\r\n*1\r\n+x\r\n", b":x\r\n", b"$x\r\n", b"*x\r\n", b"\r\n", b"+OK\r\n+unasked\r\n"],
)
def test_what_is_no_reply_is_refused(ends: tuple[socket.socket, socket.socket], sent: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(sent)

    with pytest.raises(ValueError, match=r"protocol|invalid literal|more replies"):
        asked(ours)


@pytest.mark.parametrize("sent", [b"", b"+", b"$5\r\nab", b"*2\r\n+a\r\n"])
def test_a_reply_that_does_not_end_is_given_up_at_the_deadline(
    ends: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    ours, theirs = ends
    theirs.sendall(sent)

    start = time.monotonic()
    with pytest.raises(TimeoutError):
        asked(ours, seconds=SOON)
    assert SOON * 0.9 <= time.monotonic() - start < 1.0


def test_a_reply_that_drips_for_ever_is_given_up_at_the_same_deadline(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    done = threading.Event()

    def drip() -> None:
        while not done.wait(0.001):
            theirs.sendall(b"+")

    thread = threading.Thread(target=drip)
    thread.start()
    start = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            asked(ours, seconds=SOON)
    finally:
        done.set()
        thread.join()

    assert time.monotonic() - start < 1.0


def test_a_request_that_nobody_reads_is_given_up_at_the_deadline(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = ends

    with pytest.raises(TimeoutError):
        exchange(ours, b"x" * 10_000_000, 1, time.monotonic() + SOON)


def test_an_answer_that_is_there_is_read_even_if_it_is_late_to_look(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b"+OK\r\n")

    class Late(socket.socket):
        """Sending takes until after the deadline, as if other threads had run meanwhile."""

        def sendall(self, *_: object) -> None:
            threading.Event().wait(SOON * 2)

    with Late(fileno=ours.detach()) as late:
        assert asked(late, seconds=SOON) == [b"OK"]


def test_a_connection_that_was_closed_before_is_told_apart_from_one_that_breaks(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.close()

    with pytest.raises(StaleSocket):
        asked(ours)


def test_an_answer_that_is_cut_is_no_stale_connection(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b"*2\r\n+a\r\n")
    theirs.shutdown(socket.SHUT_WR)

    with pytest.raises(ConnectionError) as failure:
        asked(ours)
    assert not isinstance(failure.value, StaleSocket)


@pytest.mark.parametrize(
    "form", [b"$%d\r\n" % (MOST_BYTES + 1), b"*100000\r\n" + b"$100\r\n%b\r\n" % (b"x" * 100) * 11_000]
)
def test_an_answer_that_is_too_large_is_not_read(ends: tuple[socket.socket, socket.socket], form: bytes) -> None:
    ours, theirs = ends

    def send() -> None:
        with contextlib.suppress(OSError):  # nobody reads it to its end
            theirs.sendall(form)

    thread = threading.Thread(target=send)
    thread.start()
    with pytest.raises(OversizedReply):
        asked(ours)
    ours.close()
    thread.join()
