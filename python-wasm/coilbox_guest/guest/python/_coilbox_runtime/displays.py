"""Displays: what a program shows besides text, sent to the host as pairs of kind and data."""

import _coilbox

_DISPLAY = 64  # control message
_KINDS = {  # of the methods that notebooks know
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_svg_": "image/svg+xml",
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
}

_PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset)


def display(*objects, kind=None):
    """Show objects to the user of the sandbox, as pictures, HTML or text.

    An object shows itself by `_repr_mimebundle_`, `_repr_png_`, `_repr_svg_`, `_repr_html_` and
    the like; one that has none of these by its `repr`.

    Args:
        objects: what to show.
        kind: a media type such as "image/png"; the objects are then its bytes or text.

    Raises:
        TypeError: the data of a display is neither bytes nor text.
    """
    for value in objects:
        bundle = _bundle(value) if kind is None else {kind: value}
        _send(bundle or {"text/plain": repr(value)}, False)


def show_last(value):
    """Show the value of a run's last expression if it can show itself; what fails is left out."""
    if type(value) in _PLAIN:
        return
    try:
        bundle = _bundle(value)
        if bundle:
            _send(bundle, True)
    except BaseException:  # nobody asked for it
        return


def _bundle(value):
    """Return the data by kind that an object's methods give, the richest first."""
    if isinstance(value, type):
        return {}
    cls = type(value)
    bundle = {}
    if hasattr(cls, "_repr_mimebundle_"):
        made = value._repr_mimebundle_()
        if isinstance(made, tuple):  # data and metadata
            made = made[0]
        if made:
            bundle.update(made)
    for name, kind in _KINDS.items():
        if kind not in bundle and hasattr(cls, name):
            made = getattr(value, name)()
            if isinstance(made, tuple):
                made = made[0]
            if made is not None:
                bundle[kind] = made
    return bundle


def _send(bundle, unasked):
    shown = []
    for kind, data in bundle.items():
        if kind == "application/json" and not isinstance(data, (str, bytes)):
            import json

            data = json.dumps(data)
        if not isinstance(kind, str) or not isinstance(data, (str, bytes, bytearray)):
            raise TypeError(
                f"a display of kind {kind!r} is bytes or str, not {type(data).__name__}"
            )
        shown.append([kind, bytes(data) if isinstance(data, bytearray) else data])
    _coilbox.control(_DISPLAY, [shown, unasked])
