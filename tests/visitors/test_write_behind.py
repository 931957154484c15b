"""What waits to be written: in order, bounded, and known to whoever reads meanwhile."""

from __future__ import annotations

import logging

import pytest

from openfeature_kameleoon.visitors.data import PageView, UserAgent
from openfeature_kameleoon.visitors.field_changes import ALIAS_OF, Changes, More
from openfeature_kameleoon.visitors.stored_form import ABSENT
from openfeature_kameleoon.visitors.write_behind import WriteBehind

A: Changes = {("data", 1): "a"}
B: Changes = {("data", 1): "b", ("data", 2): "b"}


def test_what_waits_longest_is_taken_first_and_once() -> None:
    pending = WriteBehind()
    for code in "vwu":
        pending.note(code, dict(A))

    assert list(pending.take(2)) == ["v", "w"]
    assert list(pending.take(2)) == ["u"]
    assert pending.take(2) == {}
    assert len(pending) == 3


def test_what_is_written_waits_no_more() -> None:
    pending = WriteBehind()
    pending.note("v", dict(B))
    pending.written(pending.take(9))

    assert len(pending) == 0


def test_what_changes_while_a_code_is_written_waits_for_its_end() -> None:
    pending = WriteBehind()
    pending.note("v", dict(A))
    batch = pending.take(9)
    pending.note("v", dict(B))

    assert pending.take(9) == {}
    pending.written(batch)
    assert pending.take(9) == {"v": B}


def test_what_was_not_written_waits_first_beneath_what_came_since() -> None:
    pending = WriteBehind()
    pending.note("v", {("data", 1): "a", ("data", 3): "a", ("views", "/"): More(1)})
    pending.note("w", dict(A))
    batch = pending.take(1)
    pending.note("v", {**B, ("views", "/"): More(2)})
    pending.release(batch)

    assert len(pending) == 5
    assert pending.take(1) == {"v": {("data", 3): "a", **B, ("views", "/"): More(3)}}


def test_a_code_that_has_become_another_visitors_is_not_written_over() -> None:
    pending = WriteBehind()
    pending.note("v", dict(A))
    batch = pending.take(1)
    pending.note("v", {ALIAS_OF: "w"})
    pending.release(batch)

    assert pending.take(1) == {"v": {ALIAS_OF: "w"}}


def test_the_oldest_visitors_make_room_and_are_counted() -> None:
    pending = WriteBehind(most_fields=5)
    for number in range(10):
        pending.note(f"{number}", dict(B))

    assert list(pending.take(99)) == ["8", "9"]
    assert (len(pending), pending.lost) == (4, 16)


def test_who_reads_is_told_what_a_read_may_not_know() -> None:
    pending = WriteBehind()
    pending.note("v", {("data", 1): "under way"})
    batch = pending.take(1)
    pending.note("v", {("data", 2): "waiting"})

    mine = pending.begin_reading("v")
    pending.written(batch)
    pending.note("v", {("data", 3): "since"})
    pending.written(pending.take(1))

    assert mine == {("data", 1): "under way", ("data", 2): "waiting", ("data", 3): "since"}
    pending.end_reading("v", mine)
    pending.note("v", {("data", 4): "later"})
    assert ("data", 4) not in mine


def test_several_may_read_a_visitor_at_once() -> None:
    pending = WriteBehind()
    one, other = pending.begin_reading("v"), pending.begin_reading("v")
    pending.end_reading("v", one)
    pending.note("v", dict(A))

    assert (one, other) == ({}, A)


def test_changes_become_the_fewest_commands_that_keep_others_work() -> None:
    changes: Changes = {
        ("first", "started"): 1.5,
        ("data", 1): "a",
        ("data", 2): ABSENT,
        ("forced", 7): ABSENT,
        ("page", "/"): (PageView("/"), 2.0),
        ("views", "/"): More(2),
    }

    assert WriteBehind().commands(b"key", changes, 1800_000, 0.0) == [
        (b"HSETNX", b"key", b"first:started", b"1.5"),
        (b"HINCRBY", b"key", b"views:/", b"2"),
        (b"HSET", b"key", b"data:1", b'"a"', b"page:/", b'{"time":2.0}'),
        (b"HDEL", b"key", b"data:2", b"forced:7"),
        (b"PEXPIRE", b"key", b"1800000"),
    ]


def test_a_link_begins_with_nothing() -> None:
    commands = WriteBehind().commands(b"key", {ALIAS_OF: "w"}, 1000, 0.0)

    assert [command[0] for command in commands] == [b"DEL", b"HSET", b"PEXPIRE"]


def test_what_cannot_be_written_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    pending = WriteBehind()

    for _ in range(3):
        changes = {("trait", "user_agent"): UserAgent("\ud800"), ("data", 1): "a"}
        assert pending.commands(b"key", changes, 1000, 0.0)[0] == (b"HSET", b"key", b"data:1", b'"a"')

    assert [record.getMessage() for record in caplog.records] == [
        "a visitor's data of kind trait cannot be shared: UnicodeEncodeError"
    ]
    assert pending.commands(b"key", {("data", 1): object()}, 1000, 0.0) == []
