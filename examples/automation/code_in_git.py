"""Keep the code of variations in a folder that git versions: export it, edit it, deploy it.

Run: python examples/automation/code_in_git.py export SITE_CODE folder
     python examples/automation/code_in_git.py deploy SITE_CODE folder
Credentials: KAMELEOON_CLIENT_ID and KAMELEOON_CLIENT_SECRET in the environment.

What was edited in Kameleoon since the last export or deployment is not overwritten: export again, and merge.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openfeature_kameleoon.management.automation import Automation, where

STATE = "deployed.json"

CODE = {
    "sites": {"tracking_script": "site.js"},
    "experiments": {
        "common_java_script_code": "common.js",
        "common_css_code": "common.css",
        "global_script": "global.js",
    },
    "variations": {"js_code": "variation.js", "css_code": "variation.css"},
    "personalizations": {"java_script_code": "personalization.js", "css_code": "personalization.css"},
}
"""Where code lies: the resources, their fields, and the files those become."""


def holders(api: Automation, site_code: str) -> Iterator[tuple[str, Any]]:
    """Everything of a site that holds code: the name of its resource, and the record."""
    site = api.sites.get_by_code(site_code)
    yield "sites", site
    of_site = where.site_id == site.id
    for experiment in api.experiments.list(filter=of_site, optional_fields=["variations"]):
        yield "experiments", api.experiments.get(experiment.id)
        for variation in experiment.variations or ():
            yield "variations", api.variations.get(variation)
    for personalization in api.personalizations.list(filter=of_site):
        yield "personalizations", api.personalizations.get(personalization.id)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def export(api: Automation, site_code: str, folder: Path) -> None:
    state = {}
    for resource, record in holders(api, site_code):
        for field, file_name in CODE[resource].items():
            path = folder / resource / str(record.id) / file_name
            code = getattr(record, field) or ""
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")
            state[path.relative_to(folder).as_posix()] = digest(code)
    (folder / STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    print(f"{len(state)} files exported")


def deploy(api: Automation, site_code: str, folder: Path) -> int:
    state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    refused = 0
    for resource, record in holders(api, site_code):
        changed = {}
        for field, file_name in CODE[resource].items():
            path = folder / resource / str(record.id) / file_name
            name = path.relative_to(folder).as_posix()
            if not path.exists():
                continue
            wanted, live = path.read_text(encoding="utf-8"), getattr(record, field) or ""
            if wanted == live:
                continue
            if digest(live) != state.get(name):
                print(f"{name}: edited in Kameleoon since it was exported, left alone")
                refused += 1
                continue
            changed[field] = wanted
            state[name] = digest(wanted)
        if changed:
            getattr(api, resource).update(record.id, **changed)
            print(f"{resource} {record.id}: {', '.join(changed)} deployed")
            (folder / STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    return refused


def main(command: str, site_code: str, folder: str) -> int:
    with Automation.from_environment() as api:
        if command == "deploy":
            return deploy(api, site_code, Path(folder))
        export(api, site_code, Path(folder))
        return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
