"""One flag of a visitor, as 3.x shows it: its value beside a default, what it stands in, and that it was seen.

It looks at the visitor's flags when it is asked, not when it is made (specs/flagship.md 1.9, 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..transport.foreign_text import printable
from .engine.evaluation import Evaluation
from .engine.values import Outcome, Typing
from .errors import FlagExpositionNotFoundException, FlagNotFoundException, FlagTypeException
from .log_manager import Log

__all__ = ["Flag", "FlagMetadata", "FlagSource", "no_such_exposition"]


class FlagSource(Protocol):
    """The visitor whose flag it is."""

    @property
    def log(self) -> Log:
        """Who is told of what goes wrong."""

    @property
    def typing(self) -> Typing:
        """Which defaults a value fits."""

    def readable(self, key: str) -> tuple[bool, Evaluation | None]:
        """Whether values may be read now, which is told if not, and what the visitor gets of the flag."""

    def facts(self, key: str) -> Evaluation | None:
        """The same for metadata, where nothing is told."""

    def expose(self, evaluation: Evaluation | None, key: str) -> None:
        """Report that the visitor saw it, where that is allowed."""


@dataclass(frozen=True, slots=True)
class FlagMetadata:
    """What a flag stands in; all empty for a flag that the visitor does not get.

    ``campaign_slug`` is empty when the campaign has no such member, and ``None`` when it is null.
    """

    campaign_id: str = ""
    variation_group_id: str = ""
    variation_id: str = ""
    is_reference: bool = False
    campaign_type: str = ""
    campaign_slug: str | None = ""

    def exists(self) -> bool:
        """Whether the ids of campaign, variation group and variation are all known."""
        return bool(self.campaign_id and self.variation_group_id and self.variation_id)

    def toJson(self) -> dict[str, Any]:  # noqa: N802  # the vendor's name
        """The same by the vendor's names."""
        return {
            "campaignId": self.campaign_id,
            "variationGroupId": self.variation_group_id,
            "variationId": self.variation_id,
            "isReference": self.is_reference,
            "campaignType": self.campaign_type,
            "campaignSlug": self.campaign_slug,
        }

    @classmethod
    def of(cls, evaluation: Evaluation | None) -> FlagMetadata:
        """What an evaluation tells."""
        variation = evaluation.variation if evaluation is not None else None
        if variation is None:
            return NO_METADATA
        return cls(
            variation.campaign_id,
            variation.group_id,
            variation.id,
            variation.is_reference,
            variation.campaign_type,
            variation.campaign_slug,
        )


NO_METADATA = FlagMetadata()


class Flag:
    """A flag by its key, with the value that stands for it where there is none of the right type."""

    def __init__(self, source: FlagSource, key: str, default_value: Any) -> None:
        self.key = key
        self.default_value = default_value
        self._source = source

    def __repr__(self) -> str:
        return f"Flag({self.key!r})"

    def value(self, visitor_exposed: bool = True) -> Any:
        """The value, or the default: a mapping or list is a copy. Unless told otherwise it counts as seen.

        One of another type than the default is not shown, and so does not count as seen.
        """
        source = self._source
        is_readable, evaluation = source.readable(self.key)
        if not is_readable:
            return self.default_value
        name = printable(self.key, 60)
        if evaluation is None:
            source.log.tell_of("Flag", FlagNotFoundException(f"[FlagNotFoundError] the visitor has no flag {name}"))
            return self.default_value
        value, outcome = source.typing.apply(evaluation, self.default_value)
        if outcome is not Outcome.VALUE:
            held = "null" if evaluation.value is None else type(evaluation.value).__name__
            wanted = type(self.default_value).__name__
            text = f"[FlagTypeError] flag {name} is {held}, its default {wanted}: the default is returned"
            source.log.tell_of("Flag", FlagTypeException(text))
        if visitor_exposed and outcome is not Outcome.MISMATCH:
            source.expose(evaluation, self.key)
        return value

    def visitor_exposed(self) -> None:
        """Report that the visitor saw it."""
        self._source.expose(self._source.facts(self.key), self.key)

    def exists(self) -> bool:
        """Whether the visitor gets it of some variation."""
        return self.metadata().exists()

    def metadata(self) -> FlagMetadata:
        """What it stands in."""
        return FlagMetadata.of(self._source.facts(self.key))


def no_such_exposition(key: str) -> FlagExpositionNotFoundException:
    """What is told of the exposure of a flag that the visitor does not get."""
    return FlagExpositionNotFoundException(f"the visitor has no flag {printable(key, 60)}: nothing is sent")
