"""The base of the module bz2, in Python: the guest has no C library for it.

The format is that of bzip2 1.0: https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf.
Compression is plain (small blocks, one Huffman code for each); everything that bzip2 writes can be
read.
"""

import re
import zlib
from heapq import heapify, heappop, heappush

_BLOCK = 0x314159265359
_END = 0x177245385090
_RAW_BLOCK = 80_000  # bytes; sorting rotations in Python takes long for more
_GROUP = 50  # symbols that share a Huffman code
_FAST = 10  # bits that are looked up at once
_LONGEST = 20
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_RUN_OUT = re.compile(rb"(.)\1{3}(.)", re.DOTALL)
_RUN_IN = re.compile(rb"(.)\1{3,254}", re.DOTALL)


def _crc(data):
    """CRC-32 with the most significant bit first, by way of zlib's."""
    return int(f"{zlib.crc32(data.translate(_REVERSED)):032b}"[::-1], 2)


# -- decompression --------------------------------------------------------------------------------


class BZ2Decompressor:
    """Decompresses one bzip2 stream, piece by piece."""

    def __init__(self):
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self._input = bytearray()
        self._output = bytearray()
        self._blocks = self._decode()

    def decompress(self, data, max_length=-1):
        """Take compressed bytes; return what could be decompressed, at most `max_length` bytes."""
        if self.eof:
            raise EOFError("End of stream already reached")
        self._input += data
        output = self._output
        finished = False
        while not finished and (max_length < 0 or len(output) < max_length):
            block = next(self._blocks, False)
            if block is None:
                break
            if block is False:
                finished = True
            else:
                output += block
        size = len(output) if max_length < 0 else min(max_length, len(output))
        result = bytes(output[:size])
        del output[:size]
        if finished and output:
            self._blocks = iter(())
        else:
            self.eof = finished
        self.needs_input = not finished and (max_length < 0 or len(result) < max_length)
        if self.eof:
            self.unused_data = bytes(self._input)
            self._input.clear()
        return result

    def _decode(self):
        """Give each block decompressed, None where more input is needed."""
        reader = _Bits(self._input)
        yield from reader.want(32)
        if reader.take(24) != 0x425A68 or not 1 <= (level := reader.take(8) - 0x30) <= 9:
            raise OSError("Invalid data stream")
        crc = 0
        while True:
            yield from reader.want(80)
            magic, expected = reader.take(48), reader.take(32)
            if magic == _END:
                break
            if magic != _BLOCK:
                raise OSError("Invalid data stream")
            try:
                block = yield from _read_block(reader, level * 100_000)
            except (IndexError, ValueError, ZeroDivisionError):
                raise OSError("Invalid data stream") from None
            if _crc(block) != expected:
                raise OSError("Invalid data stream")
            crc = ((crc << 1 | crc >> 31) & 0xFFFFFFFF) ^ expected
            yield block
        if crc != expected:
            raise OSError("Invalid data stream")
        reader.give_back()


class _Bits:
    """Bits of an input that grows."""

    def __init__(self, data):
        self.data = data
        self.bits = 0
        self.count = 0

    def want(self, count):
        """Wait, as a generator, until there are `count` bits."""
        while self.count < count:
            while not self.data:
                yield None
            self.refill()

    def refill(self):
        chunk = self.data[:64]
        del self.data[:64]
        self.bits = (self.bits & (1 << self.count) - 1) << 8 * len(chunk) | int.from_bytes(chunk)
        self.count += 8 * len(chunk)

    def take(self, count):
        self.count -= count
        return self.bits >> self.count & (1 << count) - 1

    def give_back(self):
        """Put whole bytes that are left back to the input."""
        self.take(self.count % 8)
        size = self.count // 8
        self.data[:0] = self.take(size * 8).to_bytes(size)


