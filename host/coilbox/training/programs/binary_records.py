"""Records packed into bytes and read again: struct, memoryview, bytearray, checksums."""

import struct
import zlib
from array import array

QUICK, FULL = 50, 200_000

HEADER = struct.Struct("<HBBI")
BODY = struct.Struct(">qd8s")


def run(size):
    data = bytearray()
    for number in range(size):
        name = b"%08d" % (number * 7919 % 99_999_999)
        body = BODY.pack(number * number - size, number / 3, name)
        data += HEADER.pack(0xC0DE, number % 7, len(body), zlib.crc32(body))
        data += body
    view = memoryview(data)
    position = total = checks = 0
    doubles = array("d")
    while position < len(view):
        magic, kind, length, check = HEADER.unpack_from(view, position)
        position += HEADER.size
        body = view[position : position + length]
        position += length
        assert magic == 0xC0DE and zlib.crc32(body) == check
        square, third, name = BODY.unpack(body)
        total += square * kind
        checks ^= int.from_bytes(name[2:6], "little")
        doubles.append(third)
    return [total, checks, len(data), f"{sum(doubles):.3f}", data[100:110].hex()]


EXPECTED = {
    QUICK: [116130, 151586817, 1600, "408.333", "a0374cdbffffffffffff"],
    FULL: [7999740001300012, 201591305, 6400000, "6666633333.333", "091fc4ddfffffffffffc"],
}
