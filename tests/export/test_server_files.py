"""What a server reads beside the graph, with the server's own protocol buffers."""

import shutil
import socketserver
import subprocess
import threading

import pytest
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from keras_sister.export.server_files import BATCH_SIZES, serving_image, write_server_files


def test_warm_up_requests_are_those_of_the_server_and_every_one_is_answered(sister_export):
    loaded = tf.saved_model.load(str(sister_export.folder)).signatures
    file = sister_export.folder / "assets.extra" / "tf_serving_warmup_requests"
    asked = []
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "sister"
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        signature = request.model_spec.signature_name
        outputs = loaded[signature](**inputs)
        if "decoded" in outputs:
            assert outputs["decoded"].numpy().all()
        asked.append((signature, next(iter(inputs.values())).shape[0]))
    every = [("serving_default", batch) for batch in BATCH_SIZES]
    every += [(name, 1) for name in ("images", "views", "prepare", "segment")]
    assert sorted(asked) == sorted(every)
    assert {signature for signature, _ in asked} == set(loaded)


def test_the_model_configuration_is_one_of_the_server(sister_export):
    text = (sister_export.folder.parent / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("sister", "/models/sister", "tensorflow")


def test_compose_serves_this_folder_on_loopback_with_these_files(sister_export):
    folder = sister_export.folder.parent
    service = yaml.safe_load((folder / "docker-compose.yaml").read_text())["services"]["serving"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["volumes"] == [".:/models/sister:ro"]
    files = [flag.split("=")[1] for flag in service["command"] if "_file=" in flag]
    assert len(files) == 3
    for file in files:
        assert (folder / file.removeprefix("/models/sister/")).is_file()


def test_the_largest_batch_is_the_last_allowed_one_as_the_server_demands(sister_export):
    lines = (sister_export.folder.parent / "batching_parameters.txt").read_text().splitlines()
    allowed = [int(line.split(":")[1]) for line in lines if line.startswith("allowed_batch_sizes")]
    assert allowed == list(BATCH_SIZES)
    assert f"max_batch_size {{ value: {allowed[-1]} }}" in lines


def test_the_image_is_never_older_than_the_tensorflow_that_exported(sister_export, tmp_path):
    text = (sister_export.folder.parent / "docker-compose.yaml").read_text()
    assert yaml.safe_load(text)["services"]["serving"]["image"] == serving_image(tf.__version__)
    assert serving_image("2.22.0-rc1") == "tensorflow/serving:2.22.0"
    write_server_files(tmp_path, "2.9.1")
    compose = tmp_path / "docker-compose.yaml"
    compose.write_text("# mine\n" + compose.read_text())
    for version, pinned in (("2.21.0", "2.21.0"), ("2.10.0", "2.21.0")):
        write_server_files(tmp_path, version)
        assert compose.read_text().startswith("# mine\n")
        assert f"image: tensorflow/serving:{pinned}\n" in compose.read_text()


@pytest.mark.parametrize("comment", ["# Größe\r\n".encode("latin-1"), "# Größe\n".encode(), b"\xff\xfe#\0"])
def test_what_was_edited_stays(tmp_path, comment):
    """In any encoding; in the file for compose only an older image is replaced."""
    write_server_files(tmp_path, "2.9.1")
    edited = {file: comment + file.read_bytes() for file in tmp_path.iterdir()}
    assert {file.name for file in edited} >= {"models.config", "prometheus.yml", "docker-compose.yaml"}
    for file, contents in edited.items():
        file.write_bytes(contents)
    write_server_files(tmp_path, "2.10.0", first_version=2)
    for file, contents in edited.items():
        assert file.read_bytes() == contents.replace(b"tensorflow/serving:2.9.1", b"tensorflow/serving:2.10.0")


def test_labels_name_versions_that_the_server_is_told_to_load(sister_export):
    text = (sister_export.folder.parent / "models.config").read_text()
    (model,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert dict(model.version_labels) == {"stable": 1, "canary": 1}
    assert list(model.model_version_policy.specific.versions) == [1]


def test_prometheus_asks_where_the_server_answers(sister_export):
    folder = sister_export.folder.parent
    (job,) = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"]
    assert f'path: "{job["metrics_path"]}"' in (folder / "monitoring.config").read_text()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(("state", "healthy"), [("AVAILABLE", True), ("LOADING", False), ("UNAVAILABLE", False)])
def test_the_health_check_asks_for_the_stable_version(sister_export, state, healthy):
    """The command as it stands, with another port, against a server that says `state`."""
    asked = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline())
            body = f'{{"model_version_status": [{{"version": "1", "state": "{state}"}}]}}'
            self.wfile.write(f"HTTP/1.0 200 OK\r\n\r\n{body}".encode())

    service = yaml.safe_load((sister_export.folder.parent / "docker-compose.yaml").read_text())["services"]["serving"]
    marker, *command = service["healthcheck"]["test"]
    assert marker == "CMD"
    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        command = [word.replace("/8501", f"/{server.server_address[1]}") for word in command]
        assert (subprocess.run(command, timeout=20).returncode == 0) is healthy
    assert asked == [b"GET /v1/models/sister/labels/stable HTTP/1.0\r\n"]
