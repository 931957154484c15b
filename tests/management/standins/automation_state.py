"""What the Automation API stand-in remembers: objects by resource, id counters, locks and some switches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import chain
from typing import Any

from tests.management.standins.automation_fields import Field, Object, Refused

__all__ = ["ACCOUNT_ID", "ENVIRONMENTS", "SITE_CODE", "SITE_ID", "Collection", "Resource", "State"]

ACCOUNT_ID = 70551
SITE_ID = 9120
SITE_CODE = "k3v9qd7w2m"
ENVIRONMENTS = ("development", "staging", "production")

OTHER_COUNTERS = {"rules": 40011, "conditions": 101, "rollbackConditions": 71, "reports": 71523098861240552198004417}


REFERENCES = {
    **dict.fromkeys(("segmentId", "targetingSegmentId"), "segments"),
    **dict.fromkeys(("goalId", "mainGoalId", "primaryGoalId", "goals", "secondaryGoalIds"), "goals"),
    "customDataId": "custom-datas",
}


class Collection:
    """Objects by rising id. Those of ``fill`` are made each time they are listed, and kept once asked for by id."""

    def __init__(self, first_id: int) -> None:
        self.next_id = first_id
        self._ids: list[range] = []
        self._makers: list[tuple[range, Callable[[int], Object]]] = []
        self._kept: dict[int, Object] = {}
        self._removed: set[int] = set()

    def new_id(self) -> int:
        """The next id; never given twice."""
        self.next_id += 1
        return self.next_id - 1

    def keep(self, item: Object) -> None:
        """Hold this object under its id."""
        if item["id"] not in self:
            self._ids.append(range(item["id"], item["id"] + 1))
            self.next_id = max(self.next_id, item["id"] + 1)
        self._kept[item["id"]] = item

    def fill(self, count: int, make: Callable[[int], Object]) -> range:
        """Objects that exist while looked at: ``make`` builds one from its id. Answers their ids."""
        ids = range(self.next_id, self.next_id + count)
        self.next_id += count
        self._ids.append(ids)
        self._makers.append((ids, make))
        return ids

    def get(self, id_: int) -> Object | None:
        """The object itself, to be read or changed."""
        if id_ not in self._kept and id_ in self:
            self._kept[id_] = self._look(id_)
        return self._kept.get(id_)

    def remove(self, id_: int) -> None:
        """Forget the object; its id stays used."""
        self._kept.pop(id_, None)
        self._removed.add(id_)

    def window(self, part: slice) -> list[Object]:
        """Some of the objects by place; the others are not made."""
        ids: list[int] = []
        if self._removed:
            ids = [id_ for id_ in chain.from_iterable(self._ids) if id_ not in self._removed][part]
        else:
            start, stop = part.start, part.stop
            for block in self._ids:
                ids.extend(block[max(start, 0) : max(stop, 0)])
                start, stop = start - len(block), stop - len(block)
        return [self._look(id_) for id_ in ids]

    def _look(self, id_: int) -> Object:
        kept = self._kept.get(id_)
        return kept if kept is not None else next(make(id_) for ids, make in self._makers if id_ in ids)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._kept or (id_ not in self._removed and any(id_ in ids for ids, _ in self._makers))

    def __len__(self) -> int:
        return sum(map(len, self._ids)) - len(self._removed)

    def __iter__(self) -> Iterator[Object]:
        for id_ in chain.from_iterable(list(self._ids)):
            if id_ not in self._removed:
                yield self._look(id_)


def _nothing(*_: Any) -> None:
    pass


def _as_stored(_: State) -> Callable[[Object], Object]:
    return lambda item: item


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One row of the table of resources: its verbs, its fields and what it does beyond storing them.

    ``sent_only`` fields come in a create body and are never shown; of ``either`` one has to come; ``aliases`` are
    other names of fields in bodies.
    ``allow(state, changes, before)`` refuses or mends changes, ``before`` being ``None`` for what is new;
    ``complete(state, item)`` fills in what follows from the item alone; ``created(state, item)``,
    ``changed(state, item, before)`` and ``removing(state, item)`` see to other objects; ``derive(state)`` answers how
    an item is shown, and ``hidden(item)`` whether only a write can still find it.
    """

    first_id: int
    verbs: str
    fields: Mapping[str, Field]
    sent_only: Mapping[str, Field] = field(default_factory=dict)
    either: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    modified: str = "dateModified"
    allow: Callable[[State, Object, Object | None], None] = _nothing
    complete: Callable[[State, Object], None] = _nothing
    created: Callable[[State, Object], None] = _nothing
    changed: Callable[[State, Object, Object], None] = _nothing
    removing: Callable[[State, Object], None] = _nothing
    derive: Callable[[State], Callable[[Object], Object]] = _as_stored
    hidden: Callable[[Object], bool] | None = None

    def blank(self) -> Object:
        """The defaults of all fields."""
        defaults = {key: row.default for key, row in self.fields.items()}
        return {key: deepcopy(value) if isinstance(value, dict | list) else value for key, value in defaults.items()}

    @property
    def filters(self) -> dict[str, bool]:
        """Fields to filter or sort by, and whether they hold literals."""
        return {"id": False, **{name: bool(field.values) for name, field in self.fields.items()}}


