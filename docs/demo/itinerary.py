"""Runs in the sandbox: the legs of a journey between airports, read from a mounted CSV file.

Usage: itinerary.py DATABASE UNIT, with one airport code on each line of standard input.
"""

import csv
import math
import sys
from dataclasses import dataclass
from itertools import pairwise

RADIUS = {"km": 6371.0, "mi": 3958.8, "nm": 3440.1}


@dataclass(frozen=True)
class Airport:
    code: str
    name: str
    country: str
    latitude: float
    longitude: float

    def distance(self, other: "Airport", radius: float) -> float:
        """Great-circle distance by the haversine formula."""
        a1, a2 = math.radians(self.latitude), math.radians(other.latitude)
        half = math.radians(other.longitude - self.longitude) / 2
        h = math.sin((a2 - a1) / 2) ** 2 + math.cos(a1) * math.cos(a2) * math.sin(half) ** 2
        return 2 * radius * math.asin(math.sqrt(h))


def load(path: str) -> dict[str, Airport]:
    with open(path, newline="", encoding="utf-8") as file:
        return {
            row["iata"]: Airport(
                row["iata"], row["name"], row["country"], float(row["lat"]), float(row["lon"])
            )
            for row in csv.DictReader(file)
            if row["iata"]
        }


database, unit = sys.argv[1:]
airports = load(database)
stops = [airports[line.strip()] for line in sys.stdin if line.strip()]
legs = [
    (start.code, end.code, round(start.distance(end, RADIUS[unit])))
    for start, end in pairwise(stops)
]
print(f"{len(airports)} airports known")
for start, end, length in legs:
    print(f"{start} -> {end}  {length:>6} {unit}  to {airports[end].name}, {airports[end].country}")

{"legs": legs, "total": sum(length for _, _, length in legs), "unit": unit}
