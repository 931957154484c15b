"""Segments of the three kinds, and their definitions in an environment (spec 3.3, 4, 5)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ...rest.fields import field
from .. import keys as key_files
from .base import Body, Id, SplitRecord, Via, as_dict, inner, unless_zero
from .flags import ChangeRequest, change_of
from .schema import TrafficType

__all__ = [
    "LargeSegment",
    "LargeSegmentDefinition",
    "RuleBasedSegment",
    "RuleBasedSegmentDefinition",
    "Segment",
    "SegmentDefinition",
]


class _Segment(SplitRecord):
    """What the three kinds have, as all environments have it."""

    stamps = ("workspace_id",)
    id = field(str, wire="name")
    name = field(str)
    description = field(str)
    traffic_type = inner(TrafficType)
    workspace_id = field(str)
    tags = field(list)
    creation_time = field(int, default=int)


class _Definition(SplitRecord):
    """What the three kinds have, as one environment has it."""

    id = field(str, wire="name")
    name = field(str)
    environment = field(dict)
    traffic_type = inner(TrafficType)
    creation_time = field(int, read=unless_zero)

    @property
    def environment_id(self) -> Id:
        """Of its environment."""
        return self.environment.get("id") if self.environment else None


class Segment(_Segment):
    """A list of keys for each environment."""

    def add_to_environment(self, environment_id: Id, apiclient: Via = None) -> SegmentDefinition:
        """Give it a list in an environment (S5)."""
        return self._via(apiclient).segments.add_to_environment(self.name, environment_id)

    def remove_from_environment(self, environment_id: Id, apiclient: Via = None) -> Any:
        """Remove its list from an environment (S6)."""
        return self._via(apiclient).segments.remove_from_environment(self.name, environment_id)


class SegmentDefinition(_Definition):
    """A list of keys."""

    tags = field(list)

    def get_keys(self, apiclient: Via = None) -> list[str]:
        """All keys (D3)."""
        return self._via(apiclient).segment_definitions.get_keys(self.name, self.environment_id)

    def get_key_count(self, apiclient: Via = None) -> int:
        """How many keys there are (D4)."""
        return self._via(apiclient).segment_definitions.get_key_count(self.name, self.environment_id)

    def export_keys_to_csv(self, csv_file_name: str | os.PathLike[str], apiclient: Via = None) -> bool:
        """Write all keys to a file, one a line; the file is there when all of them are (D3, spec 4.1)."""
        keys = self._via(apiclient).segment_definitions.get_keys.iterate(self.name, self.environment_id)
        key_files.write(csv_file_name, keys)
        return True

    def import_keys_from_csv(
        self,
        csv_file_name: str | os.PathLike[str],
        replace_keys: bool | str = False,
        comment: str = "",
        apiclient: Via = None,
    ) -> bool:
        """Add the keys of a file as ``export_keys_to_csv`` writes it, or put them in the place of those there.

        Raises ``InvalidArgumentException`` for a line that is no key, before anything is sent.
        """
        keys = list(key_files.read(csv_file_name))
        return self.import_keys_from_json(replace_keys, {"keys": keys, "comment": comment}, apiclient)

    def import_keys_from_json(self, replace_keys: bool | str, json_data: Body, apiclient: Via = None) -> bool:
        """Add ``keys``, or put them in the place of those there; 10,000 a call, the first of which replaces (D5)."""
        definitions = self._via(apiclient).segment_definitions
        for number, part in enumerate(key_files.parts(as_dict(json_data))):
            replaces = replace_keys if number == 0 else False
            definitions.import_keys_from_json(self.name, self.environment_id, replaces, part)
        return True

    def remove_keys(self, json_data: Body, apiclient: Via = None) -> bool:
        """Take ``keys`` out, 10,000 a call (D6)."""
        return self._via(apiclient).segment_definitions.remove_keys(self.name, self.environment_id, json_data)

    def submit_change_request(
        self,
        keys: Sequence[str],
        operation_type: str,
        title: str,
        comment: str,
        approvers: Sequence[str],
        rollout_status_id: Id,
        workspace_id: Id,
        apiclient: Via = None,
    ) -> ChangeRequest:
        """Ask for keys to be added (``CREATE``) or removed (``ARCHIVE``) (C4)."""
        segment = {"segment": {"name": self.name, "keys": list(keys)}}
        change = change_of(segment, operation_type, title, comment, approvers, rollout_status_id)
        return self._via(apiclient).change_requests.submit_change_request(self.environment_id, workspace_id, change)


class LargeSegment(_Segment):
    """A list of up to a million keys for each environment, given as a file."""

    def add_to_environment(self, environment_id: Id, apiclient: Via = None) -> LargeSegmentDefinition:
        """Give it a list in an environment (L5)."""
        return self._via(apiclient).large_segments.add_to_environment(self.name, environment_id, self.workspace_id)

    def remove_from_environment(self, environment_id: Id, apiclient: Via = None) -> bool:
        """Remove its list from an environment (L6)."""
        return self._via(apiclient).large_segments.remove_from_environment(self.name, environment_id)


class LargeSegmentDefinition(_Definition):
    """A list of keys that cannot be read."""

    stamps = ("workspace_id",)
    fixed = frozenset({"id"})
    id = field(str)
    workspace_id = field(str)

    def submit_upload(
        self,
        title: str,
        comment: str,
        approvers: Sequence[str],
        filePath: str | os.PathLike[str],  # noqa: N803  # the documented name
        apiclient: Via = None,
    ) -> Any:
        """Put the keys of a file, one a line, in the place of those there (LD4, LD5).

        Gives the answer to the upload. The service goes on by itself: the change request's status tells how far it is.
        """
        definitions = self._via(apiclient).large_segment_definitions
        with open(filePath, "rb"):  # what cannot be read is told before anything is asked for
            place = (self.workspace_id, self.environment_id, self.name)
            result = definitions.submit_upload(*place, title, comment, approvers)
            return definitions.upload_file(result, filePath)

    def remove_all_members(self, title: str, comment: str, approvers: Sequence[str], apiclient: Via = None) -> bool:
        """Ask for an empty list (LD3)."""
        place = (self.workspace_id, self.environment_id, self.name)
        return self._via(apiclient).large_segment_definitions.remove_all_members(*place, title, comment, approvers)


class RuleBasedSegment(_Segment):
    """Those who fulfil conditions, in each environment its own."""

    def add_to_environment(self, environment_id: Id, apiclient: Via = None) -> RuleBasedSegmentDefinition:
        """Give it conditions in an environment (B5)."""
        segments = self._via(apiclient).rule_based_segments
        return segments.add_to_environment(self.name, environment_id, self.workspace_id)

    def remove_from_environment(self, environment_id: Id, apiclient: Via = None) -> Any:
        """Remove its conditions from an environment (B6)."""
        return self._via(apiclient).rule_based_segments.remove_from_environment(self.name, environment_id)


class RuleBasedSegmentDefinition(_Definition):
    """Conditions of which any must hold, and keys and segments that are out all the same."""

    stamps = ("workspace_id",)
    rules = field(list)
    excluded_keys = field(list)
    excluded_segments = field(list)
    tags = field(list)
    title = field(str)
    comment = field(str)
    workspace_id: Id

    def __init__(self, data: Mapping[str, Any] | None = None, client: Via = None, workspace_id: Id = None) -> None:
        super().__init__(data, client)
        self.workspace_id = workspace_id

    def update(self, data: Body, workspace_id: Id = None, apiclient: Via = None) -> RuleBasedSegmentDefinition:
        """Replace it (BD3)."""
        known = workspace_id or self.workspace_id
        if known is None:
            raise ValueError("workspace_id is required argument")
        definitions = self._via(apiclient).rule_based_segment_definitions
        return definitions.update(self.name, self.environment_id, known, data)

    def delete(self, apiclient: Via = None) -> bool:
        """Remove it from its environment (BD4)."""
        return self._via(apiclient).rule_based_segment_definitions.delete(self.name, self.environment_id)

    def submit_change_request(
        self,
        rules: Sequence[Any],
        excluded_keys: Sequence[str],
        excluded_segments: Sequence[Any],
        operation_type: str,
        title: str,
        comment: str,
        approvers: Sequence[str],
        workspace_id: Id = None,
        apiclient: Via = None,
    ) -> ChangeRequest:
        """Ask for it to be replaced (C4)."""
        asked = {"rules": rules, "excludedKeys": excluded_keys, "excludedSegments": excluded_segments}
        change = change_of(
            {"ruleBasedSegment": {"name": self.name, **asked}}, operation_type, title, comment, approvers
        )
        place = (self.environment_id, workspace_id or self.workspace_id)
        return self._via(apiclient).change_requests.submit_change_request(*place, change)
