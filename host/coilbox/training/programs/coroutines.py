"""Tasks that await queues and one another, on an event loop of thirty lines: async and await."""

from collections import deque

QUICK, FULL = 10, 12_000


class Switch:
    """Awaiting it gives the loop to the others; it comes back with what it was woken with."""

    __slots__ = ("command",)

    def __init__(self, command):
        self.command = command

    def __await__(self):
        return (yield self.command)


class Loop:
    def __init__(self):
        self.ready = deque()

    def spawn(self, coroutine):
        self.ready.append((coroutine, None))

    def run(self):
        steps = 0
        while self.ready:
            coroutine, value = self.ready.popleft()
            steps += 1
            try:
                command, *details = coroutine.send(value)
            except StopIteration:
                continue
            if command == "pause":
                self.ready.append((coroutine, None))
            else:
                queue = details[0]
                queue.readers.append(coroutine)
                queue.serve()
        return steps


class Queue:
    def __init__(self, loop):
        self.loop = loop
        self.items = deque()
        self.readers = deque()

    def put(self, item):
        self.items.append(item)
        self.serve()

    def serve(self):
        while self.items and self.readers:
            self.loop.ready.append((self.readers.popleft(), self.items.popleft()))

    async def get(self):
        return await Switch(("get", self))


async def produce(queue, count):
    for number in range(count):
        queue.put(number)
        if number % 3 == 0:
            await Switch(("pause",))
    queue.put(None)


async def transform(source, target, factor):
    async for number in drain(source):
        target.put(await scaled(number, factor))
    target.put(None)


async def drain(queue):
    while (item := await queue.get()) is not None:
        yield item


async def scaled(number, factor):
    if number % 5 == 0:
        await Switch(("pause",))
    return number * factor % 1009


async def collect(queue, results):
    total = 0
    async for number in drain(queue):
        total += number
    results.append(total)


def run(size):
    loop = Loop()
    results = []
    for factor in range(2, 8):
        first, second, third = Queue(loop), Queue(loop), Queue(loop)
        loop.spawn(produce(first, size))
        loop.spawn(transform(first, second, factor))
        loop.spawn(transform(second, third, factor + 1))
        loop.spawn(collect(third, results))
    return [loop.run(), sorted(results)]


EXPECTED = {
    QUICK: [278, [270, 540, 900, 1350, 1890, 2520]],
    FULL: [268877, [6028776, 6039876, 6044586, 6044924, 6046944, 6050646]],
}
