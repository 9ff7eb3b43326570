"""Inputs that fuzzing found once, whole files, and a few damaged ones of each kind; see `tests.fuzz.__main__`."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .targets import TARGETS

FOUND = sorted((Path(__file__).parent / "found").glob("*/*"))


@pytest.mark.parametrize("file", FOUND, ids=[f"{file.parent.name}/{file.name}" for file in FOUND])
def test_what_was_found_once_is_no_fault_any_more(file):
    TARGETS[file.parent.name].check(file.name.partition("-")[2], file.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_one_line(name):
    target = TARGETS[name]
    for whole, contents in target.wholes().items():
        target.check(whole, contents)

    @settings(max_examples=8, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def few(data):
        target.check(*data.draw(target.inputs()))

    few()
