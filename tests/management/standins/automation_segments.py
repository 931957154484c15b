"""Segments of the Automation API stand-in: the grammar of their conditions, who uses them, and what is left behind."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from tests.management.standins.automation_fields import Field, Object, Refused, check, enum, many, some
from tests.management.standins.automation_resources import DATES, OWNER, flag, number, site_id, text, whole
from tests.management.standins.automation_state import Resource, State

__all__ = ["ONE_CONDITION", "SEGMENTS", "put_condition"]

# --- conditions ---------------------------------------------------------------------------------------------------

STRINGS = enum("EXACT CONTAINS REGULAR_EXPRESSION AMONG_VALUES ANY UNDEFINED", "n")
NUMBERS = enum("EQUAL GREATER LOWER", "n")
VERSION: Mapping[str, Field] = {"version": text("n"), "versionMatchType": NUMBERS}
PAGE: Mapping[str, Field] = {"url": text("n"), "matchType": STRINGS}
VISITS: Mapping[str, Field] = {"visitCount": whole("n"), "matchType": NUMBERS}
TIMES: Mapping[str, Field] = {"countInMillis": whole("n"), "matchType": NUMBERS}

CONDITION: Mapping[str, Field] = {
    "targetingType": text("N", length=(1, 255)),
    "weight": whole("N"),
    "include": flag("n", True),
    "id": whole("n"),
}
CONDITIONS: dict[str, Mapping[str, Field]] = {
    "CUSTOM_DATUM": {
        "customDataIndex": text("N"),
        "valueMatchType": enum(" ".join((*STRINGS.values, *NUMBERS.values, "TRUE", "FALSE")), "n"),
        "value": text("n"),
    },
    "VISITOR_CODE": {"visitorCode": text("n"), "matchType": enum("EXACT CONTAINS REGULAR_EXPRESSION", "n")},
    "DEVICE_TYPE": {"device": enum("DESKTOP TABLET PHONE", "N")},
    "BROWSER": {"browser": enum("CHROME IE FIREFOX SAFARI OPERA OTHER", "n"), **VERSION},
    "OPERATING_SYSTEM": {"os": text("n")},
    "GEOLOCATION": {name: text("n") for name in ("country", "region", "city")},
    "SDK_LANGUAGE": {"sdkLanguage": text("n"), **VERSION},
    "APPLICATION_VERSION": VERSION,
    "COOKIE": {"name": text("n"), "nameMatchType": STRINGS, "value": text("n"), "valueMatchType": STRINGS},
    "PAGE_URL": PAGE,
    "PREVIOUS_PAGE": PAGE,
    "PAGE_TITLE": {"title": text("n"), "matchType": STRINGS},
    "PAGE_VIEWS": {"pageCount": whole("n"), "matchType": NUMBERS},
    "VISITS": VISITS,
    "SAME_DAY_VISITS": VISITS,
    "FIRST_VISIT": TIMES,
    "LAST_VISIT": TIMES,
    "NEW_VISITORS": {"visitorType": text("n")},
    "CONVERSIONS": {"goalId": whole("n"), "visitScope": enum("CURRENT_VISIT VISITOR", "n"), "visitCount": whole("n")},
    "SEGMENT": {"segmentId": whole("N")},
    "TARGET_FEATURE_FLAG": {"featureFlagId": whole("N"), "variationKey": text("n"), "ruleId": whole("n")},
    "TARGET_EXPERIMENT": {"experimentId": whole("N"), "variationId": whole("n"), "variationMatchType": text("n")},
    "TARGET_PERSONALIZATION": {"personalizationId": whole("N")},
    "EXCLUSIVE_EXPERIMENT": {"campaignType": enum("EXPERIMENT PERSONALIZATION ANY", "n")},
    "HEAT_SLICE": {
        "goalId": whole("n"),
        "keyMomentId": whole("n"),
        "lowerBound": number("n"),
        "upperBound": number("n"),
    },
    "JS_CODE": {"jsCode": text("N"), "applied": enum("IMMEDIATE", "n")},
    "ACTIVE_SESSION": {
        "count": whole("n"),
        "matchType": NUMBERS,
        "unitOfTime": enum("SECOND MINUTE HOUR DAY", "n"),
    },
}
"""What is known of a type's own fields; the other types are stored as they come."""


def _condition_fits(at: str, condition: Object) -> None:
    check(CONDITIONS.get(condition["targetingType"], {}), condition, prefix=f"{at}.")


