"""Segments of the three kinds and their definitions (spec 2.7, 2.8, 2.11, 2.12)."""
# Operations are declared by signature alone, by the documented names.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...rest.endpoints import Arguments, done, endpoint
from ...rest.paging import Offsets, Slices, Whole
from ...rest.uploads import Response, put_file
from ..exceptions import AnswerIncomplete
from ..keys import parts
from ..resources.base import Body, Id, Listed, as_dict
from ..resources.flags import change_of
from ..resources.segments import (
    LargeSegment,
    LargeSegmentDefinition,
    RuleBasedSegment,
    RuleBasedSegmentDefinition,
    Segment,
    SegmentDefinition,
)
from .base import Microclient, as_sent, empty_text, in_environment, made

__all__ = [
    "LargeSegmentDefinitions",
    "LargeSegments",
    "RuleBasedSegmentDefinitions",
    "RuleBasedSegments",
    "SegmentDefinitions",
    "Segments",
]


class Segments(Microclient):
    """Lists of keys."""

    @endpoint("GET segments/ws/{workspace_id}", pages=Offsets(50), answers=made(Segment))
    def list(self, workspace_id: Id) -> Listed[Segment]:
        """The segments of a workspace (S1)."""

    def find(self, segment_name: str, workspace_id: Id) -> Segment | None:
        """The one of that name (S2)."""
        return self._first(self.list.iterate(workspace_id), segment_name)

    @endpoint(
        "POST segments/ws/{workspace_id}/trafficTypes/{traffic_type_name}",
        body=as_sent("segment"),
        answers=made(Segment),
    )
    def add(self, segment: Body, traffic_type_name: Id, workspace_id: Id) -> Segment:
        """Create one, for a traffic type by name or id (S3)."""

    @endpoint("DELETE segments/ws/{workspace_id}/{segment_name}")
    def delete(self, segment_name: Id, workspace_id: Id) -> Any:
        """Delete it, and its definitions everywhere (S4)."""

    @endpoint("POST segments/{environment_id}/{segment_name}", body=empty_text, answers=made(SegmentDefinition))
    def add_to_environment(self, segment_name: Id, environment_id: Id) -> SegmentDefinition:
        """Give it a list in an environment (S5)."""

    @endpoint("DELETE segments/{environment_id}/{segment_name}")
    def remove_from_environment(self, segment_name: Id, environment_id: Id) -> Any:
        """Remove its list from an environment (S6)."""


KEYS = "segments/{environment_id}/{segment_name}"


class SegmentDefinitions(Microclient):
    """Lists of keys, as one environment has them: 100,000 each at most, 10,000 a call."""

    @endpoint(
        "GET segments/ws/{workspace_id}/environments/{environment_id}",
        pages=Offsets(50),
        answers=in_environment(SegmentDefinition),
    )
    def list(self, environment_id: Id, workspace_id: Id) -> Listed[SegmentDefinition]:
        """The definitions in an environment (D1)."""

    def find(self, segment_name: str, environment_id: Id, workspace_id: Id) -> SegmentDefinition | None:
        """The one of that segment (D2)."""
        return self._first(self.list.iterate(environment_id, workspace_id), segment_name)

    @endpoint(
        f"GET {KEYS}/keys",
        pages=Offsets(100, inside="keys", total="count"),
        answers=lambda _microclient, item, _arguments: item["key"],
    )
    def get_keys(self, segment_name: Id, environment_id: Id) -> Listed[str]:
        """All keys (D3); ``get_keys.iterate`` holds one page of them."""

    @endpoint(
        f"GET {KEYS}/keys?limit=100&offset=0",
        answers=lambda _microclient, page, _arguments: int(page["count"]),
    )
    def get_key_count(self, segment_name: Id, environment_id: Id) -> int:
        """How many keys there are (D4)."""

    @endpoint(f"PUT {KEYS}/uploadKeys?replace={{replace_keys}}", body=as_sent("data"), answers=done)
    def import_keys_from_json(self, segment_name: Id, environment_id: Id, replace_keys: bool | str, data: Body) -> bool:
        """Add ``keys``, or put them in the place of those there; 10,000 at most (D5)."""

    @endpoint(f"PUT {KEYS}/removeKeys", body="data", answers=done)
    def _remove(self, segment_name: Id, environment_id: Id, data: Body) -> bool: ...

    def remove_keys(self, segment_name: Id, environment_id: Id, data: Body) -> bool:
        """Take ``keys`` out, 10,000 a call (D6)."""
        return all(self._remove(segment_name, environment_id, part) for part in parts(as_dict(data)))


