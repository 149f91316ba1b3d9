"""Numbers of the standard library: decimal, fractions, statistics, random, math."""

import math
import random
import statistics
from decimal import Decimal, localcontext
from fractions import Fraction

QUICK, FULL = 20, 2_500


def run(size):
    source = random.Random(5)
    values = [source.gauss(10, 3) for _ in range(size)]
    total = Decimal(0)
    with localcontext() as context:
        context.prec = 40
        for value in values:
            total += Decimal(repr(value)).quantize(Decimal("0.000001")) / 7
    series = sum((Fraction(1, n) for n in range(1, min(size, 120))), Fraction(0))
    source.shuffle(values)
    chosen = source.sample(range(size * 10), size)
    return [
        f"{total:.12f}",
        str(series)[:20],
        f"{statistics.fmean(values):.9f} {statistics.stdev(values):.9f}",
        f"{statistics.median(values):.9f}",
        sum(chosen) % 1009,
        sum(math.gcd(a, b) for a, b in zip(chosen, chosen[1:])),
        f"{math.fsum(math.sqrt(abs(math.sin(value))) for value in values):.9f}",
        sum(int(str(3**n)[-4:]) for n in range(min(size, 400))),
    ]


EXPECTED = {
    QUICK: [
        "26.962507428571",
        "275295799/77597520",
        "9.436877624 3.381148631",
        "9.356108198",
        756,
        408,
        "13.691384105",
        62200,
    ],
    FULL: [
        "3547.558436142857",
        "93164933029543732588",
        "9.933163620 2.939880317",
        "10.005078406",
        709,
        16159,
        "1914.621134875",
        2014000,
    ],
}
