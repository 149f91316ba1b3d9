"""A spreadsheet of objects that recomputes what a change reaches: attributes, inheritance."""

QUICK, FULL = 10, 9_000


class Cell:
    def __init__(self, value=0):
        self.value = value
        self.users = []
        self.level = 0

    def feed(self, user):
        self.users.append(user)
        user.level = max(user.level, self.level + 1)


class Formula(Cell):
    def __init__(self, *inputs):
        super().__init__()
        self.inputs = inputs
        for cell in inputs:
            cell.feed(self)
        self.value = self.compute()

    def compute(self):
        raise NotImplementedError

    def refresh(self):
        before, self.value = self.value, self.compute()
        return before != self.value


class Sum(Formula):
    def compute(self):
        return sum(cell.value for cell in self.inputs)


class Scaled(Formula):
    def __init__(self, cell, factor):
        self.factor = factor
        super().__init__(cell)

    def compute(self):
        return self.inputs[0].value * self.factor % 10_007


class Larger(Formula):
    def compute(self):
        left, right = self.inputs
        return left.value if left.value > right.value else right.value


class Sheet:
    def __init__(self):
        self.computed = 0

    def change(self, cell, value):
        """Set a cell and recompute its users, those nearer to it first."""
        if cell.value == value:
            return
        cell.value = value
        waiting = {}
        queued = set()
        self.enqueue(cell, waiting, queued)
        while waiting:
            level = min(waiting)
            for user in waiting.pop(level):
                self.computed += 1
                if user.refresh():
                    self.enqueue(user, waiting, queued)

    def enqueue(self, cell, waiting, queued):
        for user in cell.users:
            if id(user) not in queued:
                queued.add(id(user))
                waiting.setdefault(user.level, []).append(user)


def run(size):
    sheet = Sheet()
    sources = [Cell(number) for number in range(16)]
    layer = sources
    for depth in range(8):
        following = []
        for index, cell in enumerate(layer):
            neighbour = layer[(index + depth + 1) % len(layer)]
            kind = (index + depth) % 3
            if kind == 0:
                following.append(Sum(cell, neighbour))
            elif kind == 1:
                following.append(Scaled(cell, depth + 3))
            else:
                following.append(Larger(cell, neighbour))
        layer = following
    total = Sum(*layer)
    for number in range(size):
        sheet.change(sources[number * 7 % 16], number * number % 1009)
    return [total.value, sheet.computed]


EXPECTED = {QUICK: [118736, 432], FULL: [234432, 383308]}
