"""Projects of v2, and what is theirs for server-side features: environments, features, groups; extensions (spec 12)."""

from __future__ import annotations

from typing import Any

from ...rest.fields import CREATE, REQUIRED, WRITE, field
from ..objects import Unsupported
from .records import Below, Entity, Own
from .verbs import Archives, Creates, Gets, Lists, Registry, Updates

__all__ = [
    "Environment",
    "Environments",
    "Extension",
    "Extensions",
    "Feature",
    "Features",
    "Group",
    "Groups",
    "Project",
    "Projects",
]


class Project(Entity):
    """What experiments, audiences, events and flags belong to."""

    name = field(str, REQUIRED | WRITE, note="`project_name` of v1")
    description = field(str, WRITE)
    status = field(str, WRITE, values="active archived", note="`project_status` of v1")
    platform = field(str, CREATE, values="web ios android custom")
    web_snippet = field(dict[str, Any], WRITE, note="the snippet settings of v1")
    is_flags_enabled = field(bool, note="the Flags API owns its flags")
    is_classic = field(bool)
    account_id = field(int)
    created = field(str)
    last_modified = field(str)

    experiments = Below("Experiments")
    goals = Below("Goals")
    audiences = Below("Audiences")
    dimensions = Below("Dimensions")
    pages = Below("Pages")
    delete = Unsupported("projects cannot be deleted; archive it: project.status = 'archived', and save")


class Projects(Registry):
    """Projects of the account."""

    list = Lists("/projects", Project)
    get = Gets("/projects/{project_id}", Project)
    create = Creates("/projects", Project)
    update = Updates("/projects/{project_id}", Project)


class Environment(Entity):
    """Where flags and features are switched on by themselves."""

    project_id = field(int, REQUIRED)
    key = field(str, REQUIRED | WRITE)
    name = field(str, WRITE)
    description = field(str, WRITE)
    archived = field(bool, WRITE)

    delete = Own()


class Environments(Registry):
    """Environments of a project."""

    list = Lists("/environments", Environment, needs=("project_id",))
    get = Gets("/environments/{environment_id}", Environment)
    create = Creates("/environments", Environment)
    update = Updates("/environments/{environment_id}", Environment)
    delete = Archives("/environments/{environment_id}", Environment)


class Feature(Entity):
    """The older form of a flag."""

    project_id = field(int, REQUIRED)
    key = field(str, REQUIRED | WRITE)
    name = field(str, WRITE)
    description = field(str, WRITE)
    variables = field(list[dict[str, Any]], WRITE)
    environments = field(dict[str, Any], WRITE)
    archived = field(bool, WRITE)

    delete = Own()


class Features(Registry):
    """Features of a project; flags replace them."""

    list = Lists("/features", Feature, needs=("project_id",))
    get = Gets("/features/{feature_id}", Feature)
    create = Creates("/features", Feature)
    update = Updates("/features/{feature_id}", Feature)
    delete = Archives("/features/{feature_id}", Feature)


class Group(Entity):
    """Experiments that share visitors out among themselves."""

    project_id = field(int, REQUIRED)
    name = field(str, REQUIRED | WRITE)
    description = field(str, WRITE)
    policy = field(str, WRITE)
    entities = field(list[dict[str, Any]], WRITE)
    archived = field(bool, WRITE)

    delete = Own()


class Groups(Registry):
    """Exclusion groups of a project."""

    list = Lists("/groups", Group, needs=("project_id",))
    get = Gets("/groups/{group_id}", Group)
    create = Creates("/groups", Group)
    update = Updates("/groups/{group_id}", Group)
    delete = Archives("/groups/{group_id}", Group)


class Extension(Entity):
    """A template for changes to pages."""

    project_id = field(int, REQUIRED)
    name = field(str, REQUIRED | WRITE)
    description = field(str, WRITE)
    enabled = field(bool, WRITE)
    fields_ = field(list[dict[str, Any]], WRITE, "fields")
    implementation = field(dict[str, Any], WRITE)
    archived = field(bool, WRITE)

    delete = Own()


class Extensions(Registry):
    """Extensions of a project."""

    list = Lists("/extensions", Extension, needs=("project_id",))
    get = Gets("/extensions/{extension_id}", Extension)
    create = Creates("/extensions", Extension)
    update = Updates("/extensions/{extension_id}", Extension)
    delete = Archives("/extensions/{extension_id}", Extension)
