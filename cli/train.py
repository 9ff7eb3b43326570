"""``sister-keras train``: train on everything."""

from pathlib import Path
from typing import Any

import click

from .dataset import dataset_argument, on_unknown_value_option, open_and_show_notes
from .experiment import NOTES, SECTIONS, experiment_options, experiment_to_run, track_option
from .progress import RunProgress, both
from .quiet import import_quietly, say_loading
from .sections import SectionedCommand


@click.command(cls=SectionedCommand, sections=SECTIONS, notes=NOTES, short_help="Train the final model on all photos.")
@dataset_argument
@on_unknown_value_option
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    help="A finished cv run: use its settings, and the median of its folds' best epochs.",
)
@experiment_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Run folder to create.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run in --out, with its settings.")
@track_option
@click.pass_context
def train(
    context: click.Context,
    dataset: Path,
    on_unknown_value: str | None,
    like: Path | None,
    out: Path,
    resume: bool,
    track: tuple[str, ...],
    **settings: Any,
) -> None:
    """Train on all photos of DATASET, a folder in DCSA's layout or a dataset file, for `sister-keras export`.

    No photos are held out, not even the test photos of an official split: --folds and --split have no effect here. All
    --epochs are trained; --like takes their number from a cross-validation.

    \b
    sister-keras train DCSA --like runs/sister_a --out runs/final
    """
    say_loading("scikit-learn")
    from keras_sister.run import Run
    from keras_sister.training.final import final_settings, train_final
    from keras_sister.training.tracking import tracked

    validated = Run(like) if like else None
    base = final_settings(validated) if validated else None
    experiment = experiment_to_run(context, out, resume=resume, base=base)
    photos = open_and_show_notes(dataset, on_unknown_value=on_unknown_value)
    (import_quietly if "tensorboard" in track else say_loading)()  # which the worker does
    with RunProgress() as progress, tracked(Run(out), track) as on_event:
        model = train_final(
            photos, experiment, out, like=validated, resume=resume, on_event=both(progress.show, on_event)
        )
    click.echo(f"{model}\nNext: sister-keras export {out}")
