"""Formats of the standard library: json, pickle, struct, base64, zlib, hashlib, configparser."""

import base64
import configparser
import hashlib
import io
import json
import pickle
import struct
import zlib

QUICK, FULL = 5, 2_000


def record(number):
    return {
        "id": number,
        "name": f"item {number}",
        "price": number / 8,
        "tags": [f"t{number % k}" for k in range(1, 6)],
        "nested": {"a": [number, None, True], "b": {"deep": [[number]]}},
    }


def run(size):
    records = [record(number) for number in range(size)]
    text = json.dumps(records, indent=1, sort_keys=True)
    assert json.loads(text) == records
    data = pickle.dumps(records, protocol=4)
    assert pickle.loads(data) == records
    packed = b"".join(struct.pack("<IdH", n, r["price"], n % 9) for n, r in enumerate(records))
    values = list(struct.iter_unpack("<IdH", packed))
    encoded = base64.b85encode(packed) + base64.b64encode(packed)
    small = zlib.compress(text.encode(), 6)
    assert zlib.decompress(small).decode() == text
    parser = configparser.ConfigParser()
    for number in range(size // 4 + 1):
        parser[f"part {number}"] = {"name": f"value {number}", "number": str(number * 3)}
    output = io.StringIO()
    parser.write(output)
    again = configparser.ConfigParser()
    again.read_string(output.getvalue())
    digest = hashlib.sha256(text.encode())
    for number in range(size):
        digest.update(str(number).encode())
    return [
        len(text),
        len(packed),
        sum(value[2] for value in values),
        len(encoded),
        sum(again.getint(section, "number") for section in again.sections()),
        digest.hexdigest()[:16],
    ]


EXPECTED = {
    QUICK: [1167, 70, 10, 184, 3, "e0ac92d16c4885b9"],
    FULL: [489182, 28000, 7993, 72336, 375750, "30ab383899e59783"],
}
