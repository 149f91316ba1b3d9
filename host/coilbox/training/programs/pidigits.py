"""Digits of pi by a spigot: integers of thousands of digits."""

QUICK, FULL = 30, 2_800


def digits():
    # Gibbons' streaming algorithm, with the linear fractional transformation as four integers.
    q, r, t, k, n, odd = 1, 0, 1, 1, 3, 3
    while True:
        if 4 * q + r - t < n * t:
            yield n
            q, r, n = 10 * q, 10 * (r - n * t), 10 * (3 * q + r) // t - 10 * n
        else:
            n = (q * (7 * k + 2) + r * odd) // (t * odd)
            q, r, t, k, odd = q * k, (2 * q + r) * odd, t * odd, k + 1, odd + 2


def run(size):
    stream = digits()
    found = [next(stream) for _ in range(size)]
    return [sum(found), "".join(map(str, found[:20])), "".join(map(str, found[-10:]))]


EXPECTED = {
    QUICK: [141, "31415926535897932384", "6264338327"],
    FULL: [12933, "31415926535897932384", "3590279934"],
}
