"""Queens on a board, by recursion with sets and by permutations: calls, sets, itertools."""

from itertools import permutations

QUICK, FULL = 5, 9


def place(size, row, columns, rising, falling):
    if row == size:
        return 1
    found = 0
    for column in range(size):
        up, down = row + column, row - column
        if column in columns or up in rising or down in falling:
            continue
        found += place(size, row + 1, columns | {column}, rising | {up}, falling | {down})
    return found


def run(size):
    everywhere = frozenset()
    by_recursion = place(size, 0, everywhere, everywhere, everywhere)
    by_permutation = 0
    for order in permutations(range(size)):
        rising = {row + column for row, column in enumerate(order)}
        if len(rising) == size:
            by_permutation += len({row - column for row, column in enumerate(order)}) == size
    return [by_recursion, by_permutation]


EXPECTED = {QUICK: [10, 10], FULL: [352, 352]}
