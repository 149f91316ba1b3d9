"""Orders and dominators of a graph given as successor lists.

The dominator algorithm is the iterative one of Cooper, Harvey and Kennedy, "A Simple, Fast
Dominance Algorithm" (2001).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


def reverse_postorder(successors: Mapping[int, Sequence[int]], entry: int) -> list[int]:
    """The nodes that can be reached from the entry, each before what only it leads to."""
    order: list[int] = []
    seen = {entry}
    stack = [(entry, iter(successors[entry]))]
    while stack:
        node, rest = stack[-1]
        for target in rest:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(successors[target])))
                break
        else:
            order.append(node)
            stack.pop()
    order.reverse()
    return order


@dataclass(frozen=True)
class DominatorTree:
    """Immediate dominators, for the nodes reached from the entry."""

    entry: int
    rank: dict[int, int]
    """Position of each node in reverse postorder; the nodes come in that order."""
    parent: dict[int, int]
    """The immediate dominator; the entry is its own."""
    children: dict[int, list[int]]
    """In reverse postorder."""
    predecessors: dict[int, list[int]]
    """One for each edge."""

    def dominates(self, above: int, below: int) -> bool:
        """Whether every path from the entry to `below` passes `above`."""
        limit = self.rank[above]
        while self.rank[below] > limit:
            below = self.parent[below]
        return above == below

    def irreducible_edges(self) -> list[tuple[int, int]]:
        """Edges backwards in the order to a node that does not dominate their source.

        A graph without them is reducible: each loop has one head (Hecht and Ullman, 1972).
        """
        return [
            (source, node)
            for node, sources in self.predecessors.items()
            for source in sources
            if self.rank[source] >= self.rank[node] and not self.dominates(node, source)
        ]


def dominator_tree(successors: Mapping[int, Sequence[int]], entry: int) -> DominatorTree:
    """The dominator tree of what the entry reaches."""
    order = reverse_postorder(successors, entry)
    rank = {node: position for position, node in enumerate(order)}
    predecessors: dict[int, list[int]] = {node: [] for node in order}
    for node in order:
        for target in successors[node]:
            predecessors[target].append(node)
    parent = {entry: entry}
    changed = True
    while changed:
        changed = False
        for node in order[1:]:
            new: int | None = None
            for source in predecessors[node]:
                if source not in parent:
                    continue
                if new is None:
                    new = source
                    continue
                while source != new:
                    while rank[source] > rank[new]:
                        source = parent[source]
                    while rank[new] > rank[source]:
                        new = parent[new]
            assert new is not None, "a node comes behind one of its predecessors"
            if parent.get(node) != new:
                parent[node] = new
                changed = True
    children: dict[int, list[int]] = {node: [] for node in order}
    for node in order[1:]:
        children[parent[node]].append(node)
    return DominatorTree(entry, rank, parent, children, predecessors)
