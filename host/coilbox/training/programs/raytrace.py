"""Spheres over a chessboard floor: small objects, operator overloading, floats.

Roots come from ``math.sqrt``, which is exact to the last bit everywhere; ``** 0.5`` is not, and a
ray at an edge of the chessboard makes a difference of it.
"""

from math import sqrt

QUICK, FULL = 6, 170


class Vector:
    __slots__ = ("x", "y", "z")

    def __init__(self, x, y, z):
        self.x = x
        self.y = y
        self.z = z

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor, self.z * factor)

    def dot(self, other):
        return self.x * other.x + self.y * other.y + self.z * other.z

    def unit(self):
        return self * (1.0 / sqrt(self.dot(self)))

    def mirrored(self, normal):
        return self - normal * (2.0 * self.dot(normal))


class Sphere:
    def __init__(self, centre, radius, shade, shine):
        self.centre = centre
        self.radius = radius
        self.shade = shade
        self.shine = shine

    def hit(self, origin, direction):
        away = origin - self.centre
        b = away.dot(direction)
        root = b * b - away.dot(away) + self.radius * self.radius
        if root < 0.0:
            return None
        distance = -b - sqrt(root)
        return distance if distance > 1e-4 else None

    def normal(self, point):
        return (point - self.centre).unit()

    def brightness(self, point):
        return self.shade


class Floor:
    shine = 0.1

    def hit(self, origin, direction):
        if direction.y >= -1e-6:
            return None
        return -origin.y / direction.y if origin.y > 1e-4 else None

    def normal(self, point):
        return Vector(0.0, 1.0, 0.0)

    def brightness(self, point):
        return 0.9 if (point.x // 1 + point.z // 1) % 2 else 0.3


class Scene:
    def __init__(self):
        self.light = Vector(-4.0, 8.0, -6.0)
        self.things = [Floor()]
        for number in range(5):
            centre = Vector(number * 1.5 - 3.0, 0.6 + number % 2 * 0.5, 1.0 + number % 3)
            self.things.append(Sphere(centre, 0.6, 0.2 + number * 0.15, 0.4))

    def nearest(self, origin, direction):
        found = None, 1e9
        for thing in self.things:
            distance = thing.hit(origin, direction)
            if distance is not None and distance < found[1]:
                found = thing, distance
        return found

    def colour(self, origin, direction, depth):
        thing, distance = self.nearest(origin, direction)
        if thing is None:
            return 0.5 + direction.y * 0.4
        point = origin + direction * distance
        normal = thing.normal(point)
        towards = (self.light - point).unit()
        lit = max(normal.dot(towards), 0.0)
        if lit and self.nearest(point + normal * 1e-3, towards)[0] is not None:
            lit *= 0.2
        result = thing.brightness(point) * (0.2 + 0.8 * lit)
        if depth and thing.shine:
            bounced = direction.mirrored(normal)
            result += thing.shine * self.colour(point + normal * 1e-3, bounced, depth - 1)
        return result


def run(size):
    scene = Scene()
    eye = Vector(0.0, 1.8, -6.0)
    total = 0.0
    for y in range(size):
        for x in range(size):
            direction = Vector((x - size / 2) / size, (size / 2 - y) / size, 1.0).unit()
            total += scene.colour(eye, direction, 3)
    return f"{total:.4f}"


EXPECTED = {QUICK: "19.4788", FULL: "15513.5363"}
