"""Whether a document has the shape of a spec; what has not is taken out, so that more is found."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from coilbox.bindings.model import SpecShape
from coilbox.support.yaml_reader import REMOVED, Document, Path
from coilbox.support.yamlfile import report_mistake

_EXAMPLE = {
    "extension": "extension: 1",
    "module": 'module: {name: my_module, version: "1.0.0"}',
    "name": "name: my_module",
    "version": 'version: "1.0.0"',
    "type": "type: str",
    "since": 'since: "1.0.0"',
}


# What cannot be taken out, as nothing could be checked without it.
_STAND_INS: dict[Path, Any] = {
    ("extension",): 1,
    ("module",): {"name": REMOVED, "version": "999999.0.0"},
    ("module", "name"): REMOVED,
    ("module", "version"): "999999.0.0",
}


def check_shape(document: Document) -> SpecShape | None:
    """The document as a spec's shape, without what does not fit; None if too little is left."""
    data = document.data
    if not isinstance(data, dict):
        document.report(
            document.span(()),
            "wrong-value",
            "the file must be a mapping",
            "start with `extension: 1`",
        )
        return None
    while True:
        try:
            return SpecShape.model_validate(data)
        except ValidationError as error:
            # From the last to the first, so that one taken out moves no other.
            changed = [_report(document, data, item) for item in reversed(error.errors())]
            if not any(changed):
                return None


def _report(document: Document, data: dict[str, Any], error: ErrorDetails) -> bool:
    """Tell of an error and take its value out of the data; False if that cannot be."""
    report_mistake(document, SpecShape, error, _EXAMPLE)
    location = error["loc"]
    path = document.nearest(location)
    if error["type"] == "missing":
        whole = (*path, location[-1])
        return _remove(data, whole if whole in _STAND_INS else path)
    # Without a key that must be there, its mapping would only give another error.
    needed = location[-1] == "type" or location[-2:] == ("deprecated", "since")
    return _remove(data, path[:-1] if needed and path[-1] == location[-1] else path)


def _remove(data: dict[str, Any], path: Path) -> bool:
    if not path:
        return False
    parent: Any = data
    for part in path[:-1]:
        if not isinstance(parent, dict | list):
            return True  # taken out with another error
        if isinstance(parent, dict) and part not in parent:
            return True
        parent = parent[part]
    if path in _STAND_INS:
        parent[path[-1]] = _STAND_INS[path]
    elif isinstance(parent, list):
        parent[path[-1]] = REMOVED
    elif isinstance(parent, dict):
        parent.pop(path[-1], None)
    return True
