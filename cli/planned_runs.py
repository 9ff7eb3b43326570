"""The runs of ``cv``: one, or with ``--systems`` and ``--seeds`` one for each system and seed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from keras_sister.config import RANGES, SYSTEMS, Experiment, load_experiment

from .experiment import experiment_to_run, settings_given


def several_runs_options(command: Callable) -> Callable:
    """Give a command ``--systems`` and ``--seeds``."""
    command = click.option(
        "--seeds",
        callback=_seeds,
        metavar="SEED,SEED…",
        help="Instead of --seed: cross-validate with each, into OUT/SYSTEM-seed-SEED, and show mean and standard"
        " deviation over the seeds.",
    )(command)
    return click.option(
        "--systems",
        callback=_systems,
        metavar="SYSTEM,SYSTEM…",
        help="Instead of --system: cross-validate several, each into OUT/SYSTEM, and compare them with the first.",
    )(command)


def _systems(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The systems of a list with commas, each once."""
    systems = tuple(dict.fromkeys(_listed(value)))
    for name in systems:
        if name not in SYSTEMS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(SYSTEMS)}.")
    if value is not None and not systems:
        raise click.BadParameter(f"name one or more of {', '.join(SYSTEMS)}, with commas between them.")
    return systems


def _seeds(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    """The seeds of a list with commas."""
    low, high = RANGES["seed"]
    texts = _listed(value)
    for text in texts:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise click.BadParameter(f"{text!r} is not a whole number from {low} to {high}.")
    seeds = tuple(map(int, texts))
    if len(set(seeds)) < len(seeds):
        raise click.BadParameter(f"{value}: a seed is given twice.")
    if value is not None and not seeds:
        raise click.BadParameter("give one or more whole numbers, with commas between them.")
    return seeds


def _listed(value: str | None) -> list[str]:
    return [item.strip() for item in (value or "").split(",") if item.strip()]


def planned_runs(context: click.Context, out: Path | None, *, resume: bool) -> dict[Path, Experiment]:
    """The run folders of a command with `several_runs_options`, and the experiment of each.

    A run that is to be resumed but has not begun takes the settings of one beside it that has, but its own system and
    seed.

    Raises:
        UsageError: for ``--system`` with ``--systems``, or ``--seed`` with ``--seeds``.
    """
    systems, seeds = context.params["systems"], context.params["seeds"]
    for several, one in ((systems, "system"), (seeds, "seed")):
        if several and context.get_parameter_source(one) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{one} or --{one}s, not both.")
    system = settings_given(context).get("system")
    if not systems and not seeds:
        folder = out or Path("runs") / (system or Experiment.system)
        return {folder: experiment_to_run(context, folder, resume=resume)}
    out = out or Path("runs")
    if not systems:
        begun = next(_begun(out, (), seeds), None) if resume and not system else None
        systems = (system or (load_experiment(begun / "config.yaml").system if begun else Experiment.system),)
    experiments = {}
    for folder, wanted in _named(out, systems, seeds).items():
        sibling = next(_begun(out, (wanted["system"], *systems), seeds), None) if resume else None
        base = load_experiment(sibling / "config.yaml") if sibling else None
        if sibling and not (folder / "config.yaml").exists():
            click.echo(f"{folder} has not begun; it takes the settings of {sibling}.", err=True)
        experiments[folder] = experiment_to_run(context, folder, resume=resume, base=base, wanted=wanted)
    return experiments


def _named(out: Path, systems: tuple[str, ...], seeds: tuple[int, ...]) -> dict[Path, dict[str, Any]]:
    """The run folder of each system and seed, and the settings that distinguish it."""
    if not seeds:
        return {out / system: {"system": system} for system in systems}
    return {out / f"{system}-seed-{seed}": {"system": system, "seed": seed} for system in systems for seed in seeds}


def _begun(out: Path, systems: tuple[str, ...], seeds: tuple[int, ...]) -> Iterator[Path]:
    """The run folders in `out` that have settings, those of `systems` and `seeds` first."""
    for system in dict.fromkeys((*systems, *SYSTEMS)):
        others = sorted(out.glob(f"{system}-seed-*")) if seeds else ()
        for folder in (*_named(out, (system,), seeds), *others):
            if (folder / "config.yaml").exists():
                yield folder