@dataclass(slots=True)
class State:
    """Everything behind the API. The attributes with a default are for tests to set.

    ``locked`` holds (resource, id) as in ``("experiments", 31877)``; ``integration_tools`` goes by site id,
    ``environments`` by site code, ``tags`` by type, and those two add to what the objects say.
    """

    resources: Mapping[str, Resource]
    clock: Callable[[], float] = time.time
    environments: dict[str, list[str]] = field(default_factory=dict)
    integration_tools: dict[int, list[Object]] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)
    locked: set[tuple[str, int]] = field(default_factory=set)
    checks_references: bool = False
    hides_new_variations: bool = False
    lower_case_statuses: bool = False
    writes_zone: bool = False
    counters: Counter[str] = field(default_factory=lambda: Counter(OTHER_COUNTERS))
    objects: dict[str, Collection] = field(init=False)
    flag_variation_ids: dict[tuple[int, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.objects = {name: Collection(resource.first_id) for name, resource in self.resources.items()}

    def next_id(self, counter: str) -> int:
        """The next id of a part that is no resource of its own."""
        self.counters[counter] += 1
        return self.counters[counter] - 1

    def now(self) -> str:
        """The time as the API writes it."""
        read = datetime.fromtimestamp(int(self.clock()), timezone.utc)
        return read.strftime("%Y-%m-%dT%H:%M:%SZ" if self.writes_zone else "%Y-%m-%dT%H:%M:%S")

    def environments_of(self, site_code: str) -> list[str]:
        """Keys of the site's environments."""
        return self.environments.get(site_code, list(ENVIRONMENTS))

    def site(self, site_id: Any) -> Object:
        """The site with this id, or 404."""
        found = self.objects["sites"].get(site_id)
        if found is None:
            raise Refused(404, f"Site {site_id} not found")
        return found

    def site_by_code(self, code: Any) -> Object:
        """The site with this code, or 404."""
        for site in self.objects["sites"]:
            if site["code"] == code:
                return self.site(site["id"])
        raise Refused(404, f"Site {code} not found")

    def find(self, name: str, id_: int) -> Object:
        """The object, or 404."""
        found = self.objects[name].get(id_)
        if found is None:
            raise Refused(404)
        return found

    def find_to_write(self, name: str, id_: int) -> Object:
        """The object, or 404, or 423 while it is locked."""
        found = self.find(name, id_)
        if (name, id_) in self.locked:
            raise Refused(423)
        return found

    def refer(self, value: Any, site_id: Any, name: str = "") -> None:
        """Refuse ids of what is not on the site, while ``checks_references``."""
        if not self.checks_references:
            return
        for key, each in value.items() if isinstance(value, dict) else ():
            self.refer(each, site_id, key)
        for each in value if isinstance(value, list) else ():
            self.refer(each, site_id, name)
        if name in REFERENCES and isinstance(value, int):
            found = self.objects[REFERENCES[name]].get(value)
            if found is None or found["siteId"] != site_id:
                raise Refused(400, f"{name}: {value} is not on site {site_id}")

    def add(self, name: str, given: Object) -> Object:
        """A new object: the given fields, read-only ones too, over the defaults."""
        resource, given = self.resources[name], deepcopy(given)
        if "siteId" in resource.fields:
            self.refer(given, self.site(given.get("siteId", SITE_ID))["id"])
        resource.allow(self, given, None)
        item = self.complete(name, {**given, "id": given.get("id") or self.objects[name].new_id()})
        self.objects[name].keep(item)
        resource.created(self, item)
        return item

    def fill(self, name: str, count: int, make: Callable[[int], Object]) -> range:
        """Many objects that cost nothing until looked at; ``make`` gives what differs from the defaults, by id."""
        return self.objects[name].fill(count, lambda id_: self.complete(name, {**make(id_), "id": id_}))

    def complete(self, name: str, given: Object) -> Object:
        """The given fields over the defaults, with dates."""
        resource, now = self.resources[name], self.now()
        dates = dict.fromkeys(("dateCreated", "dateStatusModified", resource.modified), now)
        item = {
            **resource.blank(),
            **{date: now for date in dates if date in resource.fields},
            **given,
        }
        resource.complete(self, item)
        return item

    def change(self, name: str, item: Object, changes: Object) -> None:
        """Write fields of an object that is there."""
        resource, before = self.resources[name], deepcopy(item)
        self.refer(changes, item.get("siteId"))
        resource.allow(self, changes, before)
        item.update(changes)
        if resource.modified in resource.fields:
            item[resource.modified] = self.now()
        resource.changed(self, item, before)

    def remove(self, name: str, item: Object) -> None:
        """Delete an object, unless its resource refuses."""
        self.resources[name].removing(self, item)
        self.objects[name].remove(item["id"])
