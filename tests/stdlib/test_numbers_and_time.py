"""decimal, fractions, statistics, math, random; datetime, zoneinfo, calendar, time."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import datetime as dt
import decimal
import math
import random
import statistics
import zoneinfo
from collections.abc import Callable
from typing import Any

import pytest

Value = Callable[..., Any]


def test_decimal_agrees_with_the_hosts(value: Value) -> None:
    code = """
        import decimal
        from decimal import Decimal as D
        with decimal.localcontext() as c:
            c.prec = 200
            root, e, log = D(2).sqrt(), D(1).exp(), D(10).ln()
        with decimal.localcontext(rounding=decimal.ROUND_HALF_EVEN):
            rounded = [str(D(x).quantize(D("0.01"))) for x in ("1.005", "1.015", "2.675", "-0.125")]
        money = sum((D("0.10") for _ in range(1000)), D(0))
        traps = []
        for action in (lambda: D(1) / 0, lambda: D("x"), lambda: D("1e999999") * 10):
            try: action()
            except decimal.DecimalException as error: traps.append(type(error).__name__)
        root, e, log, rounded, money, traps, decimal.__version__ != "", D("1E+5").to_eng_string()
    """
    found = value(code)
    with decimal.localcontext() as context:
        context.prec = 200
        expected = (
            decimal.Decimal(2).sqrt(),
            decimal.Decimal(1).exp(),
            decimal.Decimal(10).ln(),
        )
    assert found[:3] == expected
    assert found[3] == ["1.00", "1.02", "2.68", "-0.12"]
    assert found[4] == decimal.Decimal("100.00")
    assert found[5] == ["DivisionByZero", "InvalidOperation", "Overflow"]
    assert found[7] == "100E+3"


def test_pi_to_a_thousand_digits_two_ways(value: Value) -> None:
    code = """
        from decimal import Decimal as D, getcontext
        getcontext().prec = 1020
        def arctan(inverse):
            x = total = D(1) / inverse; n, sign = 1, 1
            while abs(x) > D(10) ** -1018:
                x /= inverse * inverse; n += 2; sign = -sign; total += sign * x / n
            return total
        machin = 4 * (4 * arctan(5) - arctan(239))
        q, r, t, k, n, l, digits = 1, 0, 1, 1, 3, 3, []
        while len(digits) < 1001:
            if 4 * q + r - t < n * t:
                digits.append(n); q, r, n = 10 * q, 10 * (r - n * t), (10 * (3 * q + r)) // t - 10 * n
            else:
                q, r, t, k, n, l = (q * k, (2 * q + r) * l, t * l, k + 1,
                                    (q * (7 * k + 2) + r * l) // (t * l), l + 2)
        spigot = "3." + "".join(map(str, digits[1:]))
        str(machin)[:1002] == spigot, spigot[-10:]
    """
    assert value(code) == (True, "2164201989")


def test_fractions_statistics_and_math(value: Value) -> None:
    source = random.Random(11)
    numbers = [source.gauss(5, 2) for _ in range(5000)]
    code = """
        import fractions, statistics, math, cmath, sys, json
        F = fractions.Fraction
        numbers = json.loads(sys.stdin.read())
        harmonic = sum(F(1, n) for n in range(1, 101))
        [
            (harmonic.numerator, harmonic.denominator), str(F("0.125")), F(math.pi).limit_denominator(1000).denominator,
            statistics.fmean(numbers), statistics.stdev(numbers), statistics.median(numbers),
            statistics.quantiles(numbers, n=4), statistics.correlation(numbers, numbers[::-1]),
            list(statistics.linear_regression([1, 2, 3], [2, 4, 6])),
            statistics.NormalDist(100, 15).cdf(130), statistics.mode("aabbb"),
            math.fsum([0.1] * 10), math.gamma(5.5), math.erf(0.3), math.isqrt(10**40), math.comb(50, 25),
            math.prod(range(1, 20)), math.dist((0, 0), (3, 4)), math.nextafter(1, 2), math.sumprod([1, 2], [3, 4]),
            abs(cmath.exp(1j * math.pi) + 1) < 1e-15, round(2.675, 2), 0.1 + 0.2, 7 // -2, -7 % 3, divmod(-7, 2),
            pow(3, -1, 11), (2**100).bit_count(), int("zz", 36), float.fromhex("0x1.8p3"), hash(2**61 - 1),
        ]
    """
    import json

    found = value(code, stdin=json.dumps(numbers))
    harmonic = sum(__import__("fractions").Fraction(1, n) for n in range(1, 101))
    assert found[:3] == [(harmonic.numerator, harmonic.denominator), "1/8", 113]
    assert found[3] == pytest.approx(statistics.fmean(numbers), rel=1e-14)
    assert found[4] == pytest.approx(statistics.stdev(numbers), rel=1e-14)
    assert found[5] == statistics.median(numbers)
    assert found[6] == pytest.approx(statistics.quantiles(numbers, n=4), rel=1e-14)
    assert found[7] == pytest.approx(statistics.correlation(numbers, numbers[::-1]), rel=1e-9)
    assert found[8] == [2.0, 0.0]
    assert found[9] == pytest.approx(0.9772498680518208, rel=1e-12)
    assert found[10:12] == ["b", 1.0]
    assert found[12:14] == pytest.approx([math.gamma(5.5), math.erf(0.3)], rel=1e-14)
    assert found[14:17] == [10**20, math.comb(50, 25), math.factorial(19)]
    assert found[17:20] == [5.0, math.nextafter(1, 2), 11]
    assert found[20] is True
    assert found[21:26] == [2.67, 0.30000000000000004, -4, 2, (-4, 1)]
    # A hash is a machine word: 32 bits in the guest.
    assert found[26:30] == [4, 1, 1295, 12.0]


def test_random_numbers_of_a_seed_are_cpythons(value: Value) -> None:
    code = """
        import random
        r = random.Random(42)
        deck = list(range(52)); r.shuffle(deck)
        [r.random(), r.getrandbits(70), r.gauss(0, 1), r.choices("abc", [1, 2, 3], k=5), deck[:5],
         r.sample(range(10**6), 3), r.expovariate(2), r.randbytes(5), r.betavariate(1, 2)]
    """
    r = random.Random(42)
    deck = list(range(52))
    r.shuffle(deck)
    expected = [
        *(r.random(), r.getrandbits(70), r.gauss(0, 1), r.choices("abc", [1, 2, 3], k=5)),
        *(deck[:5], r.sample(range(10**6), 3), r.expovariate(2), r.randbytes(5)),
        r.betavariate(1, 2),
    ]
    found = value(code)
    for ours, theirs in zip(found, expected, strict=True):
        if isinstance(theirs, float):
            assert ours == pytest.approx(theirs, rel=1e-13)
        else:
            assert ours == theirs


MOMENTS = [
    dt.datetime(year, month, 15, 12, tzinfo=dt.UTC)
    for year in (1950, 1985, 2026, 2040)
    for month in (1, 7)
]
ZONES = [
    *(
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
    ),
    *("Pacific/Apia", "America/Sao_Paulo", "Asia/Tehran", "Europe/Dublin", "UTC", "Etc/GMT+5"),
]


def test_zoneinfo_agrees_with_the_hosts(value: Value) -> None:
    code = f"""
        import datetime, zoneinfo
        moments = [datetime.datetime.fromisoformat(m) for m in {[m.isoformat() for m in MOMENTS]}]
        {{z: [m.astimezone(zoneinfo.ZoneInfo(z)).isoformat() for m in moments] for z in {ZONES}}}
    """
    found = value(code)
    for name in ZONES:
        zone = zoneinfo.ZoneInfo(name)
        assert found[name] == [moment.astimezone(zone).isoformat() for moment in MOMENTS], name


def test_zoneinfo_has_all_the_zones_and_handles_folds(value: Value) -> None:
    code = """
        import datetime as d, zoneinfo
        berlin = zoneinfo.ZoneInfo("Europe/Berlin")
        fold = [d.datetime(2026, 10, 25, 2, 30, fold=f, tzinfo=berlin) for f in (0, 1)]
        gap = d.datetime(2026, 3, 29, 2, 30, tzinfo=berlin)
        def missing(name):
            try: zoneinfo.ZoneInfo(name)
            except Exception as e: return type(e).__name__
        [len(zoneinfo.available_timezones()) > 590, [x.tzname() for x in fold], (fold[1] - fold[0]).seconds,
         gap.astimezone(d.UTC).isoformat(), missing("No/Where"), missing("../etc/passwd")]
    """
    assert value(code) == [
        True,
        ["CEST", "CET"],
        0,
        "2026-03-29T01:30:00+00:00",
        "ZoneInfoNotFoundError",
        "ValueError",
    ]


def test_datetime(value: Value) -> None:
    code = """
        import calendar, datetime as d, time
        day = d.date(2024, 2, 29)
        [
            day + d.timedelta(days=365), day.isocalendar()[:], day.strftime("%A %d %B %Y week %V day %j"),
            d.datetime.strptime("3 Mar 2026 14:05:06.5 +0130", "%d %b %Y %H:%M:%S.%f %z"),
            d.datetime.fromisoformat("2026-01-02T03:04:05.678901+02:00"), d.date.fromordinal(738000),
            d.datetime.fromtimestamp(0, d.UTC), d.datetime(9999, 12, 31, tzinfo=d.UTC).timestamp(),
            d.datetime(2026, 1, 1, tzinfo=d.UTC) - d.datetime(1970, 1, 1, tzinfo=d.UTC),
            int(calendar.monthrange(2100, 2)[0]), calendar.TextCalendar().formatmonth(2026, 2).splitlines()[2],
            time.gmtime(86400 * 365)[:6], time.strftime("%Y-%m-%d", time.gmtime(1e9)),
            d.timedelta(hours=25) / d.timedelta(minutes=1), str(d.timedelta(days=-1, seconds=5)),
            time.localtime(0)[:6], d.datetime.now().tzinfo, time.timezone,
        ]
    """
    assert value(code) == [
        dt.date(2025, 2, 28),
        (2024, 9, 4),
        "Thursday 29 February 2024 week 09 day 060",
        dt.datetime(
            2026, 3, 3, 14, 5, 6, 500000, tzinfo=dt.timezone(dt.timedelta(hours=1, minutes=30))
        ),
        dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        dt.date.fromordinal(738000),
        dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        253402214400.0,
        dt.timedelta(days=20454),
        0,
        "                   1",
        (1971, 1, 1, 0, 0, 0),
        "2001-09-09",
        1500.0,
        "-1 day, 0:00:05",
        (1970, 1, 1, 0, 0, 0),
        None,
        0,
    ]
