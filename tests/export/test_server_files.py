"""What a server reads beside the graph, with the server's own protocol buffers."""

import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from keras_sister.export.server_files import BATCH_SIZES


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
    assert len(files) == 2
    for file in files:
        assert (folder / file.removeprefix("/models/sister/")).is_file()


def test_the_largest_batch_is_the_last_allowed_one_as_the_server_demands(sister_export):
    lines = (sister_export.folder.parent / "batching_parameters.txt").read_text().splitlines()
    allowed = [int(line.split(":")[1]) for line in lines if line.startswith("allowed_batch_sizes")]
    assert allowed == list(BATCH_SIZES)
    assert f"max_batch_size {{ value: {allowed[-1]} }}" in lines