ONE_CONDITION = some("N", inner=CONDITION, each=_condition_fits)
GROUP = {"orOperators": many("booleans", "n"), "conditions": many(ways="N", inner=CONDITION, each=_condition_fits)}
LEVELS = {"firstLevelOrOperators": many("booleans", "n"), "firstLevel": many(ways="N", inner=GROUP)}
LINKS = {False: "AND", True: "OR"}


def _conditions(data: Object | None) -> Iterator[Object]:
    for group in (data or {}).get("firstLevel", []):
        yield from group["conditions"]


def _joined(items: list[Object], or_operators: list[bool]) -> Object:
    """Neighbours linked from left to right; those with one link become one block."""
    tree: Object = items[0] if items else {"isConditionBlock": True, "logicalOperator": "AND", "conditionData": []}
    is_open = False
    for place, item in enumerate(items[1:]):
        link = LINKS[or_operators[place] if place < len(or_operators) else False]
        if is_open and tree["logicalOperator"] == link:
            tree["conditionData"].append(item)
        else:
            tree = {"isConditionBlock": True, "logicalOperator": link, "conditionData": [tree, item]}
        is_open = True
    return tree


def _as_tree(data: Object | None) -> Object:
    groups = [
        _joined(group["conditions"], group.get("orOperators", [])) for group in (data or {}).get("firstLevel", [])
    ]
    return _joined(groups, (data or {}).get("firstLevelOrOperators", []))


def _as_list(node: Object, parent_id: int | None = None, counter: list[int] | None = None) -> list[Object]:
    counter = [0] if counter is None else counter
    counter[0] += 1
    id_, is_block = counter[0], node.get("isConditionBlock", False)
    row = {
        "id": id_,
        "parentId": parent_id,
        "isConditionBlock": is_block,
        "logicalOperator": node.get("logicalOperator"),
    }
    children = node["conditionData"] if is_block else []
    rows = [{**row, "targetingCondition": None if is_block else node}]
    return rows + [each for child in children for each in _as_list(child, id_, counter)]


def _from_tree(tree: Object) -> Object:
    """The two levels that say the same as a tree no deeper than they are."""
    groups, links = _children(tree)
    first_level = []
    for group in groups:
        leaves, inner = _children(group)
        if any(leaf.get("isConditionBlock") for leaf in leaves):
            raise Refused(400, "conditionDataTree: deeper than two levels")
        first_level.append({"orOperators": inner, "conditions": leaves})
    return {"firstLevelOrOperators": links, "firstLevel": first_level}


def _children(node: Object) -> tuple[list[Object], list[bool]]:
    if not node.get("isConditionBlock"):
        return [node], []
    children = node.get("conditionData")
    if not isinstance(children, list) or not all(isinstance(child, dict) for child in children):
        raise Refused(400, "conditionDataTree.conditionData: must be an array of objects")
    return children, [node.get("logicalOperator") == "OR"] * (len(children) - 1)


def _numbered(state: State, condition: Object) -> Object:
    shown = {name: value for name, value in condition.items() if name != "htmlDescription"}
    return {"include": True, **shown, "id": condition.get("id") or state.next_id("conditions")}


def _settle(state: State, data: Object, known: set[int]) -> None:
    """Give each condition an id; one that came with an id must be the segment's own."""
    strange = [each["id"] for each in _conditions(data) if each.get("id") is not None and each["id"] not in known]
    if strange:
        raise Refused(400, f"conditionsData: the segment has no condition {strange[0]}; a new one comes without an id")
    for group in data["firstLevel"]:
        group["conditions"] = [_numbered(state, condition) for condition in group["conditions"]]


def put_condition(state: State, segment: Object, id_: int, body: Object) -> Object:
    """Replace one condition, which keeps its id; 404 for one of another segment."""
    for group in (segment["conditionsData"] or {}).get("firstLevel", []):
        for place, condition in enumerate(group["conditions"]):
            if condition["id"] == id_:
                state.refer(body, segment["siteId"])
                group["conditions"][place] = _numbered(state, {**body, "id": id_})
                segment["dateModified"] = state.now()
                return dict(group["conditions"][place])
    raise Refused(404)


# --- segments -----------------------------------------------------------------------------------------------------

