"""Configuration files beside the versions of an export: TensorFlow Serving, Prometheus, docker compose."""

import re
from pathlib import Path

from keras_sister.storage.atomic import write_atomically
from keras_sister.storage.json_files import write_text

BATCH_SIZES = (1, 2, 4, 8)
"""The sizes to which the server pads its batches; warm-up requests have these sizes too."""

BATCHING = "batching_parameters.txt"
MODELS = "models.config"
MONITORING = "monitoring.config"
PROMETHEUS = "prometheus.yml"
COMPOSE = "docker-compose.yaml"

_METRICS = "/monitoring/prometheus/metrics"
_PINNED = re.compile(r"(tensorflow/serving:)(\d+)\.(\d+)\.(\d+)")


def serving_image(tensorflow_version: str) -> str:
    """The image of TensorFlow Serving of a TensorFlow version.

    An older server may lack operations of the export; a release candidate is served by its release.

    Example:
        >>> serving_image("2.22.0-rc1")
        'tensorflow/serving:2.22.0'
    """
    return "tensorflow/serving:" + ".".join(re.findall(r"\d+", tensorflow_version)[:3])


def write_server_files(folder: Path, tensorflow_version: str, *, first_version: int = 1) -> None:
    """Write the files that do not exist yet; edited files are kept, but an older image is replaced.

    Args:
        folder: folder of all versions of an export; its name is the model's.
        tensorflow_version: version of the TensorFlow that exported.
        first_version: number of the version to serve.
    """
    name, image = folder.resolve().name, serving_image(tensorflow_version)
    texts = {
        BATCHING: _BATCHING,
        MODELS: _MODELS.format(name=name, version=first_version),
        MONITORING: _MONITORING,
        PROMETHEUS: _PROMETHEUS.format(name=name),
        COMPOSE: _COMPOSE.format(name=name, image=image),
    }
    for file, text in texts.items():
        if not (folder / file).exists():
            write_text(folder / file, text)
    compose = (folder / COMPOSE).read_bytes()
    text = compose.decode("latin-1")  # of every encoding and every end of line, all but the image stays as it is
    newer = _PINNED.sub(lambda found: max(found[0], image, key=_version), text).encode("latin-1")
    if newer != compose:
        write_atomically(folder / COMPOSE, lambda temporary: temporary.write_bytes(newer))


def _version(image: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", image)))


_BATCHING = f"""\
# Batching helps with many concurrent clients; a single client waits up to batch_timeout_micros. A request may not have
# more photos than max_batch_size. The signatures "images" and "segment" can be batched for images of one size only:
# clients with images of several sizes use serving_default, or a server without batching.
max_batch_size {{ value: {BATCH_SIZES[-1]} }}
batch_timeout_micros {{ value: 5000 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 2 }}  # number of cores of the server
{"".join(f"allowed_batch_sizes: {size}{chr(10)}" for size in BATCH_SIZES)}"""

_MODELS = """\
# The server reads this file again every 30 seconds. Clients choose a version by its label:
#   http://127.0.0.1:8501/v1/models/{name}/labels/stable:predict
#
# A new version, step by step:
#   1. sister-keras export … writes the folder 2; nothing changes for clients.
#   2. sister-keras compare-exports 1 2 PHOTOS says how many tags change.
#   3. Load it beside the old one: add "versions: 2" to specific.
#   4. When the server's log says that it is loaded, set the label canary to 2, and send some clients to it.
#   5. Promote it: set the label stable to 2. Keep "versions: 1" for a while.
# Rollback: set the label stable back to 1. Clients of the label change at the next reading; nothing is loaded, as long
# as "versions: 1" is kept. Without a label the server uses the highest version that is loaded, the canary.
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: {version} }} }}
    version_labels {{ key: "stable" value: {version} }}
    version_labels {{ key: "canary" value: {version} }}
  }}
}}
"""

_MONITORING = f"""\
prometheus_config {{ enable: true path: "{_METRICS}" }}
"""

_PROMETHEUS = f"""\
# prometheus --config.file=prometheus.yml
scrape_configs:
  - job_name: {{name}}
    metrics_path: {_METRICS}
    static_configs:
      - targets: ["127.0.0.1:8501"]
"""

_COMPOSE = """\
# docker compose up: REST on http://127.0.0.1:8501, gRPC on 127.0.0.1:8500.
# The image must not be older than the TensorFlow that exported. Where its release is not out yet, pin a later one.
# Add --mixed_precision=bfloat16 below the last line on CPUs that compute in bfloat16.
services:
  serving:
    image: {image}
    restart: unless-stopped
    ports:
      - "127.0.0.1:8500:8500"
      - "127.0.0.1:8501:8501"
    volumes:
      - .:/models/{name}:ro
    command:
      - --model_config_file=/models/{name}/models.config
      - --model_config_file_poll_wait_seconds=30
      - --allow_version_labels_for_unavailable_models
      - --monitoring_config_file=/models/{name}/monitoring.config
      - --enable_batching
      - --batching_parameters_file=/models/{name}/batching_parameters.txt
    healthcheck: # by bash, since the image has no curl: a version of the label stable is AVAILABLE
      test:
        - CMD
        - bash
        - -c
        - >-
          exec 3<>/dev/tcp/127.0.0.1/8501 &&
          printf 'GET /v1/models/{name}/labels/stable HTTP/1.0\\r\\n\\r\\n' >&3 &&
          grep -q '"AVAILABLE"' <&3
      interval: 10s
      timeout: 5s
      start_period: 120s
"""
