"""A small operating system: tasks of several classes pass packets (after Richards' idea)."""

from collections import deque

QUICK, FULL = 20, 100_000


class Packet:
    __slots__ = ("data", "kind", "target")

    def __init__(self, kind, target, data):
        self.kind = kind
        self.target = target
        self.data = data


class Task:
    def __init__(self, system, name, priority):
        self.system = system
        self.name = name
        self.priority = priority
        self.inbox = deque()
        self.waiting = False
        self.done = 0

    def runnable(self):
        return not self.waiting and bool(self.inbox)

    def step(self):
        packet = self.inbox.popleft()
        self.done += 1
        self.handle(packet)

    def handle(self, packet):
        raise NotImplementedError


class Device(Task):
    """Answers each request after a moment."""

    def __init__(self, system, name, priority, delay):
        super().__init__(system, name, priority)
        self.delay = delay

    def handle(self, packet):
        self.waiting = True
        packet.kind = "reply"
        packet.data = [value * 3 % 251 for value in packet.data]
        self.system.later(self.delay, self.finish, packet)

    def finish(self, packet):
        self.waiting = False
        packet.target, target = self.name, packet.target
        self.system.send(target, packet)


class Worker(Task):
    """Sends its packets to the devices in turn, and digests what comes back."""

    def __init__(self, system, name, priority, devices):
        super().__init__(system, name, priority)
        self.devices = devices
        self.turn = 0
        self.sum = 0

    def handle(self, packet):
        if packet.kind == "reply":
            self.sum = (self.sum * 31 + sum(packet.data)) % 1_000_003
        device = self.devices[self.turn % len(self.devices)]
        self.turn += 1
        packet.kind = "request"
        packet.target = self.name
        self.system.send(device, packet)


class System:
    def __init__(self):
        self.tasks = {}
        self.order = []
        self.timers = []
        self.clock = 0

    def add(self, task):
        self.tasks[task.name] = task
        self.order.append(task)
        self.order.sort(key=lambda item: -item.priority)

    def send(self, name, packet):
        self.tasks[name].inbox.append(packet)

    def later(self, delay, function, packet):
        self.timers.append((self.clock + delay, function, packet))

    def tick(self):
        self.clock += 1
        due = [timer for timer in self.timers if timer[0] <= self.clock]
        if due:
            self.timers = [timer for timer in self.timers if timer[0] > self.clock]
            for _, function, packet in due:
                function(packet)
        for task in self.order:
            if task.runnable():
                task.step()


def run(size):
    system = System()
    devices = [f"device{number}" for number in range(4)]
    for number, name in enumerate(devices):
        system.add(Device(system, name, 10 + number, number % 3 + 1))
    for number in range(6):
        name = f"worker{number}"
        system.add(Worker(system, name, number, devices))
        system.send(name, Packet("start", name, list(range(number, number + 8))))
    for _ in range(size):
        system.tick()
    return [[task.done for task in system.order], [t.sum for t in system.order[4:]]]


EXPECTED = {
    QUICK: [[4, 5, 8, 9, 7, 7, 6, 4, 3, 3], [24855, 338282, 157812, 140316, 3672, 2856]],
    FULL: [
        [33330, 33332, 33335, 33336, 22224, 22223, 22223, 22223, 22222, 22221],
        [169963, 373353, 394757, 720609, 575710, 360426],
    ],
}