SEGMENT = {
    "siteId": site_id(),
    "name": text("Np", "", length=(1, 255)),
    "segmentType": enum("STANDARD KEY_MOMENT FEATURE_FLAG ALL", "nR", "STANDARD"),
    "description": text("np", ""),
    "conditionsData": some("nR", {"firstLevelOrOperators": [], "firstLevel": []}, inner=LEVELS),
    "conditionDataTree": some("n"),
    "conditionDataList": many(),
    "audienceTracking": flag("np"),
    "audienceTrackingEditable": flag(default=True),
    "isFavorite": flag("np"),
    "isDeleted": flag("p"),
    "userVisible": flag("n", True),
    "tags": many("strings", "np"),
    "hasSegmentCondition": flag(),
    "usedBySegmentCondition": flag(),
    "experimentAmount": whole(default=0),
    "experiments": many("integers"),
    "featureFlagAmount": whole(default=0),
    "personalizationAmount": whole(default=0),
    "personalizations": many("integers"),
    **OWNER,
    **DATES,
}


def _segment_fits(state: State, changes: Object, before: Object | None) -> None:
    after = {"siteId": 0, **(before or {}), **changes}
    tree = changes.pop("conditionDataTree", None)
    if tree is not None and not changes.get("conditionsData"):
        changes["conditionsData"] = _from_tree(deepcopy(tree))
        check({"conditionsData": SEGMENT["conditionsData"]}, changes)
    if before is None or changes.get("name", before["name"]) != before["name"]:
        for other in state.objects["segments"]:
            same_place = other["siteId"] == after["siteId"] and not other["isDeleted"]
            if same_place and other["name"] == after["name"]:
                raise Refused(400, "A segment with the same name already exists")
    if changes.get("conditionsData"):
        _settle(
            state, changes["conditionsData"], {each["id"] for each in _conditions((before or {}).get("conditionsData"))}
        )


def _segment_is_changed(state: State, item: Object, before: Object) -> None:
    if item["isDeleted"] and not before["isDeleted"]:
        _leave(state, item)


def _leave(state: State, segment: Object) -> None:
    """Whoever used the segment is now for all visitors (4.7, and rule 12 of section 9)."""
    id_ = segment["id"]
    for name, configuration, used in (
        ("experiments", "targetingConfiguration", "targetingSegmentId"),
        ("targeting-rules", "segmentConfiguration", "segmentId"),
    ):
        for user in [state.find(name, user["id"]) for user in state.objects[name] if user[used] == id_]:
            user.update({configuration: "ALL_VISITORS", used: None})
    flags = [
        item["id"] for item in state.objects["feature-flags"] if any(r.get("segmentId") == id_ for r in _rules(item))
    ]
    for flag_id in flags:
        for rule in _rules(state.find("feature-flags", flag_id)):
            if rule.get("segmentId") == id_:
                rule["segmentId"] = None


def _rules(item: Object) -> Iterator[Object]:
    for environment in item["environmentConfigurations"]:
        yield from environment["rolloutRules"]


def _as_shown(state: State) -> Callable[[Object], Object]:
    experiments: dict[Any, set[int]] = defaultdict(set)
    for item in state.objects["experiments"]:
        experiments[item["targetingSegmentId"]].add(item["id"])
        experiments[(item["targetingRule"] or {}).get("segmentId")].add(item["id"])
    flags = Counter(
        id_ for item in state.objects["feature-flags"] for id_ in {r.get("segmentId") for r in _rules(item)}
    )
    referred = {
        condition.get("segmentId")
        for item in state.objects["segments"]
        for condition in _conditions(item["conditionsData"])
    }

    def shown(item: Object) -> Object:
        used_by = sorted(experiments.get(item["id"], ()))
        tree = _as_tree(item["conditionsData"])
        return {
            **item,
            "conditionDataTree": tree,
            "conditionDataList": _as_list(tree),
            "hasSegmentCondition": any(
                each["targetingType"] == "SEGMENT" for each in _conditions(item["conditionsData"])
            ),
            "usedBySegmentCondition": item["id"] in referred,
            "experiments": used_by,
            "experimentAmount": len(used_by),
            "featureFlagAmount": flags[item["id"]],
        }

    return shown


SEGMENTS: dict[str, Resource] = {
    "segments": Resource(
        first_id=20881,
        verbs="list create get put patch delete search",
        fields=SEGMENT,
        either=("conditionsData", "conditionDataTree"),
        allow=_segment_fits,
        changed=_segment_is_changed,
        removing=_leave,
        derive=_as_shown,
        hidden=lambda item: bool(item["isDeleted"]),
    )
}
