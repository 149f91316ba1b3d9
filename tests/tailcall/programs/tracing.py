"""sys.settrace, sys.setprofile and sys.monitoring through the loop."""

import sys


def work(n):
    total = 0
    for number in range(n):
        if number % 2:
            total += number
        else:
            total -= helper(number)
    try:
        raise ValueError(total)
    except ValueError:
        pass
    return [x * x for x in gen(3)]


def helper(x):
    return x and abs(-x)


def gen(n):
    for i in range(n):
        yield i


events = []


def tracer(frame, event, arg):
    frame.f_trace_opcodes = event == "call" and frame.f_code.co_name == "helper"
    events.append((frame.f_code.co_name, event, frame.f_lineno, type(arg).__name__))
    return tracer


sys.settrace(tracer)
work(4)
sys.settrace(None)
print(len(events))
for event in events:
    print(*event)
events.clear()


def profiler(frame, event, arg):
    events.append((frame.f_code.co_name, event, getattr(arg, "__name__", type(arg).__name__)))


sys.setprofile(profiler)
work(3)
sys.setprofile(None)
for event in events:
    print(*event)
events.clear()

monitoring = sys.monitoring
TOOL = monitoring.PROFILER_ID
monitoring.use_tool_id(TOOL, "test")
names = [
    "PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD", "CALL", "LINE", "INSTRUCTION", "JUMP",
    "BRANCH_LEFT", "BRANCH_RIGHT", "STOP_ITERATION", "RAISE", "EXCEPTION_HANDLED", "PY_UNWIND",
    "PY_THROW", "RERAISE", "C_RETURN", "C_RAISE",
]  # fmt: skip
for name in names:
    event = getattr(monitoring.events, name)

    def callback(code, *rest, name=name):
        if code.co_name in ("work", "helper", "gen"):
            simple = [r if isinstance(r, int) else type(r).__name__ for r in rest]
            events.append((name, code.co_name, *simple))

    monitoring.register_callback(TOOL, event, callback)
wanted = 0
for name in names:
    if name not in ("C_RETURN", "C_RAISE"):
        wanted |= getattr(monitoring.events, name)
monitoring.set_events(TOOL, wanted)
work(3)
monitoring.set_events(TOOL, 0)
monitoring.free_tool_id(TOOL)
print(len(events))
for event in events:
    print(*event)
print(work(3), "after")
