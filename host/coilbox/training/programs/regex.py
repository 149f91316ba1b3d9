"""Patterns over a made log file: the engine of the re module, in C."""

import re

QUICK, FULL = 20, 20_000

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def log(lines):
    state = 12345
    for number in range(lines):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        word, other = WORDS[state >> 8 & 7], WORDS[state >> 16 & 7]
        yield (
            f"2026-{state % 12 + 1:02}-{state % 28 + 1:02}T{state % 24:02}:{state % 60:02}:07Z "
            f"[{word.upper()}] {state % 256}.{state >> 8 & 255}.0.{number % 256} "
            f'GET /{word}/{other}/{number}?q={state % 1000}&name="{other} {word}" {state % 500}'
        )


def run(size):
    text = "\n".join(log(size))
    address = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
    line = re.compile(
        r"^(?P<date>\d{4}-\d\d-\d\d)T[\d:]+Z \[(?P<level>[A-Z]+)\] .*?\?q=(?P<query>\d+)&", re.M
    )
    double = re.compile(r"(\w)\1")
    quoted = re.compile(r'"([^"\\]|\\.)*"')
    levels = {}
    for match in line.finditer(text):
        level = match["level"]
        levels[level] = levels.get(level, 0) + int(match["query"])
    return [
        len(set(address.findall(text))),
        sum(levels.values()),
        len(double.findall(text)),
        len(quoted.sub("''", text)),
        len(re.split(r"[\s/?&=\[\]]+", text)),
        len(re.sub(r"[aeiou]+", lambda found: found[0].upper(), text, count=size * 20)),
    ]


EXPECTED = {
    QUICK: [20, 10678, 33, 1548, 260, 1763],
    FULL: [20000, 10043328, 43788, 1621206, 260000, 1831113],
}
