"""What TensorFlow Serving wants beside the versions of an export: batching, a model configuration, docker compose."""

from functools import partial
from pathlib import Path

from keras_sister.atomic import write_aside

IMAGE = "tensorflow/serving:2.20.0"
"""The newest image known when this was written; an export was seen to load in the C++ runtimes of 2.16 to 2.21."""

BATCHES = (1, 2, 4, 8)
"""The sizes to which the server fills its batches up; warm-up requests have these sizes too."""

BATCHING = "batching_parameters.txt"
MODELS = "models.config"
COMPOSE = "docker-compose.yaml"


def write_server_files(folder: Path) -> None:
    """Write the files that are not there yet; whoever changed one keeps it.

    Args:
        folder: of all versions of an export; its name is the model's.
    """
    name = folder.resolve().name
    texts = {BATCHING: _BATCHING, MODELS: _MODELS.format(name=name), COMPOSE: _COMPOSE.format(name=name, image=IMAGE)}
    for file, text in texts.items():
        if not (folder / file).exists():
            write_aside(folder / file, partial(Path.write_text, data=text, encoding="utf-8"))


_BATCHING = f"""\
# Batching pays for many clients at once; a lone one waits up to batch_timeout_micros for company. No request may have
# more photos than max_batch_size. The signatures "images" and "segment" go into one batch only for images of one size:
# clients whose sizes differ ask serving_default, or a server without batching.
max_batch_size {{ value: {BATCHES[-1]} }}
batch_timeout_micros {{ value: 5000 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 2 }}  # the cores of the server
{"".join(f"allowed_batch_sizes: {size}{chr(10)}" for size in BATCHES)}"""

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
# Behind the last line, --mixed_precision=bfloat16 is faster on CPUs that compute in bfloat16.
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
