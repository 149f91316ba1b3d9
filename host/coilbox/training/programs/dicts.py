"""Counting words and walking a graph: dicts, sets, tuples as keys."""

from collections import Counter, defaultdict, deque

QUICK, FULL = 200, 180_000


def numbers(count):
    state = 42
    for _ in range(count):
        state = state * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
        yield state >> 40


def run(size):
    values = list(numbers(size))
    words = Counter(f"w{value % 5000}" for value in values)
    groups = defaultdict(set)
    for value in values:
        groups[value % 97, value % 3].add(value)
    common = set.intersection(*({v % 1000 for v in group} for group in list(groups.values())[:5]))
    nodes = size // 4
    edges = defaultdict(list)
    for index, value in enumerate(values):
        edges[index % nodes].append(value % nodes)
        edges[value % nodes].append(index % nodes)
    distance = {0: 0}
    queue = deque([0])
    while queue:
        node = queue.popleft()
        for neighbour in edges[node]:
            if neighbour not in distance:
                distance[neighbour] = distance[node] + 1
                queue.append(neighbour)
    merged = {**words, **{str(key): len(group) for key, group in groups.items()}}
    return [
        len(words),
        max(words.values()),
        len(groups),
        len(common),
        sum(distance.values()),
        len(merged),
    ]


EXPECTED = {QUICK: [192, 2, 139, 0, 97, 331], FULL: [5000, 58, 291, 21, 243478, 5291]}