class LargeSegments(Microclient):
    """Lists of up to a million keys, given as files."""

    @endpoint("GET large-segments/ws/{workspace_id}", pages=Whole(), answers=made(LargeSegment))
    def list(self, workspace_id: Id) -> Listed[LargeSegment]:
        """The large segments of a workspace (L1)."""

    def find(self, large_segment_name: str, workspace_id: Id) -> LargeSegment | None:
        """The one of that name (L2)."""
        return self._first(self.list.iterate(workspace_id), large_segment_name)

    @endpoint(
        "POST large-segments/ws/{workspace_id}/trafficTypes/{traffic_type_name}",
        body=as_sent("large_segment"),
        answers=made(LargeSegment),
    )
    def add(self, large_segment: Body, traffic_type_name: Id, workspace_id: Id) -> LargeSegment:
        """Create one, for a traffic type by name or id (L3)."""

    @endpoint("DELETE large-segments/ws/{workspace_id}/{large_segment_name}")
    def delete(self, large_segment_name: Id, workspace_id: Id) -> Any:
        """Delete it (L4)."""

    @endpoint(
        "POST large-segments/{environment_id}/{large_segment_name}",
        body=empty_text,
        answers=made(LargeSegmentDefinition),
    )
    def add_to_environment(
        self, large_segment_name: Id, environment_id: Id, workspace_id: Id
    ) -> LargeSegmentDefinition:
        """Give it a list in an environment (L5)."""

    @endpoint("DELETE large-segments/{environment_id}/{large_segment_name}", answers=done)
    def remove_from_environment(self, large_segment_name: Id, environment_id: Id) -> bool:
        """Remove its list from an environment (L6)."""


def _change(operation_type: str) -> Callable[[Arguments], object]:
    def body(arguments: Arguments) -> object:
        payload = {"largeSegment": {"name": arguments["name"]}}
        return change_of(payload, operation_type, *(arguments[name] for name in ("title", "comment", "approvers")))

    return body


CHANGE = "POST changeRequests/ws/{workspace_id}/environments/{environment_id}"


class LargeSegmentDefinitions(Microclient):
    """Lists of up to a million keys, as one environment has them; they cannot be read."""

    @endpoint(
        "GET large-segments/ws/{workspace_id}/environments/{environment_id}",
        pages=Whole(),
        answers=in_environment(LargeSegmentDefinition),
    )
    def list(self, environment_id: Id, workspace_id: Id) -> Listed[LargeSegmentDefinition]:
        """The definitions in an environment (LD1)."""

    def find(self, segment_name: str, environment_id: Id, workspace_id: Id) -> LargeSegmentDefinition | None:
        """The one of that segment (LD2)."""
        return self._first(self.list.iterate(environment_id, workspace_id), segment_name)

    @endpoint(CHANGE, body=_change("ARCHIVE"), answers=done)
    def remove_all_members(
        self, workspace_id: Id, environment_id: Id, name: Id, title: str, comment: str, approvers: Sequence[str]
    ) -> bool:
        """Ask for an empty list (LD3)."""

    @endpoint(CHANGE, body=_change("UPLOAD"))
    def submit_upload(
        self, workspace_id: Id, environment_id: Id, name: Id, title: str, comment: str, approvers: Sequence[str]
    ) -> Any:
        """Ask for a place to upload a file to, which ``upload_file`` takes; the change request as JSON (LD4)."""

    def upload_file(self, result: Mapping[str, Any], file_path: str | os.PathLike[str]) -> Response:
        """Upload a file to where ``submit_upload`` says; the keys, one a line (LD5)."""
        place = result.get("transactionMetadata") or {}
        if "url" not in place:
            raise AnswerIncomplete("the change request does not say where to upload the file to")
        host, *_ = (place.get("headers") or {}).get("Host") or [None]
        headers = {"Host": host} if host else {}
        return put_file(place["url"], file_path, like=self._rest, headers=headers, progress=self.progress)


