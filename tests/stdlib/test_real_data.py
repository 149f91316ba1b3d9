"""The standard library at work on data that PyPI packages ship."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import collections
import csv
import json
import math
import statistics
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coilbox import Mount, Scratch

Value = Callable[[str], Any]


@pytest.fixture
def value(sandbox: Callable[..., Any], packages: Path) -> Value:
    box = sandbox(mounts=[Mount(packages, "/packages")], scratch=Scratch())
    return lambda code: box.run(textwrap.dedent(code)).check().value


@pytest.fixture
def airports(packages: Path) -> list[dict[str, str]]:
    with (packages / "airportsdata/airports.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_airports_with_csv_and_math(value: Value, airports: list[dict[str, str]]) -> None:
    code = """
        import collections, csv, math
        with open("/packages/airportsdata/airports.csv", encoding="utf-8", newline="") as f:
            airports = list(csv.DictReader(f))
        by_iata = {a["iata"]: a for a in airports if a["iata"]}
        def distance(a, b):
            p, q, r, s = (math.radians(float(x[k])) for x in (by_iata[a], by_iata[b]) for k in ("lat", "lon"))
            h = math.sin((r - p) / 2) ** 2 + math.cos(p) * math.cos(r) * math.sin((s - q) / 2) ** 2
            return 2 * 6371 * math.asin(math.sqrt(h))
        zones = collections.Counter(a["tz"].partition("/")[0] for a in airports)
        highest = max(airports, key=lambda a: float(a["elevation"]))
        [len(airports), zones.most_common(4), highest["icao"], distance("FRA", "JFK"), distance("SYD", "LHR")]
    """
    count, zones, highest, to_york, to_london = value(code)
    assert count == len(airports) > 25_000
    expected = collections.Counter(a["tz"].partition("/")[0] for a in airports)
    assert zones == expected.most_common(4)
    assert highest == max(airports, key=lambda a: float(a["elevation"]))["icao"]
    assert 6100 < to_york < 6300
    assert 16_900 < to_london < 17_100


def test_airports_with_sqlite_and_zoneinfo(value: Value, airports: list[dict[str, str]]) -> None:
    code = """
        import csv, datetime, sqlite3, zoneinfo
        db = sqlite3.connect("/tmp/airports.db")
        with open("/packages/airportsdata/airports.csv", encoding="utf-8", newline="") as f:
            rows = csv.reader(f); head = next(rows)
            db.execute(f"create table airport({', '.join(head)})")
            db.executemany(f"insert into airport values ({', '.join('?' * len(head))})", rows)
        db.commit()
        q = lambda text: db.execute(text).fetchall()
        noon = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)
        zones = [z for z, in q("select distinct tz from airport where tz != '' order by 1")]
        local = {}
        for z in zones:
            try: local[z] = noon.astimezone(zoneinfo.ZoneInfo(z)).strftime("%H:%M %z")
            except zoneinfo.ZoneInfoNotFoundError: local[z] = None
        [
            q("select country, count(*) c from airport group by country order by c desc, country limit 5"),
            q("select count(*) from airport where name like '%International%' and cast(elevation as real) > 5000"),
            len(zones), local["Europe/Berlin"], local["Asia/Kolkata"], [z for z in zones if local[z] is None],
        ]
    """
    top, high, zones, berlin, kolkata, missing = value(code)
    countries = collections.Counter(a["country"] for a in airports)
    assert top == sorted(countries.items(), key=lambda kv: (-kv[1], kv[0]))[:5]
    assert high == [
        (
            sum(
                "international" in a["name"].lower() and float(a["elevation"]) > 5000
                for a in airports
            ),
        )
    ]
    assert zones > 300
    assert (berlin, kolkata) == ("14:00 +0200", "17:30 +0530")
    assert missing == []


def test_weather_with_datetime_and_statistics(value: Value, packages: Path) -> None:
    code = """
        import csv, collections, datetime, statistics
        with open("/packages/vega_datasets/_data/seattle-weather.csv", newline="") as f: rows = list(csv.DictReader(f))
        months = collections.defaultdict(list)
        for r in rows:
            day = datetime.datetime.fromisoformat(r["date"].replace("/", "-")).date()
            months[day.month].append((float(r["temp_max"]), float(r["precipitation"])))
        {m: (round(statistics.fmean(t for t, _ in v), 6), round(sum(p for _, p in v), 6), len(v)) for m, v in sorted(months.items())}
    """
    months: dict[int, list[tuple[float, float]]] = collections.defaultdict(list)
    path = packages / "vega_datasets/_data/seattle-weather.csv"
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            month = int(row["date"].replace("/", "-").split("-")[1])
            months[month].append((float(row["temp_max"]), float(row["precipitation"])))
    expected = {
        month: (
            round(statistics.fmean(t for t, _ in days), 6),
            round(math.fsum(p for _, p in days), 6),
            len(days),
        )
        for month, days in sorted(months.items())
    }
    assert value(code) == expected


def test_cars_with_json_xml_and_zlib(value: Value, packages: Path) -> None:
    code = """
        import json, xml.etree.ElementTree as E, zlib, hashlib, pickle, io
        raw = open("/packages/vega_datasets/_data/cars.json", "rb").read()
        cars = json.loads(raw)
        root = E.Element("cars")
        for car in cars: E.SubElement(root, "car", {k: str(v) for k, v in car.items()})
        again = [dict(e.attrib) for e in E.parse(io.BytesIO(E.tostring(root))).getroot()]
        packed = zlib.compress(raw, 9)
        best = max((c for c in cars if c["Miles_per_Gallon"]), key=lambda c: c["Miles_per_Gallon"])
        [
            len(cars), again == [{k: str(v) for k, v in c.items()} for c in cars], zlib.decompress(packed) == raw,
            hashlib.sha256(raw).hexdigest(), pickle.loads(pickle.dumps(cars)) == cars, best["Name"], len(packed) < len(raw) / 5,
            json.loads(json.dumps(cars)) == cars,
        ]
    """
    import hashlib

    raw = (packages / "vega_datasets/_data/cars.json").read_bytes()
    cars = json.loads(raw)
    best = max((c for c in cars if c["Miles_per_Gallon"]), key=lambda c: c["Miles_per_Gallon"])
    digest = hashlib.sha256(raw).hexdigest()
    assert value(code) == [len(cars), True, True, digest, True, best["Name"], True, True]
