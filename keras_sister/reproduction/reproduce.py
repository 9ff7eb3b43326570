"""Run the experiments of a table that are missing, and write the table."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from keras_sister.data.dataset import Dataset
from keras_sister.evaluation.out_of_fold import read_out_of_fold
from keras_sister.reproduction.page import to_markdown
from keras_sister.reproduction.picture import draw_table
from keras_sister.reproduction.plan import Plan
from keras_sister.reproduction.results import Results, to_csv
from keras_sister.run import OnEvent
from keras_sister.segmentation.segmenters.open import check_segmenter
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import write_text
from keras_sister.training.cross_validation import cross_validate
from keras_sister.training.engines.engine import Engine
from keras_sister.training.tower_check import check_towers


def reproduce_table(
    plan: Plan,
    dataset: Dataset,
    out: Path,
    *,
    engine: Engine | None = None,
    on_run: Callable[[int, Path], AbstractContextManager[OnEvent]] = lambda *_: nullcontext(lambda event: None),
) -> Results:
    """Make a table of the paper.

    Finished experiments are read, interrupted ones resume, and an experiment that several tables share runs once.

    Args:
        plan: plan of the table, from `keras_sister.reproduction.plan.make_plan`.
        dataset: the dataset that the plan was made for.
        out: folder to write into: ``runs/``, and the table as Markdown, CSV and PNG (``table2.md``, …).
        engine: where folds are trained, see `keras_sister.training.cross_validation.cross_validate`.
        on_run: called with the index of each run, from 0, and its folder; returns a context manager. The run takes
            place inside the context, which yields a function that is called with each event of the run.

    Returns:
        The numbers of the table.

    Raises:
        InputError: before the first run, if the towers of an experiment do not fit together; and as
            `keras_sister.training.cross_validation.cross_validate` does.

    Example:
        >>> reproduce_table(make_plan("twin", dataset, settings={"segmenter": "fcn"}), dataset, Path("reproduced"))
    """
    for segmenter in {cell.experiment.segmenter for cell in plan.cells if cell.experiment.needs_masks}:
        check_segmenter(segmenter)  # before hours of training without it
    finished = {cell.name for cell in plan.cells if (out / "runs" / cell.name / "summary.json").exists()}
    check_towers(cell.experiment for cell in plan.cells if cell.name not in finished)
    predictions = {}
    for number, cell in enumerate(plan.cells):
        folder = out / "runs" / cell.name
        with on_run(number, folder) as on_event:
            cross_validate(dataset, cell.experiment, folder, resume=True, engine=engine, on_event=on_event)
        predictions[cell.name] = replace(read_out_of_fold(folder), name=cell.name)
    results = Results(plan, predictions)
    write_text(out / f"{plan.table}.csv", to_csv(results))
    write_atomically(out / f"{plan.table}.png", lambda path: draw_table(results, path))
    write_text(out / f"{plan.table}.md", to_markdown(results))
    return results
