"""Records of the standard library: dataclasses, enum, collections, itertools, datetime."""

import functools
import itertools
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import Enum, IntFlag

QUICK, FULL = 20, 4_000


class Colour(Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Access(IntFlag):
    READ = 1
    WRITE = 2
    ALL = 3


@dataclass(order=True)
class Order:
    day: date
    amount: int
    colour: Colour = field(compare=False, default=Colour.RED)
    tags: list = field(compare=False, default_factory=list)


Point = namedtuple("Point", "x y")


@functools.lru_cache(maxsize=500)
def steps(number):
    return 0 if number == 1 else 1 + steps(3 * number + 1 if number % 2 else number // 2)


def run(size):
    start = date(2024, 1, 31)
    colours = itertools.cycle(Colour)
    orders = [
        Order(start + timedelta(days=n * 37 % 700), n * 7919 % 1000, next(colours), [n % 3])
        for n in range(size)
    ]
    orders.sort()
    by_colour = defaultdict(list)
    for order in orders:
        by_colour[order.colour].append(replace(order, amount=order.amount + 1))
    months = Counter(order.day.strftime("%Y-%m") for order in orders)
    moments = [datetime(2025, 3, 1, 12) + timedelta(minutes=n * n % 9999) for n in range(size // 4)]
    window = deque(maxlen=7)
    sums = []
    for order in orders:
        window.append(order.amount)
        sums.append(sum(window))
    points = [Point(a, b) for a, b in itertools.product(range(size // 40 + 2), range(10))]
    ordered = OrderedDict((p.x * 31 + p.y, p) for p in points)
    for key in list(ordered)[::3]:
        ordered.move_to_end(key)
    groups = [sum(1 for _ in group) for _, group in itertools.groupby(sums, lambda s: s > 3000)]
    return [
        str(orders[size // 2].day),
        [sum(o.amount for o in by_colour[c]) for c in Colour],
        months.most_common(1)[0][1],
        max(moments).isoformat(),
        sum(sums),
        list(ordered)[-1],
        len(groups),
        sum(steps(n) for n in range(1, size // 4 + 2)),
        len(str([asdict(order) for order in orders[: size // 20 + 1]])),
        int(functools.reduce(lambda a, n: a ^ Access(n % 4), range(size // 8), Access.READ)),
    ]


EXPECTED = {
    QUICK: ["2024-12-29", [2904, 4337, 3389], 1, "2025-03-01T12:16:00", 60053, 39, 4, 23, 193, 0],
    FULL: [
        "2025-01-14",
        [667361, 667306, 667333],
        178,
        "2025-03-08T10:22:00",
        13971927,
        3138,
        664,
        59684,
        19600,
        1,
    ],
}
