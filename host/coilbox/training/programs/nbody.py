"""Planets pulling at one another: floats, lists of lists, tight loops."""

QUICK, FULL = 20, 70_000

# Masses in solar masses, positions in astronomical units, velocities in units a year: round
# figures of the sun's and the four giants' size, not an ephemeris.
BODIES = [
    (39.47, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    (0.0377, (4.84, -1.16, -0.10), (0.606, 2.81, -0.02)),
    (0.0113, (8.34, 4.12, -0.40), (-1.01, 1.82, 0.008)),
    (0.0017, (12.89, -15.11, -0.22), (1.08, 0.868, -0.010)),
    (0.0020, (15.38, -25.92, 0.18), (0.979, 0.594, -0.034)),
]


def energy(bodies):
    total = 0.0
    for index, (mass, (x, y, z), (vx, vy, vz)) in enumerate(bodies):
        total += mass * (vx * vx + vy * vy + vz * vz) / 2
        for other, (ox, oy, oz), _ in bodies[index + 1 :]:
            total -= mass * other / ((x - ox) ** 2 + (y - oy) ** 2 + (z - oz) ** 2) ** 0.5
    return total


def advance(bodies, pairs, step):
    for (mass1, place1, speed1), (mass2, place2, speed2) in pairs:
        dx = place1[0] - place2[0]
        dy = place1[1] - place2[1]
        dz = place1[2] - place2[2]
        square = dx * dx + dy * dy + dz * dz
        pull = step / (square * square**0.5)
        first, second = mass1 * pull, mass2 * pull
        speed1[0] -= dx * second
        speed1[1] -= dy * second
        speed1[2] -= dz * second
        speed2[0] += dx * first
        speed2[1] += dy * first
        speed2[2] += dz * first
    for _, place, (vx, vy, vz) in bodies:
        place[0] += step * vx
        place[1] += step * vy
        place[2] += step * vz


def run(size):
    bodies = [(mass, list(place), list(speed)) for mass, place, speed in BODIES]
    pairs = [(a, b) for index, a in enumerate(bodies) for b in bodies[index + 1 :]]
    before = energy(bodies)
    for _ in range(size):
        advance(bodies, pairs, 0.001)
    return f"{before:.6f} {energy(bodies):.6f} {bodies[1][1][0]:.6f}"


EXPECTED = {QUICK: "-0.169696 -0.169696 4.851794", FULL: "-0.169696 -0.169697 3.616812"}
