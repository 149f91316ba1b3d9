"""The set of Mandelbrot as a bitmap: floats in inner loops, bytes."""

QUICK, FULL = 16, 384
LIMIT = 60


def run(size):
    import zlib

    rows = bytearray()
    inside = 0
    for y in range(size):
        imaginary = 2.0 * y / size - 1.0
        bits = 0
        for x in range(size):
            real = 3.0 * x / size - 2.0
            a = b = 0.0
            for _ in range(LIMIT):
                a, b = a * a - b * b + real, 2.0 * a * b + imaginary
                if a * a + b * b > 4.0:
                    bits <<= 1
                    break
            else:
                bits = bits << 1 | 1
                inside += 1
            if x % 8 == 7:
                rows.append(bits)
                bits = 0
    return [inside, zlib.crc32(rows)]


EXPECTED = {QUICK: [73, 2408024243], FULL: [38752, 445075498]}
