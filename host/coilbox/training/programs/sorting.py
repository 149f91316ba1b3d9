"""Sorting, heaps and bisection: comparisons, key functions, tuples."""

import bisect
import heapq
from operator import itemgetter

QUICK, FULL = 100, 110_000


def numbers(count):
    state = 7
    for _ in range(count):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        yield state >> 4


def run(size):
    values = list(numbers(size))
    by_value = sorted(values)
    by_digit = sorted(values, key=lambda value: (value % 10, -value))
    rows = [(f"{value:09}"[::-1], value % 100, value) for value in values]
    rows.sort(key=itemgetter(1))
    rows.sort(key=itemgetter(0), reverse=True)
    heap = []
    for value in values:
        heapq.heappush(heap, (value % 1000, value))
        if len(heap) > size // 4:
            heapq.heappop(heap)
    places = [bisect.bisect(by_value, value * 2) for value in values[::3]]
    merged = list(heapq.merge(by_value[::2], by_value[1::2]))
    assert merged == by_value
    return [by_value[size // 2], by_digit[size // 3], rows[5][2], heap[0][1], sum(places)]


EXPECTED = {
    QUICK: [69573981, 4546342, 102948969, 132449769, 2703],
    FULL: [67276269, 91795003, 1329999, 6662751, 3018128621],
}
