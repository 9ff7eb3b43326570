"""Track the training of a run in MLflow, or as TensorBoard logs.

Both are copies: the learning curves are in each ``history.json`` of the run folder, as plain JSON.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from keras_sister.config import TRACKERS
from keras_sister.errors import InputError, check_choice, reason_of
from keras_sister.extras import require
from keras_sister.run import OnEvent, Run, changed

_EXPERIMENT = "keras-sister"
_ARTIFACTS = ("config.yaml", "schema.json", "summary.json", "report.html", "history.json", "model.keras")
_NO_SCORES = ("event", "task", "epoch", "epochs", "steps")


@contextmanager
def tracked(run: Run, names: Sequence[str]) -> Iterator[OnEvent]:
    """Track a run while it is trained.

    Args:
        run: the run, finished or not, or one that is about to be started.
        names: of `keras_sister.config.TRACKERS`.

    Yields:
        A function that takes the events of the training. At the end, everything is tracked that the run folder has,
        what was trained before included.

    Raises:
        InputError: if a package is missing, or the tracking server cannot be reached.

    Example:
        >>> with tracked(Run(Path("runs/sister_a")), ["mlflow"]) as track:
        ...     cross_validate(dataset, experiment, "runs/sister_a", on_event=track)
    """
    for name in names:
        check_choice("track", name, TRACKERS)
    trackers = [{"mlflow": _MLflow, "tensorboard": _TensorBoard}[name](run) for name in dict.fromkeys(names)]

    def show(event: dict[str, Any]) -> None:
        for tracker in trackers:
            tracker.show(event)

    try:
        yield show
    except BaseException as error:
        for tracker in trackers:
            with suppress(InputError):  # the first error says what happened
                tracker.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    for tracker in trackers:
        tracker.catch_up()
        tracker.close("FINISHED")


class _Tracker:
    """Logs every epoch of every task once: when it ends, or from the run folder if it ended before."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.begun = False
        self.logged: set[tuple[str, int]] = set()

    def show(self, event: dict[str, Any]) -> None:
        # An epoch of the task `heads` is the mean of all folds; theirs are logged at the end.
        if event["event"] == "epoch" and event["task"] != "heads":
            self._log_once(event["task"], event["epoch"], {k: v for k, v in event.items() if k not in _NO_SCORES})
        elif event["event"] == "done":
            self.catch_up()

    def catch_up(self) -> None:
        """Log what the run folder has and what no event told."""
        for file in [*sorted(self.run.folder.glob("fold-*/history.json")), self.run.folder / "history.json"]:
            if file.exists():
                task = "train" if file.parent == self.run.folder else file.parent.name
                for epoch, scores in enumerate(self.run.read(str(file.relative_to(self.run.folder)))["epochs"]):
                    self._log_once(task, epoch, scores)

    def _log_once(self, task: str, epoch: int, scores: dict[str, float]) -> None:
        if not self.begun:  # not before, because the run folder may not exist
            self.begin()
            self.begun = True
        if (task, epoch) not in self.logged:
            self.log(task, epoch, scores)
            self.logged.add((task, epoch))

    def begin(self) -> None:
        """Prepare for the first epoch."""
        raise NotImplementedError

    def log(self, task: str, epoch: int, scores: dict[str, float]) -> None:
        """Log the scores of an epoch."""
        raise NotImplementedError

    def close(self, status: str) -> None:
        """End with one of MLflow's words: FINISHED, FAILED or KILLED."""
        raise NotImplementedError


class _TensorBoard(_Tracker):
    """Event files in ``tensorboard/`` of the run folder, a folder for each task; those of before are replaced."""

    def __init__(self, run: Run) -> None:
        require(("tensorboard",), "--track tensorboard needs tensorboard", "tensorboard")
        super().__init__(run)
        self.writers: dict[str, Any] = {}

    def begin(self) -> None:
        shutil.rmtree(self.run.folder / "tensorboard", ignore_errors=True)

    def log(self, task: str, epoch: int, scores: dict[str, float]) -> None:
        from tensorboard.summary import Writer

        if task not in self.writers:
            self.writers[task] = Writer(str(self.run.folder / "tensorboard" / task))
        for name, value in scores.items():
            self.writers[task].add_scalar(name, value, epoch)
        self.writers[task].flush()

    def close(self, status: str) -> None:
        for writer in self.writers.values():
            writer.close()


class _MLflow(_Tracker):
    """A run of MLflow with the settings as parameters; a resumed run continues it, see ``mlflow.json``."""

    def __init__(self, run: Run) -> None:
        require(("mlflow",), "--track mlflow needs mlflow", "mlflow")
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when it is imported
        super().__init__(run)
        with _reachable():
            from mlflow import MlflowClient

            self.client = MlflowClient()
            found = self.client.get_experiment_by_name(_EXPERIMENT)
            self.experiment = found.experiment_id if found else self.client.create_experiment(_EXPERIMENT)
        self.id = ""

    def begin(self) -> None:
        with _reachable():
            self.id = self._continued() or self._started()

    def log(self, task: str, epoch: int, scores: dict[str, float]) -> None:
        with _reachable():
            for name, value in scores.items():
                self.client.log_metric(self.id, f"{task}/{name}", value, step=epoch)

    def close(self, status: str) -> None:
        if not self.id:
            return
        with _reachable():
            if status == "FINISHED":
                for name, value in self._scores().items():
                    self.client.log_metric(self.id, name, value)
                for file in _ARTIFACTS:
                    if (self.run.folder / file).exists():
                        self.client.log_artifact(self.id, str(self.run.folder / file))
            self.client.set_terminated(self.id, status)

    def _continued(self) -> str:
        """The id of the MLflow run that this run began; its epochs are not logged again. Empty if there is none."""
        from mlflow.exceptions import MlflowException

        if not (self.run.folder / "mlflow.json").exists():
            return ""
        try:
            before = str(self.run.read("mlflow.json")["run_id"])
        except (LookupError, TypeError) as error:
            raise changed(self.run.folder / "mlflow.json") from error
        try:
            metrics = self.client.get_run(before).data.metrics
        except MlflowException:  # removed there, or another server
            return ""
        for name in metrics:
            task, slash, score = name.partition("/")
            if slash and score == "loss":
                self.logged |= {(task, metric.step) for metric in self.client.get_metric_history(before, name)}
        self.client.update_run(before, "RUNNING")
        return before

    def _started(self) -> str:
        run_id = str(self.client.create_run(self.experiment, run_name=self.run.folder.name).info.run_id)
        for name, value in self.run.experiment.contents().items():
            self.client.log_param(run_id, name, value)
        self.run.write("mlflow.json", {"run_id": run_id})
        return run_id

    def _scores(self) -> dict[str, float]:
        if not (self.run.folder / "summary.json").exists():
            return {}
        summary = self.run.read("summary.json")
        scores = {"macc": summary["macc"]["mean"], "macc_std": summary["macc"]["std"]}
        scores |= {f"accuracy/{name}": of["accuracy"] for name, of in summary["attributes"].items()}
        return {name: value for name, value in scores.items() if value is not None}


@contextmanager
def _reachable() -> Iterator[None]:
    """Turn MLflow's errors into one line."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise InputError(
            f"MLflow: {reason_of(error)}. Check MLFLOW_TRACKING_URI; --resume continues the run."
        ) from error
