"""Documents to JSON and back: the C parser and encoder, dicts, strings of many alphabets."""

import json

QUICK, FULL = 2, 1_300


def document(number):
    return {
        "id": number,
        "name": f"item {number}",
        "tags": ["größe", "цвет", "色", 'with "quotes"', "tab\tnewline\n", "😀"],
        "ratio": number / 7,
        "sizes": {str(size): size * number for size in range(20)},
        "rows": [{"x": x, "y": -x * 0.5, "ok": x % 3 == 0, "none": None} for x in range(40)],
    }


def run(size):
    length = 0
    for number in range(size):
        value = document(number)
        compact = json.dumps(value, separators=(",", ":"))
        pretty = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        assert json.loads(compact) == json.loads(pretty) == value
        length += len(compact) + len(pretty)
    return length


EXPECTED = {QUICK: 11420, FULL: 7586042}
