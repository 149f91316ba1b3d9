"""Dicts and sets of keys that a guest chose.

Python hashes integers, and what is made of them, in a way that anybody can compute. So a guest can
send keys that all take the same places in the table of a dict or set: adding n of them then costs
n² steps, hours for a few MiB, in one call that nothing can interrupt. Here the steps are counted
before the dict or set is made.
"""

from __future__ import annotations

import dataclasses
import decimal
import itertools
import sys
from collections.abc import Iterable
from typing import Any

from coilbox.codec.allowance import Allowance
from coilbox.codec.nesting import HUGE_BYTES, Malformed

FEW_KEYS = 512
"""With fewer keys of small size all steps together take some milliseconds at most."""
# Steps that keys may cost in a table, for each key and besides: honest keys need 1 to 16.
_STEPS = 32
_STEPS_FREE = 4096

# What comparisons of keys with the same hash may cost altogether, in comparisons of two small
# keys: some milliseconds.
_COMPARISONS = 1 << 17
_BYTES_A_COMPARISON = 256

# Nobody can choose the hashes of these, unless PYTHONHASHSEED does.
_TEXTS = (str, bytes)
_RANDOM = bool(sys.flags.hash_randomization)

_SMALL = (str, bytes, float, bool, type(None))

# CPython's tables (Objects/dictobject.c, Objects/setobject.c): a key that finds its place taken
# goes on to others that the other bits of its hash determine.
_PERTURB_SHIFT = 5
_LINEAR_PROBES = 9
_HASH_BITS = (1 << 64) - 1
_SMALLEST_TABLE = 512  # smaller ones have few keys


def dict_of(pairs: list[tuple[Any, Any]], allowance: Allowance) -> dict[Any, Any]:
    """The dict of these pairs.

    Raises:
        Malformed: making it would take a hostile time, or a key has no hash.
    """
    allowance.done()
    check_keys([key for key, _ in allowance.each(pairs)], allowance, in_set=False)
    made: dict[Any, Any] = {}
    for piece in allowance.pieces(pairs):
        made.update(piece)
    return made


def set_of(items: list[Any], allowance: Allowance) -> set[Any]:
    """The set of these items.

    Raises:
        Malformed: making it would take a hostile time, or an item has no hash.
    """
    check_keys(items, allowance, in_set=True)
    made: set[Any] = set()
    for piece in allowance.pieces(items):
        made.update(piece)
    return made


def check_keys(keys: list[Any], allowance: Allowance, *, in_set: bool) -> None:
    """Refuse keys that would take a hostile time to be put into one dict or set.

    Raises:
        Malformed: they would, or one has no hash.
    """
    if _RANDOM and all(type(key) in _TEXTS for key in allowance.each(keys)):
        return
    small = all(type(key) in _SMALL or _is_small_int(key) for key in allowance.each(keys))
    if small and len(keys) <= FEW_KEYS:
        return
    hashes: list[int] = []
    try:
        for piece in allowance.pieces(keys):
            hashes += map(hash, piece)
    except TypeError as error:
        raise Malformed(str(error)) from None
    twins = _twins(hashes, allowance, in_set)
    if twins and not small:
        _check_comparisons(keys, hashes, twins, allowance)


def _is_small_int(key: object) -> bool:
    return type(key) is int and key.bit_length() <= 8 * HUGE_BYTES


# -- places in tables ------------------------------------------------------------------------------