def _read_block(reader, limit):
    yield from reader.want(41)
    if reader.take(1):
        raise ValueError("randomised blocks are of bzip2 0.9.0")
    origin, used_rows = reader.take(24), reader.take(16)
    used = bytearray()
    for row in range(16):
        if used_rows >> 15 - row & 1:
            yield from reader.want(16)
            columns = reader.take(16)
            used += bytes(16 * row + column for column in range(16) if columns >> 15 - column & 1)
    yield from reader.want(18)
    code_count, selector_count = reader.take(3), reader.take(15)
    if not (used and 2 <= code_count <= 6 and selector_count):
        raise ValueError("no symbols or codes")
    order, selectors = list(range(code_count)), []
    for _ in range(selector_count):
        place = 0
        yield from reader.want(6)
        while reader.take(1):
            place += 1
        order.insert(0, order.pop(place))
        selectors.append(order[0])
    codes = []
    for _ in range(code_count):
        yield from reader.want(5)
        length, lengths = reader.take(5), []
        for _ in range(len(used) + 2):
            while True:
                yield from reader.want(2)
                if not reader.take(1):
                    break
                length += -1 if reader.take(1) else 1
            if not 1 <= length <= _LONGEST:
                raise ValueError("a code is too long")
            lengths.append(length)
        codes.append(_code_table(lengths))
    last = yield from _read_symbols(reader, [codes[s] for s in selectors], used, limit)
    if origin >= len(last):
        raise ValueError("the origin lies outside of the block")
    return _RUN_OUT.sub(lambda m: m[1] * (4 + m[2][0]), _unsort(last, origin))


def _read_symbols(reader, codes, used, limit):
    """Undo Huffman codes, runs of the front symbol, and move-to-front."""
    end, out = len(used) + 1, bytearray()
    run = weight = 0
    for fast, slow in codes:
        for _ in range(_GROUP):
            if reader.count < _LONGEST:
                # Never more than the stream has: its end is 80 bits long.
                yield from reader.want(_LONGEST)
            found = fast[reader.bits >> reader.count - _FAST & (1 << _FAST) - 1]
            if found:
                symbol = found >> 5
                reader.count -= found & 31
            else:
                symbol = _slow(reader, slow)
            if symbol < 2:
                weight = weight * 2 or 1
                run += weight << symbol
                if run > limit:
                    raise ValueError("a run is longer than the block")
                continue
            if run:
                out += used[:1] * run
                run = weight = 0
            if symbol == end:
                if len(out) > limit:
                    raise ValueError("the block is too long")
                return bytes(out)
            byte = used.pop(symbol - 1)
            used.insert(0, byte)
            out.append(byte)
    raise ValueError("the block has no end")


def _slow(reader, codes):
    for length in range(_FAST + 1, _LONGEST + 1):
        symbol = codes.get((length, reader.bits >> reader.count - length & (1 << length) - 1))
        if symbol is not None:
            reader.count -= length
            return symbol
    raise ValueError("no such code")


def _canonical(lengths):
    """Codes of the symbols for their lengths."""
    code, codes = 0, {}
    for length in range(1, _LONGEST + 1):
        for symbol, own in enumerate(lengths):
            if own == length:
                codes[symbol] = code
                code += 1
        code <<= 1
    return codes


def _code_table(lengths):
    """Symbol and length by the next `_FAST` bits, and longer codes by length and bits."""
    fast, slow = [0] * (1 << _FAST), {}
    for symbol, code in _canonical(lengths).items():
        length = lengths[symbol]
        if length <= _FAST:
            first = code << _FAST - length
            size = 1 << _FAST - length
            fast[first : first + size] = [symbol << 5 | length] * size
        else:
            slow[length, code] = symbol
    if len(fast) != 1 << _FAST:
        raise ValueError("too many codes")
    return fast, slow


def _unsort(last, origin):
    """Invert the Burrows-Wheeler transform."""
    following = sorted(range(len(last)), key=last.__getitem__)
    out = bytearray()
    for _ in range(len(last)):
        origin = following[origin]
        out.append(last[origin])
    return bytes(out)


# -- compression --------------------------------------------------------------------------------


