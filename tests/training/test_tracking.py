import numpy as np
import pytest

from keras_sister.errors import InputError
from keras_sister.training.tracking import tracked

from ..run_folder import write_run

EPOCH = {"event": "epoch", "task": "fold-00", "epoch": 0, "epochs": 3, "steps": 2, "loss": 0.25, "val_macc": 0.5}


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", np.random.default_rng(0).integers(0, 2, (12, 2)))


@pytest.fixture
def mlflow_client(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="needs mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the full package keeps SQLite, this part of it files
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    return MlflowClient()


def curve(client, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, name)]


def test_mlflow_gets_settings_epochs_scores_and_files(run, mlflow_client):
    with tracked(run, ["mlflow"]) as track:
        track(EPOCH)
        track({"event": "step", "task": "fold-00", "epoch": 1, "step": 1, "loss": 1.0})
    found = mlflow_client.get_run(run.read("mlflow.json")["run_id"])
    assert found.info.status == "FINISHED"
    assert found.data.params["system"] == "baseline"
    assert found.data.params["learning_rate"] == str(run.experiment.learning_rate)
    stored = run.read("fold-01/history.json")["epochs"]
    assert curve(mlflow_client, found.info.run_id, "fold-01/val_loss") == [
        (epoch, scores["val_loss"]) for epoch, scores in enumerate(stored)
    ]
    assert curve(mlflow_client, found.info.run_id, "fold-00/loss")[0] == (0, 0.25)  # as it was told
    summary = run.read("summary.json")
    assert found.data.metrics["macc"] == summary["macc"]["mean"]
    assert found.data.metrics["accuracy/scarf"] == summary["attributes"]["scarf"]["accuracy"]
    artifacts = {artifact.path for artifact in mlflow_client.list_artifacts(found.info.run_id)}
    assert artifacts == {"config.yaml", "schema.json", "summary.json"}


def test_a_resumed_run_continues_its_mlflow_run(run, mlflow_client):
    def interrupted() -> None:
        with tracked(run, ["mlflow"]) as track:
            track(EPOCH)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    first = run.read("mlflow.json")["run_id"]
    assert mlflow_client.get_run(first).info.status == "KILLED"
    with tracked(run, ["mlflow"]):
        pass
    assert run.read("mlflow.json")["run_id"] == first
    assert mlflow_client.get_run(first).info.status == "FINISHED"
    assert [step for step, _ in curve(mlflow_client, first, "fold-00/loss")] == [0, 1, 2]  # each once


def test_a_server_that_is_not_there_is_one_line(run, mlflow_client, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InputError, match="Check MLFLOW_TRACKING_URI") as refused, tracked(run, ["mlflow"]):
        pass
    assert "\n" not in str(refused.value)


def test_tensorboard_shows_the_epochs_of_every_fold(run):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for _ in range(2):  # a second time replaces the first
        with tracked(run, ["tensorboard"]) as track:
            track(EPOCH)
    assert sorted(folder.name for folder in (run.folder / "tensorboard").iterdir()) == ["fold-00", "fold-01", "fold-02"]
    events = accumulator.EventAccumulator(str(run.folder / "tensorboard" / "fold-00"))
    events.Reload()
    stored = run.read("fold-00/history.json")["epochs"]
    found = {event.step: event.tensor_proto.float_val[0] for event in events.Tensors("val_loss")}
    # The first epoch is as it was told, without a val_loss.
    assert found == pytest.approx({epoch: stored[epoch]["val_loss"] for epoch in (1, 2)})


def test_nothing_is_tracked_unless_it_is_asked_for(run):
    before = sorted(run.folder.rglob("*"))
    with tracked(run, []) as track:
        track(EPOCH)
    assert sorted(run.folder.rglob("*")) == before
    with pytest.raises(InputError, match="track must be one of mlflow, tensorboard"), tracked(run, ["wandb"]):
        pass
