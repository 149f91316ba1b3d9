"""Python's own tools: ast, compile, tokenize, inspect, traceback, argparse, contextlib, asyncio."""

import argparse
import ast
import asyncio
import contextlib
import inspect
import io
import tokenize
import traceback

QUICK, FULL = 2, 40

SOURCE = '''
class Shape:
    """A shape."""
    sides: int = 0

    def area(self, *, scale: float = 1.0) -> float:
        match self.sides:
            case 3 | 4:
                return scale * self.sides
            case _ if scale > 2:
                raise ValueError(f"no area: {self.sides!r:>10}")
        return sum(x ** 2 for x in range(self.sides) if x % 2)

def collect(items, /, *more, key=lambda item: item, **options):
    try:
        found = {key(item): [*more, item] for item in items if item not in options}
    except (TypeError, KeyError) as error:
        return {"error": str(error)}
    else:
        return found
    finally:
        del items
'''


class Renamer(ast.NodeTransformer):
    def visit_Name(self, node):
        return ast.copy_location(ast.Name(node.id.upper(), node.ctx), node)


@contextlib.contextmanager
def noted(log, name):
    log.append(name)
    try:
        yield log
    except ZeroDivisionError:
        log.append("divided")


async def worker(queue, done):
    while True:
        item = await queue.get()
        await asyncio.sleep(0)
        done.append(item * 2)
        queue.task_done()


async def pipeline(count):
    queue, done = asyncio.Queue(maxsize=4), []
    workers = [asyncio.create_task(worker(queue, done)) for _ in range(3)]
    for item in range(count):
        await queue.put(item)
    await queue.join()
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return sum(done)


def run(size):
    names, tokens, log = 0, 0, []
    for number in range(size):
        source = SOURCE.replace("Shape", f"Shape{number}")
        tree = ast.parse(source)
        names += sum(isinstance(node, ast.Name) for node in ast.walk(tree))
        space = {}
        exec(compile(tree, f"<{number}>", "exec"), space)
        text = ast.unparse(Renamer().visit(ast.parse(source)))
        tokens += len(list(tokenize.generate_tokens(io.StringIO(text).readline)))
        shape = space[f"Shape{number}"]()
        log.append(str(inspect.signature(space["collect"])))
        with noted(log, number):
            shape.sides = 5 // (number % 3)
        try:
            shape.area(scale=3.0)
        except ValueError:
            log.append(traceback.format_exc().count("\n") > 3)
        parser = argparse.ArgumentParser(prog="p")
        parser.add_argument("--count", type=int, default=1)
        parser.add_argument("files", nargs="*")
        log.append(parser.parse_args(["--count", str(number), "a", "b"]).count)
    return [names, tokens > names, len(log), log.count("divided"), asyncio.run(pipeline(size * 20))]


EXPECTED = {QUICK: [64, True, 9, 1, 1560], FULL: [1280, True, 174, 14, 639200]}
