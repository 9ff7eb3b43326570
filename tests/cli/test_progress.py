import re

from cli import progress


def test_without_a_terminal_there_is_a_line_with_count_rate_and_remaining_time(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    with progress.count("photos", 40) as advance:
        for _ in range(3):
            advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    done, rate, left = re.fullmatch(
        r"\[ *\d+ s\] (\d) of 40 photos, ([\d.]+) per second, about (\d+) \w+ left", lines[2]
    ).groups()
    assert done == "3"
    assert abs(37 / float(rate) / 60 - int(left)) < 1


def test_lines_are_not_printed_more_often_than_every_30_seconds(capsys):
    with progress.count_in_batches("photos", None) as advance:
        for _ in range(100):
            advance(512)
    assert capsys.readouterr().err == ""


def test_durations():
    assert [progress._duration(s) for s in (5, 600, 7200)] == ["5 s", "10 min", "2.0 h"]


def test_batches_of_a_known_number_tell_the_remaining_time(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    with progress.count_in_batches("photos", 4000) as advance:
        for _ in range(3):
            advance(512)
    assert re.search(r"1,536 of 4,000 photos, [\d.]+ per second, about \d+ \w+ left", capsys.readouterr().err)
