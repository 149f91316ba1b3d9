"""Integers that share places in a table of CPython's, so that each costs many steps to add."""

from __future__ import annotations


def chained(bits: int) -> list[int]:
    """Keys for a dict's table of ``2**bits`` places that fill it almost to where it grows.

    The first ones lie on one run of the sequence that all searches end in; the others begin in
    it, so that each search walks to its end.
    """
    size = 1 << bits
    mask = size - 1
    run, place = [], 0
    for _ in range(size):
        run.append(place)
        place = (5 * place + 1) & mask
    position = {place: number for number, place in enumerate(run)}
    end = size // 3 + 8
    keys = run[:end]
    for high in range(1, 4096):
        for start in run[: size // 3]:
            if len(keys) >= 2 * size // 3 - 2:
                return keys
            key = high << bits | start
            place, perturb = start, key
            while perturb and position[place] < end:
                perturb >>= 5
                place = (place * 5 + perturb + 1) & mask
            if not perturb and position[place] < size // 8:
                keys.append(key)
                end += 1
    return keys
