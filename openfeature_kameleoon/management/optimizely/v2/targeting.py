"""For whom, where and by which events in v2: audiences, attributes, uploaded lists, pages, events (spec 12).

The registries that v1 has as well keep their names there: an attribute is a dimension's, an event a goal's successor.
"""

from __future__ import annotations

from typing import Any

from ...rest.fields import CREATE, REQUIRED, WRITE, field
from ..objects import Unsupported
from .records import Entity, Own
from .verbs import Archives, Creates, Gets, Lists, Registry, Updates

__all__ = [
    "Attribute",
    "Audience",
    "Audiences",
    "Dimensions",
    "Event",
    "Goals",
    "ListAttribute",
    "Page",
    "PageEvents",
    "Pages",
    "TargetingLists",
]


class Audience(Entity):
    """Visitors who are alike."""

    project_id = field(int, REQUIRED)
    name = field(str, REQUIRED | WRITE)
    description = field(str, WRITE)
    conditions = field(str, WRITE, note="JSON text, as in v1")
    segmentation = field(bool, WRITE)
    archived = field(bool, WRITE)
    created = field(str)
    last_modified = field(str)

    delete = Unsupported("audiences cannot be deleted; archive it: audience.archived = True, and save")


class Audiences(Registry):
    """Audiences of a project; flags use them too."""

    list = Lists("/audiences", Audience, needs=("project_id",))
    get = Gets("/audiences/{audience_id}", Audience)
    create = Creates("/audiences", Audience)
    update = Updates("/audiences/{audience_id}", Audience)


class Attribute(Entity):
    """What the site's or the application's own code tells of a visitor."""

    project_id = field(int, REQUIRED)
    key = field(str, REQUIRED | WRITE, note="`client_api_name` of v1")
    name = field(str, WRITE)
    description = field(str, WRITE)
    condition_type = field(str, values="custom_attribute")
    archived = field(bool, WRITE)
    last_modified = field(str)

    delete = Own()


class Dimensions(Registry):
    """Attributes of a project, the dimensions of v1; flags use them too."""

    list = Lists("/attributes", Attribute, needs=("project_id",))
    get = Gets("/attributes/{attribute_id}", Attribute)
    create = Creates("/attributes", Attribute)
    update = Updates("/attributes/{attribute_id}", Attribute)
    delete = Archives("/attributes/{attribute_id}", Attribute)


class ListAttribute(Entity):
    """An uploaded list."""

    project_id = field(int, REQUIRED)
    name = field(str, REQUIRED | WRITE)
    description = field(str, WRITE)
    list_type = field(str, REQUIRED | WRITE, note="a word, where v1 has a number")
    key_field = field(str, WRITE)
    list_content = field(str, WRITE)
    archived = field(bool, WRITE)

    delete = Own()


class TargetingLists(Registry):
    """Uploaded lists of a project."""

    list = Lists("/list_attributes", ListAttribute, needs=("project_id",))
    get = Gets("/list_attributes/{list_attribute_id}", ListAttribute)
    create = Creates("/list_attributes", ListAttribute)
    update = Updates("/list_attributes/{list_attribute_id}", ListAttribute)
    delete = Archives("/list_attributes/{list_attribute_id}", ListAttribute)


class Page(Entity):
    """Where experiments run, and events happen."""

    project_id = field(int, REQUIRED)
    name = field(str, REQUIRED | WRITE)
    edit_url = field(str, REQUIRED | WRITE)
    key = field(str, WRITE)
    conditions = field(str, WRITE)
    activation_type = field(str, WRITE)
    archived = field(bool, WRITE)
    created = field(str)
    last_modified = field(str)

    delete = Own()


class Pages(Registry):
    """Pages of a project, which took the place of an experiment's URL conditions."""

    list = Lists("/pages", Page, needs=("project_id",))
    get = Gets("/pages/{page_id}", Page)
    create = Creates("/pages", Page)
    update = Updates("/pages/{page_id}", Page)
    delete = Archives("/pages/{page_id}", Page)


class Event(Entity):
    """What may be measured; experiments have it among their ``metrics``."""

    project_id = field(int)
    page_id = field(int, note="of events that belong to a page")
    key = field(str, WRITE)
    name = field(str, WRITE)
    description = field(str, WRITE)
    category = field(str, WRITE)
    event_type = field(str, CREATE, values="click custom pageview", note="`classic_...` cannot be changed")
    config = field(dict[str, Any], WRITE)
    archived = field(bool, WRITE)
    created = field(str)
    last_modified = field(str)

    delete = Own()

    @property
    def home(self) -> Any:
        """The registry that changes it: custom events are the project's, the others their page's."""
        client = super().home.client
        return client.Goals if self.page_id is None else client.PageEvents


UNREAD = "no single event can be read; look it up in client.Goals.list(project_id=...)"


class Goals(Registry):
    """Events of a project, and those of its own code: the goals of v1."""

    list = Lists("/events", Event, needs=("project_id",))
    get = Unsupported(UNREAD)
    create = Creates("/projects/{project_id}/custom_events", Event)
    update = Updates("/projects/{project_id}/custom_events/{event_id}", Event)
    delete = Archives("/projects/{project_id}/custom_events/{event_id}", Event)


class PageEvents(Registry):
    """Clicks and views of a page; ``client.Goals`` lists them."""

    get = Unsupported(UNREAD)
    create = Creates("/pages/{page_id}/events", Event)
    update = Updates("/pages/{page_id}/events/{event_id}", Event)
    delete = Archives("/pages/{page_id}/events/{event_id}", Event)
