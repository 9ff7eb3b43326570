import re
from pathlib import Path

import pytest

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


def test_the_first_line_comes_after_a_second_and_the_others_every_30_seconds(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    printed = []
    with progress.count_in_batches("photos", None) as advance:
        for tenths in range(1, 1000):
            now[0] = tenths / 10
            advance(512)
            if line := capsys.readouterr().err:
                printed.append((now[0], "per second" in line))
    assert printed == [(1.0, False), (31.0, True), (61.0, True), (91.0, True)]  # no rate of the first batches


def test_an_interruption_says_how_to_go_on_where_that_is_possible(capsys):
    for how in ("with --resume", None):
        with pytest.raises(KeyboardInterrupt), progress.count("photos", 3, how_to_resume=how):
            raise KeyboardInterrupt
        said = f"Interrupted. What was finished is kept; continue {how}.\n" if how else ""
        assert capsys.readouterr().err == said


def test_the_rate_is_that_of_what_is_counted_now(capsys, monkeypatch):
    """Ten seconds a step in both epochs, though each epoch counts from 1 again; other lines put the next one off."""
    clock = iter(range(0, 10_000, 5))  # an event asks twice: for the count, and for its line
    monkeypatch.setattr(progress, "_INTERVAL", 10.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with progress.RunProgress() as shown:
        for epoch in range(2):
            for step in range(1, 10):
                shown.show({"event": "step", "epoch": epoch, "epochs": 2, "step": step, "steps": 9, "loss": 1.0})
            shown.show({"event": "epoch", "epoch": epoch, "epochs": 2, "loss": 1.0, "macc": 0.5})
    rates = [float(rate) for rate in re.findall(r"of 9 steps, ([\d.]+) per second", capsys.readouterr().err)]
    assert len(rates) > 4
    assert all(0.1 <= rate <= 0.2 for rate in rates)


def test_a_download_is_told_at_once(capsys):
    with progress.RunProgress() as shown:
        shown.show({"event": "fetching", "network": "mine[1].keras"})
    assert capsys.readouterr().err == "Downloading the weights of mine[1].keras …\n"


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


def epoch(show, task: str, number: int) -> None:
    show({"event": "epoch", "task": task, "epoch": number, "epochs": 20, "loss": 1.0, "macc": 0.5})


def test_folds_that_are_trained_at_once_are_shown_together(capsys, monkeypatch):
    """What is counted are the epochs of all folds at work; those of a fold that has ended or was lost are not."""
    monkeypatch.setattr(progress, "_FIRST", 0.0)
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    with progress.RunProgress(folds=3) as shown:
        epoch(shown.show, "fold-00", 0)
        epoch(shown.show, "fold-01", 4)
        shown.show({"event": "done", "task": "fold-01", "fold": 1})
        epoch(shown.show, "fold-00", 1)
        shown.show({"event": "lost", "task": "fold-00", "retry": 1, "retries": 3})
        epoch(shown.show, "fold-02", 0)
    lines = capsys.readouterr().err.splitlines()
    counts = [line.split("] ")[1].split(",")[0] for line in lines if " of 20 epochs" in line or " of 40 epochs" in line]
    assert counts == ["1 of 20 epochs", "6 of 40 epochs", "2 of 20 epochs", "1 of 20 epochs"]
    assert any("1 of 3 folds" in line for line in lines)
    assert "fold-00: its worker or machine was lost; started again from its last epoch (retry 1 of 3)." in lines


def test_lines_of_several_runs_name_run_and_fold_and_counts_are_of_all(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_FIRST", 0.0)
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    with progress.RunProgress(runs=2, folds=4) as shown, shown.of_run(Path("runs/[b]")) as second:
        with shown.of_run(Path("runs/a")) as first:
            first({"event": "photos", "task": "views", "photos": 8, "of": 8})
            second({"event": "without_person", "task": "views", "photos": 1, "of": 8})
            epoch(first, "fold-00", 3)
            epoch(second, "fold-00", 1)
            second({"event": "lost", "task": "fold-01", "retry": 1, "retries": 3})
            first({"event": "done", "task": "fold-01", "fold": 1})
        epoch(second, "fold-00", 2)
    lines = [
        line.partition("] ")[2] if line.startswith("[ ") else line for line in capsys.readouterr().err.splitlines()
    ]
    assert lines[:2] == ["1 of 2: runs/[b]", "2 of 2: runs/a"]
    assert "a: 8 photos in the view store" in lines
    assert any(line.startswith("[b]: No person found in 1 of 8 photos") for line in lines)
    assert "a fold-00 4/20: loss 1.0000, MACC 50.00" in lines
    assert any(line.startswith("[b] fold-01: its worker or machine was lost") for line in lines)
    assert "a fold-01: done" in lines
    assert any(line.startswith("1 of 4 folds") for line in lines)
    counts = [line.split(",")[0] for line in lines if re.match(r"\d+ of \d+ epochs", line)]
    assert counts == ["4 of 20 epochs", "6 of 40 epochs", "3 of 20 epochs"]  # the last when the first run has ended