def _slices(arguments: Arguments) -> Slices:
    if arguments["limit"] < 1:
        raise ValueError("limit is how many come at a time: 1 or more")
    return Slices(arguments["limit"], offset=arguments["offset"])


class RuleBasedSegments(Microclient):
    """Those who fulfil conditions. One can be deleted when no environment defines it any more."""

    @endpoint("GET rule-based-segments/ws/{workspace_id}", pages=_slices, answers=made(RuleBasedSegment))
    def list(self, workspace_id: Id, offset: int = 0, limit: int = 50) -> Listed[RuleBasedSegment]:
        """The rule-based segments of a workspace (B1)."""

    def find(self, segment_name: str, workspace_id: Id) -> RuleBasedSegment | None:
        """The one of that name (B2)."""
        return self._first(self.list.iterate(workspace_id), segment_name)

    @endpoint(
        "POST rule-based-segments/ws/{workspace_id}/trafficTypes/{traffic_type_name}",
        body=as_sent("segment"),
        answers=made(RuleBasedSegment),
    )
    def add(self, segment: Body, traffic_type_name: Id, workspace_id: Id) -> RuleBasedSegment:
        """Create one, for a traffic type by name or id (B3)."""

    @endpoint("DELETE rule-based-segments/ws/{workspace_id}/{segment_name}")
    def delete(self, segment_name: Id, workspace_id: Id) -> Any:
        """Delete it (B4)."""

    @endpoint(
        "POST rule-based-segments/{environment_id}/{segment_name}",
        body=empty_text,
        answers=made(RuleBasedSegmentDefinition),
    )
    def add_to_environment(
        self, segment_name: Id, environment_id: Id, workspace_id: Id = None
    ) -> RuleBasedSegmentDefinition:
        """Give it conditions in an environment (B5)."""

    @endpoint("DELETE rule-based-segments/{environment_id}/{segment_name}")
    def remove_from_environment(self, segment_name: Id, environment_id: Id) -> Any:
        """Remove its conditions from an environment (B6)."""


class RuleBasedSegmentDefinitions(Microclient):
    """Conditions, as one environment has them."""

    @endpoint(
        "GET rule-based-segments/ws/{workspace_id}/environments/{environment_id}",
        pages=_slices,
        answers=in_environment(RuleBasedSegmentDefinition),
    )
    def list(
        self, environment_id: Id, workspace_id: Id, offset: int = 0, limit: int = 50
    ) -> Listed[RuleBasedSegmentDefinition]:
        """The definitions in an environment (BD1)."""

    def find(self, segment_name: str, environment_id: Id, workspace_id: Id) -> RuleBasedSegmentDefinition | None:
        """The one of that segment (BD2)."""
        return self._first(self.list.iterate(environment_id, workspace_id), segment_name)

    @endpoint(
        "PUT rule-based-segments/ws/{workspace_id}/{segment_name}/environments/{environment_id}",
        body=as_sent("data"),
        answers=made(RuleBasedSegmentDefinition),
    )
    def update(self, segment_name: Id, environment_id: Id, workspace_id: Id, data: Body) -> RuleBasedSegmentDefinition:
        """Replace ``rules``, ``excludedKeys`` and ``excludedSegments`` (BD3)."""

    @endpoint("DELETE rule-based-segments/{environment_id}/{segment_name}", answers=done)
    def delete(self, segment_name: Id, environment_id: Id) -> bool:
        """Remove it from its environment (BD4)."""
