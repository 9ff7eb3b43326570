"""Run the experiments of a table that are missing, and write the table."""

from contextlib import nullcontext
from pathlib import Path

from keras_sister.data.dataset import Dataset
from keras_sister.evaluation.out_of_fold import read_out_of_fold
from keras_sister.reproduction.page import to_markdown
from keras_sister.reproduction.picture import draw_table
from keras_sister.reproduction.plan import Plan
from keras_sister.reproduction.results import Results, to_csv
from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import write_text
from keras_sister.training.cross_validation import OnRun, cross_validate_several
from keras_sister.training.engines.engine import Engine


def reproduce_table(
    plan: Plan,
    dataset: Dataset,
    out: Path,
    *,
    engine: Engine | None = None,
    on_run: OnRun = lambda folder: nullcontext(lambda event: None),
) -> Results:
    """Make a table of the paper.

    Finished experiments are read, interrupted ones resume, and an experiment that several tables share runs once.

    Args:
        plan: plan of the table, from `keras_sister.reproduction.plan.make_plan`.
        dataset: the dataset that the plan was made for.
        out: folder to write into: ``runs/``, and the table as Markdown, CSV and PNG (``table2.md``, …).
        engine: where folds are trained, see `keras_sister.training.cross_validation.cross_validate`.
        on_run: see `keras_sister.training.cross_validation.cross_validate_several`.

    Returns:
        The numbers of the table.

    Raises:
        InputError: before the first run, if the towers of an experiment do not fit together; and as
            `keras_sister.training.cross_validation.cross_validate` does.

    Example:
        >>> reproduce_table(make_plan("twin", dataset, settings={"segmenter": "fcn"}), dataset, Path("reproduced"))
    """
    cross_validate_several(dataset, plan.runs(out), resume=True, engine=engine, on_run=on_run)
    predictions = {folder.name: read_out_of_fold(folder) for folder in plan.runs(out)}
    results = Results(plan, predictions)
    write_text(out / f"{plan.table}.csv", to_csv(results))
    write_atomically(out / f"{plan.table}.png", lambda path: draw_table(results, path))
    write_text(out / f"{plan.table}.md", to_markdown(results))
    return results
