"""A tokenizer, parser and evaluator of expressions: characters, recursion, match, exceptions."""

from dataclasses import dataclass

QUICK, FULL = 10, 5_000


@dataclass
class Number:
    value: int


@dataclass
class Name:
    name: str


@dataclass
class Binary:
    operator: str
    left: object
    right: object


def tokens(text):
    position = 0
    while position < len(text):
        letter = text[position]
        if letter.isspace():
            position += 1
        elif letter.isdigit() or letter.isalpha():
            start = position
            while position < len(text) and text[position].isalnum():
                position += 1
            yield text[start:position]
        else:
            position += 1
            yield letter
    yield ""


class Parser:
    def __init__(self, text):
        self.tokens = list(tokens(text))
        self.position = 0

    def take(self):
        token = self.tokens[self.position]
        self.position += 1
        return token

    def expression(self, strength=0):
        token = self.take()
        if token == "(":
            left = self.expression()
            if self.take() != ")":
                raise SyntaxError("no )")
        elif token.isdigit():
            left = Number(int(token))
        elif token.isalpha():
            left = Name(token)
        else:
            raise SyntaxError(f"unexpected {token!r}")
        while (level := "+-*/%".find(self.tokens[self.position] or "?") // 2 + 1) > strength:
            operator = self.take()
            left = Binary(operator, left, self.expression(level))
        return left


def evaluate(node, names):
    match node:
        case Number(value):
            return value
        case Name(name):
            return names[name]
        case Binary("+", left, right):
            return evaluate(left, names) + evaluate(right, names)
        case Binary("-", left, right):
            return evaluate(left, names) - evaluate(right, names)
        case Binary("*", left, right):
            return evaluate(left, names) * evaluate(right, names) % 1_000_003
        case Binary("/", left, right):
            return evaluate(left, names) // evaluate(right, names)
        case Binary("%", left, right):
            return evaluate(left, names) % evaluate(right, names)
    raise TypeError(node)


TEXTS = (
    "a + b * (c - 4) * 12 - a * b / (c % 7)",
    "((a * a - b) * (c + 1) + 17) % 1009 * a",
    "a - b - c - (a + b + c) * unknown",
    "1 + 2 * (3 + 4 * (5 + 6 * (a + 8))) - b",
    "a + ) b",
)


def run(size):
    total = 0
    faults = {"SyntaxError": 0, "KeyError": 0, "ZeroDivisionError": 0}
    for number in range(size):
        names = {"a": number, "b": number * 3 + 1, "c": number % 50}
        for text in TEXTS:
            try:
                total += evaluate(Parser(text).expression(), names)
            except (SyntaxError, KeyError, ZeroDivisionError) as error:
                faults[type(error).__name__] += 1
    return [total, faults]


EXPECTED = {
    QUICK: [3020440, {"SyntaxError": 10, "KeyError": 10, "ZeroDivisionError": 2}],
    FULL: [3827227413, {"SyntaxError": 5000, "KeyError": 5000, "ZeroDivisionError": 800}],
}
