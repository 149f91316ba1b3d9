"""Flips of all permutations: slices and indices of small lists."""

QUICK, FULL = 5, 9


def run(size):
    permutation = list(range(size))
    counts = [0] * size
    most = checksum = turn = 0
    while True:
        first = permutation[0]
        if first:
            flipped = permutation[:]
            flips = 0
            while first:
                flipped[: first + 1] = flipped[first::-1]
                first = flipped[0]
                flips += 1
            most = max(most, flips)
            checksum += flips if turn % 2 == 0 else -flips
        # The next permutation: rotate longer and longer prefixes, counting like an odometer.
        for length in range(2, size + 1):
            permutation.insert(length - 1, permutation.pop(0))
            counts[length - 1] += 1
            if counts[length - 1] < length:
                break
            counts[length - 1] = 0
        else:
            return [most, checksum]
        turn += 1


EXPECTED = {QUICK: [7, 11], FULL: [30, 8629]}