def _twins(hashes: list[int], allowance: Allowance, in_set: bool) -> set[str]:
    """The hashes that more than one key may have, as texts, whose own hashes nobody can choose.

    Raises:
        Malformed: finding the places of the keys takes too many steps.
    """
    count = len(hashes)
    if count <= FEW_KEYS:
        ordered = sorted(hashes)
        return {str(one) for one, other in itertools.pairwise(ordered) if one == other}
    fill = _fill_set if in_set else _fill_dict
    twins: list[int] = []
    # All tables that are used while it grows, and the next ones, as whoever gets it may add keys.
    size = _SMALLEST_TABLE
    while size < 4 * count:
        # A dict's table is filled to two thirds, a set's to three fifths.
        fitting = min(count, 2 * size // 3)
        twins = fill(hashes[:fitting], size, allowance)
        size *= 2
    return set(map(str, twins))


def _fill_dict(hashes: list[int], size: int, allowance: Allowance) -> list[int]:
    """Put keys of these hashes into a dict's table; those that may be there more than once."""
    # One byte for each place: 0, or one of 251 marks by which hashes differ.
    places = bytearray(size)
    mask = size - 1
    twins: list[int] = []
    left = _STEPS * len(hashes) + _STEPS_FREE
    for piece in allowance.pieces(hashes):
        for one in piece:
            place = one & mask
            mark = one % 251 + 1
            found = places[place]
            if found:
                perturb = one & _HASH_BITS
                before = left
                while found:
                    if found == mark:
                        mark = 0
                    left -= 1
                    if left < 0:
                        raise _too_slow(len(hashes))
                    perturb >>= _PERTURB_SHIFT
                    place = (place * 5 + perturb + 1) & mask
                    found = places[place]
                if not mark:
                    mark = one % 251 + 1
                    twins.append(one)
                if before - left > 4096:
                    allowance.checkpoint()
            places[place] = mark
    return twins


def _fill_set(hashes: list[int], size: int, allowance: Allowance) -> list[int]:
    """Put keys of these hashes into a set's table; those that may be there more than once."""
    places = bytearray(size)
    mask = size - 1
    twins: list[int] = []
    left = _STEPS * len(hashes) + _STEPS_FREE
    for piece in allowance.pieces(hashes):
        for one in piece:
            place = one & mask
            mark = one % 251 + 1
            if places[place]:
                perturb = one & _HASH_BITS
                before = left
                is_twin = False
                while True:
                    end = place + _LINEAR_PROBES + 1
                    if end > size:
                        end = place + 1
                    free = places.find(0, place, end)
                    is_twin = is_twin or places.find(mark, place, end if free < 0 else free) >= 0
                    if free >= 0:
                        break
                    left -= 1
                    if left < 0:
                        raise _too_slow(len(hashes))
                    perturb >>= _PERTURB_SHIFT
                    place = (place * 5 + perturb + 1) & mask
                place = free
                if is_twin:
                    twins.append(one)
                if before - left > 4096:
                    allowance.checkpoint()
            places[place] = mark
    return twins


def _too_slow(count: int) -> Malformed:
    return Malformed(f"{count} keys of a dict or set that take the same places in its table")


# -- comparisons -----------------------------------------------------------------------------------


def _check_comparisons(
    keys: list[Any], hashes: list[int], twins: set[str], allowance: Allowance
) -> None:
    """Refuse keys of the same hash whose comparisons would take long.

    Raises:
        Malformed: they would.
    """
    groups: dict[str, list[Any]] = {}
    for key, one in zip(allowance.each(keys), hashes, strict=True):
        name = str(one)
        if name in twins:
            groups.setdefault(name, []).append(key)
    left = _COMPARISONS
    for group in groups.values():
        if len(group) == 1:
            continue
        size = _Size(allowance)
        left -= len(group) * sum(map(size.of, group))
        if left < 0:
            raise Malformed("keys of one dict or set with the same hash, which are slow to compare")
        if size.huge and size.decimals:
            raise Malformed("a huge integer and a Decimal as keys of one dict or set")


class _Size:
    """How much there is to compare in keys.

    Attributes:
        huge: whether there was a huge integer. Python converts it to be compared with a Decimal,
            which takes time quadratic in its length: 14 s for 400 KB.
        decimals: whether there was a Decimal.
    """

    def __init__(self, allowance: Allowance) -> None:
        self.huge = self.decimals = False
        self._allowance = allowance

    def of(self, key: Any) -> int:
        """The comparisons of small values that comparing ``key`` with another one may take."""
        self._allowance.done()
        if isinstance(key, tuple):
            return self._several(key)
        if isinstance(key, frozenset):
            # Each item is looked for in the other set, and compared with all of its hash.
            ordered = sorted(map(hash, key))
            most = max((len(list(same)) for _, same in itertools.groupby(ordered)), default=1)
            return len(key) + most * self._several(key)
        if dataclasses.is_dataclass(key):
            fields = (getattr(key, name) for name in key.__dataclass_fields__)
            return self._several(fields)
        if isinstance(key, int):
            self.huge = self.huge or key.bit_length() > 8 * HUGE_BYTES
        elif isinstance(key, decimal.Decimal):
            self.decimals = True
        return 1 + sys.getsizeof(key) // _BYTES_A_COMPARISON

    def _several(self, items: Iterable[Any]) -> int:
        return 1 + sum(map(self.of, items))
