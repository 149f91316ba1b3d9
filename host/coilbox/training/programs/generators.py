"""Trees walked by recursive generators, and pipelines of them: yield, yield from, itertools."""

from itertools import chain, groupby, islice

QUICK, FULL = 4, 16


class Tree:
    __slots__ = ("left", "right", "value")

    def __init__(self, value, left, right):
        self.value = value
        self.left = left
        self.right = right

    def __iter__(self):
        if self.left is not None:
            yield from self.left
        yield self.value
        if self.right is not None:
            yield from self.right


def grow(low, high):
    if low >= high:
        return None
    middle = (low + high) // 2
    return Tree(middle, grow(low, middle), grow(middle + 1, high))


def windows(items, width):
    window = []
    for item in items:
        window.append(item)
        if len(window) == width:
            yield tuple(window)
            del window[0]


def run(size):
    tree = grow(0, 1 << size)
    total = sum(value for value in tree if value % 3)
    steps = sum(b - a for a, b, _ in windows(tree, 3))
    groups = sum(key * len(list(items)) for key, items in groupby(tree, lambda v: v // 10))
    both = sum(islice(chain(tree, (v * v for v in tree)), 10, (2 << size) - 10))
    accumulator = average()
    next(accumulator)
    last = 0
    for value in tree:
        last = accumulator.send(value)
    return [total, steps, groups, both, last]


def average():
    total = count = 0
    value = yield 0
    while True:
        total += value
        count += 1
        value = yield total // count


EXPECTED = {QUICK: [75, 14, 6, 130, 7], FULL: [1431612075, 65534, 214715598, 93782049750610, 32767]}
