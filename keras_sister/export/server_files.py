"""Configuration files of TensorFlow Serving beside the versions of an export: batching, models, docker compose."""

from pathlib import Path

from keras_sister.storage.json_files import write_text

IMAGE = "tensorflow/serving:2.20.0"
"""The newest image when this was written. Exports load in the C++ runtimes of 2.16 to 2.21."""

BATCH_SIZES = (1, 2, 4, 8)
"""The sizes to which the server pads its batches; warm-up requests have these sizes too."""

BATCHING = "batching_parameters.txt"
MODELS = "models.config"
COMPOSE = "docker-compose.yaml"


def write_server_files(folder: Path) -> None:
    """Write the files that do not exist yet; edited files are kept.

    Args:
        folder: folder of all versions of an export; its name is the model's.
    """
    name = folder.resolve().name
    texts = {BATCHING: _BATCHING, MODELS: _MODELS.format(name=name), COMPOSE: _COMPOSE.format(name=name, image=IMAGE)}
    for file, text in texts.items():
        if not (folder / file).exists():
            write_text(folder / file, text)


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
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""

_COMPOSE = """\
# docker compose up: REST on http://127.0.0.1:8501, gRPC on 127.0.0.1:8500.
# Add --mixed_precision=bfloat16 below the last line on CPUs that compute in bfloat16.
services:
  serving:
    image: {image}
    ports:
      - "127.0.0.1:8500:8500"
      - "127.0.0.1:8501:8501"
    volumes:
      - .:/models/{name}:ro
    command:
      - --model_config_file=/models/{name}/models.config
      - --enable_batching
      - --batching_parameters_file=/models/{name}/batching_parameters.txt
"""
