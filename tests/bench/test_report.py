"""Reports: ratios, means, JSON and tables."""

from __future__ import annotations

import json

import pytest

from coilbox.bench.report import Figure, Measure, Report, format_figure, machine, print_report


@pytest.fixture
def report() -> Report:
    report = Report(
        {"python 3.14": "Python 3.14.0", "coilbox/box": "box 1", "other": "other 2"},
        "python 3.14",
        {},
    )
    report.parts["cpu"] = {
        "a": Measure(
            "a",
            "s",
            {
                "python 3.14": Figure((1.0, 1.0, 5.0)),
                "coilbox/box": Figure((2.0,)),
                "other": Figure((4.0,)),
            },
        ),
        "b": Measure(
            "b",
            "s",
            {
                "python 3.14": Figure((0.5,)),
                "coilbox/box": Figure((4.0,)),
                "other": Figure(error="it broke"),
            },
        ),
    }
    report.parts["calls"] = {
        "add": Measure("host call", "s", {"python 3.14": Figure(), "coilbox/box": Figure((8e-6,))})
    }
    return report


def test_ratios_are_of_medians(report: Report) -> None:
    measure = report.parts["cpu"]["a"]
    assert measure.ratio("coilbox/box", "python 3.14") == 2.0
    assert measure.ratio("other", "coilbox/box") == 2.0
    assert measure.ratio("nobody", "coilbox/box") is None
    assert report.parts["calls"]["add"].ratio("coilbox/box", "python 3.14") is None


def test_the_mean_is_geometric_and_of_what_both_ran(report: Report) -> None:
    assert report.geometric_mean("coilbox/box") == pytest.approx((4.0, 2))
    assert report.geometric_mean("other") == pytest.approx((4.0, 1))
    assert report.geometric_mean("other", "coilbox/box") == pytest.approx((2.0, 1))
    assert report.geometric_mean("nobody") is None


def test_coilbox_is_compared_with_its_peers(report: Report) -> None:
    assert report.speeds() == {("coilbox/box", "other"): pytest.approx((2.0, 1))}
    (speed,) = report.to_json()["cpu_speed"]
    assert speed == {
        "of": "coilbox/box",
        "against": "other",
        "times": pytest.approx(2.0),
        "programs": 1,
    }


def test_json(report: Report) -> None:
    data = json.loads(json.dumps(report.to_json()))
    assert data["version"] == 1
    assert data["baseline"] == "python 3.14"
    figures = data["parts"]["cpu"]["a"]["figures"]
    assert figures["python 3.14"]["samples"] == [1.0, 1.0, 5.0]
    assert (figures["coilbox/box"]["median"], figures["coilbox/box"]["ratio"]) == (2.0, 2.0)
    assert data["parts"]["cpu"]["b"]["figures"]["other"]["error"] == "it broke"
    assert data["cpu_geometric_mean"]["other"] == {"ratio": pytest.approx(4.0), "programs": 1}


def test_tables(
    report: Report, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_report(report, list(report.contestants))
    text = capsys.readouterr().out
    assert "2.00 s (2.00×)" in text
    assert "failed" in text
    assert "other, b: it broke" in text
    assert "8.00 µs" in text
    assert "geometric mean" in text
    assert "coilbox/box is 2.00 times as fast as other (geometric mean of 1)" in text


def test_formats() -> None:
    assert format_figure(3.2e-6, "s") == "3.20 µs"
    assert format_figure(123.4e-6, "s") == "123 µs"
    assert format_figure(0.0123, "s") == "12.3 ms"
    assert format_figure(1.5, "s") == "1.50 s"
    assert format_figure(-0.002, "s") == "-2.00 ms"
    assert format_figure(0, "s") == "0.00 µs"
    assert format_figure(2345.6, "1/s") == "2,346 /s"
    assert format_figure(3 << 19, "B") == "1.50 MiB"


def test_the_machine() -> None:
    assert set(machine()) == {"system", "cpu", "cores", "load"}
