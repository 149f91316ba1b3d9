"""Which blocks become functions of their own.

The start of the function and the targets of the dispatch do. So does every block that is reached
from two of these on ways that share nothing: no single function could hold it. In the dominator
tree of the graph with one root above all entries these are exactly the root's children, and the
blocks below an entry in the tree are its region.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from coilbox_guest.tailcall.dominators import dominator_tree
from coilbox_guest.tailcall.graph import Graph

_ROOT = -1


@dataclass(frozen=True)
class Partition:
    """Entries, and the region of each."""

    roots: tuple[int, ...]
    """The entries that were asked for."""
    joins: tuple[int, ...]
    """The entries that had to be added, in reverse postorder."""
    regions: dict[int, tuple[int, ...]]
    """For each entry its blocks, itself first."""
    cut: tuple[int, ...]
    """Joins that are entries because a loop through them had more than one way in."""

    @property
    def entries(self) -> tuple[int, ...]:
        """All entries."""
        return self.roots + self.joins


def partition(graph: Graph, roots: Collection[int], copied: Collection[int] = ()) -> Partition:
    """Partition what the roots reach. Edges to `copied` blocks end there: each gets its own copy.

    Every region is reducible: where a loop has two entries, the block that the backward edge goes
    to becomes an entry itself, until no such edge is left.
    """
    cut: list[int] = []
    successors = {
        number: [target for target in block.targets if target not in copied or target in roots]
        for number, block in graph.blocks.items()
    }
    while True:
        successors[_ROOT] = [*roots, *cut]
        tree = dominator_tree(successors, _ROOT)
        wrong = sorted(
            {target for source, target in tree.irreducible_edges() if tree.parent[target] != _ROOT}
        )
        if not wrong:
            break
        # The outermost alone: cutting it may already have untangled the others.
        cut.append(min(wrong, key=tree.rank.__getitem__))
    entries = tree.children[_ROOT]
    regions: dict[int, tuple[int, ...]] = {}
    for entry in entries:
        region: list[int] = []
        pending = [entry]
        while pending:
            number = pending.pop()
            region.append(number)
            pending.extend(reversed(tree.children[number]))
        regions[entry] = tuple(region)
    chosen = set(roots)
    joins = tuple(entry for entry in entries if entry not in chosen)
    return Partition(tuple(roots), joins, regions, tuple(number for number in cut))
