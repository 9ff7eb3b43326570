"""Where a command computes: on this machine or on a Ray cluster."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from keras_sister.config import ENGINES

if TYPE_CHECKING:
    from keras_sister.training.engines.engine import Engine

_ON_RAY = ("address", "gpus_per_fold", "cpus_per_fold")


def engine_options(what: str) -> Callable[[Callable], Callable]:
    """Give a command ``--engine`` and ``--address``; `what` begins the help of the first."""

    def decorate(command: Callable) -> Callable:
        command = click.option(
            "--address",
            envvar="RAY_ADDRESS",
            metavar="ADDRESS",
            help="With --engine ray: HOST:PORT of a cluster, or auto for one that runs on this machine.  [default:"
            " RAY_ADDRESS; without it one is started here]",
        )(command)
        return click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default="local",
            show_default=True,
            help=f"{what} on this machine, or on a Ray cluster.",
        )(command)

    return decorate


def training_engine_options(command: Callable) -> Callable:
    """Give a command that trains folds the options of its engine."""
    command = click.option(
        "--cpus-per-fold",
        type=click.IntRange(min=1),
        metavar="N",
        help="With --engine ray: CPUs of a fold.  [default: in proportion to its GPUs; all of a machine without]",
    )(command)
    command = click.option(
        "--gpus-per-fold",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="With --engine ray: share of a GPU for a fold; with 0.5 two folds train on one.  [default: 1; 0 without"
        " GPUs]",
    )(command)
    return engine_options("Train folds")(command)


def check_engine_options(context: click.Context) -> None:
    """Refuse options of the engine ``ray`` that are given to another."""
    for name in _ON_RAY:
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE  # not of the environment
        if given and context.params["engine"] != "ray":
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --engine ray.")


def training_engine(context: click.Context) -> "Engine":
    """The engine of a command with `training_engine_options`."""
    check_engine_options(context)
    given = context.params
    if given["engine"] == "ray":
        from keras_sister.training.engines.ray_engine import RayEngine

        return RayEngine(given["address"], gpus_per_fold=given["gpus_per_fold"], cpus_per_fold=given["cpus_per_fold"])
    from keras_sister.training.engines.local_engine import LocalEngine

    return LocalEngine()