class BZ2Compressor:
    """Compresses to one bzip2 stream, piece by piece."""

    def __init__(self, compresslevel=9, /):
        if not 1 <= compresslevel <= 9:
            raise ValueError("compresslevel must be between 1 and 9")
        self._writer = _Writer()
        self._writer.put(0x425A6830 + compresslevel, 32)
        self._pending = bytearray()
        self._crc = 0
        self._flushed = False

    def compress(self, data, /):
        """Take bytes; return what is compressed by now."""
        if self._flushed:
            raise ValueError("Compressor has been flushed")
        pending = self._pending
        pending += data
        while len(pending) >= _RAW_BLOCK:
            self._block(bytes(pending[:_RAW_BLOCK]))
            del pending[:_RAW_BLOCK]
        return self._writer.whole_bytes()

    def flush(self):
        """Return the rest; the compressor is of no use any more."""
        if self._flushed:
            raise ValueError("Repeated call to flush()")
        self._flushed = True
        if self._pending:
            self._block(bytes(self._pending))
        self._writer.put(_END, 48)
        self._writer.put(self._crc, 32)
        self._writer.put(0, -self._writer.count % 8)
        return self._writer.whole_bytes()

    def _block(self, raw):
        crc = _crc(raw)
        self._crc = ((self._crc << 1 | self._crc >> 31) & 0xFFFFFFFF) ^ crc
        last, origin = _sort(_RUN_IN.sub(lambda m: m[1] * 4 + bytes([len(m[0]) - 4]), raw))
        used = bytearray(sorted(set(last)))
        writer = self._writer
        writer.put(_BLOCK, 48)
        writer.put(crc, 32)
        writer.put(origin, 25)
        rows = sum(1 << 15 - row for row in {byte >> 4 for byte in used})
        writer.put(rows, 16)
        for row in sorted({byte >> 4 for byte in used}):
            writer.put(sum(1 << 15 - (byte & 15) for byte in used if byte >> 4 == row), 16)
        symbols = _to_symbols(last, used)
        lengths = _lengths(symbols, len(used) + 2)
        groups = -(-len(symbols) // _GROUP)
        writer.put(2, 3)  # the least number of codes; all groups take the first
        writer.put(groups, 15)
        writer.put(0, groups)
        for _ in range(2):
            length = lengths[0]
            writer.put(length, 5)
            for own in lengths:
                step, distance = (0b10, own - length) if own > length else (0b11, length - own)
                for _ in range(distance):
                    writer.put(step, 2)
                writer.put(0, 1)
                length = own
        codes = _canonical(lengths)
        for symbol in symbols:
            writer.put(codes[symbol], lengths[symbol])


class _Writer:
    """Collects bits."""

    def __init__(self):
        self.bits = 0
        self.count = 0
        self.done = bytearray()

    def put(self, value, count):
        self.bits = self.bits << count | value
        self.count += count
        if self.count >= 512:
            self._move()

    def _move(self):
        rest = self.count % 8
        self.done += (self.bits >> rest).to_bytes(self.count // 8)
        self.bits &= (1 << rest) - 1
        self.count = rest

    def whole_bytes(self):
        self._move()
        out = bytes(self.done)
        self.done.clear()
        return out


def _sort(data):
    """Burrows-Wheeler transform: the last column of all rotations, sorted, and the first's row."""
    size, width = len(data), 16
    doubled = data * (2 + 2 * width // size)
    order = sorted(range(size), key=lambda i: doubled[i : i + width])
    rank = _ranks(order, lambda i: doubled[i : i + width])
    while width < size and max(rank) < size - 1:
        key = [rank[i] * size + rank[(i + width) % size] for i in range(size)]
        order.sort(key=key.__getitem__)
        rank = _ranks(order, key.__getitem__)
        width *= 2
    return bytes(data[i - 1] for i in order), order.index(0)


def _ranks(order, key):
    """The place of each rotation; equal keys share one."""
    ranks, place, before = [0] * len(order), -1, None
    for i in order:
        own = key(i)
        if own != before:
            place, before = place + 1, own
        ranks[i] = place
    return ranks


def _to_symbols(data, used):
    """Move-to-front, with runs of the front as numbers in two symbols."""
    used, symbols, run = bytearray(used), [], 0
    end = len(used) + 1

    def finish_run(run):
        while run:
            symbols.append(1 - run % 2)
            run = (run - 1) // 2

    for byte in data:
        place = used.index(byte)
        if place == 0:
            run += 1
            continue
        finish_run(run)
        run = 0
        symbols.append(place + 1)
        used.insert(0, used.pop(place))
    finish_run(run)
    symbols.append(end)
    return symbols


def _lengths(symbols, count):
    """Lengths of a Huffman code, at most 17 bits as bzip2 wants them."""
    weights = [1] * count
    for symbol in symbols:
        weights[symbol] += 1
    while True:
        heap = [(weight, symbol, ()) for symbol, weight in enumerate(weights)]
        heapify(heap)
        number = count
        while len(heap) > 1:
            one, other = heappop(heap), heappop(heap)
            heappush(heap, (one[0] + other[0], number, (one, other)))
            number += 1
        lengths, waiting = [0] * count, [(heap[0], 0)]
        while waiting:
            (_, symbol, children), depth = waiting.pop()
            if children:
                waiting += ((child, depth + 1) for child in children)
            else:
                lengths[symbol] = depth
        if max(lengths) <= 17:
            return lengths
        weights = [weight // 2 + 1 for weight in weights]
