"""Generators, coroutines and async generators."""

import asyncio
import types


def countdown(n):
    try:
        while n:
            got = yield n
            n -= 1 if got is None else got
    except ValueError as error:
        yield ("caught", str(error))
    finally:
        print("closed at", n)


def delegate(n):
    result = yield from countdown(n)
    print("delegate got", result)
    return "done"


generator = countdown(10)
print(next(generator), generator.send(3), generator.send(None), generator.throw(ValueError("x")))
generator.close()
print(list(delegate(4)))
try:
    next(iter(()))
except StopIteration as stop:
    print("stop", stop.value)


@types.coroutine
def step(value):
    return (yield value)


async def worker(name, rounds):
    total = 0
    for number in range(rounds):
        total += await step((name, number))
    return total


async def ticker(n):
    try:
        for number in range(n):
            await step(("tick", number))
            yield number * number
    finally:
        print("ticker ended")


async def consume():
    seen = [value async for value in ticker(4) if value != 1]
    async for value in ticker(3):
        if value:
            break
    return seen, await worker("w", 3)


def drive(coroutine):
    sent = None
    try:
        while True:
            print("yielded", coroutine.send(sent))
            sent = 7
    except StopIteration as stop:
        return stop.value


print(drive(consume()))


class Manager:
    async def __aenter__(self):
        await step("enter")
        return self

    async def __aexit__(self, *error):
        await step("exit")
        print("exit with", error[0] and error[0].__name__)
        return True


async def managed():
    async with Manager():
        raise KeyError("inside")
    return "after"


print(drive(managed()))
print(asyncio.iscoroutinefunction(managed))
