"""A server for the tests in place of TensorFlow Serving: the real SavedModel behind the real protocols.

gRPC is the published ``PredictionService``; REST follows TensorFlow Serving's documentation. The tests show what our
client sends and accepts, not what TensorFlow Serving does.
"""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


@dataclass
class Served:
    """Where it listens, and what it was asked."""

    rest: str
    grpc: str
    requests: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    """The headers or the metadata of each request, with names in lower case."""
    fail_with: list[int] = field(default_factory=list)
    """Status codes to answer the next requests with: HTTP's, for gRPC 503 stands for UNAVAILABLE."""


@contextmanager
def serving(folder: Path, name: str, *, rest_port: int = 0, grpc_port: int = 0) -> Iterator[Served]:
    """Serve an export on loopback, at any free ports unless they are given."""
    signatures = tf.saved_model.load(str(folder)).signatures
    served = Served("", "")
    http = ThreadingHTTPServer(("127.0.0.1", rest_port), _handler(signatures, name, served))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    server = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Servicer(signatures, name, served), server)
    port = server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    server.start()
    served.rest = f"http://127.0.0.1:{http.server_port}/v1/models/{name}"
    served.grpc = f"grpc://127.0.0.1:{port}/{name}"
    try:
        yield served
    finally:
        server.stop(None)
        http.shutdown()
        http.server_close()


class _Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, signatures: Any, name: str, served: Served) -> None:
        self.signatures, self.name, self.served = signatures, name, served

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        self.served.requests.append(request)
        self.served.headers.append(dict(context.invocation_metadata()))
        if self.served.fail_with:
            self.served.fail_with.pop(0)
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        if request.model_spec.name != self.name:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({request.model_spec.name})"
            )
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        answer = predict_pb2.PredictResponse()
        for name, values in self.signatures[request.model_spec.signature_name or "serving_default"](**inputs).items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(values.numpy()))
        return answer


def _handler(signatures: Any, name: str, served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.requests.append(body)
            served.headers.append({name.lower(): value for name, value in self.headers.items()})
            if served.fail_with:
                return self.answer(served.fail_with.pop(0), {"error": "busy"})
            if self.path != f"/v1/models/{name}:predict":
                return self.answer(404, {"error": f"Servable not found for request: {self.path}"})
            signature = signatures[body.get("signature_name", "serving_default")]
            (key,) = signature.structured_input_signature[1]
            by_row = "instances" in body
            values = body["instances"] if by_row else body["inputs"]
            if by_row and set(values[0]) != {"b64"}:
                values = [row[key] for row in values]
            elif not by_row and isinstance(values, dict):
                values = values[key]
            contents = [base64.b64decode(value["b64"], validate=True) for value in values]
            outputs = {name: out.numpy() for name, out in signature(**{key: tf.constant(contents)}).items()}
            if not by_row:
                return self.answer(200, {"outputs": {name: _plain(values) for name, values in outputs.items()}})
            rows = [{name: _plain(values[i]) for name, values in outputs.items()} for i in range(len(contents))]
            return self.answer(200, {"predictions": rows})

        def answer(self, code: int, content: dict[str, Any]) -> None:
            text = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def _plain(values: Any) -> Any:
    """As JSON has it: a string output is text unless its name ends in _bytes."""
    values = np.asarray(values)
    return (values.astype(str) if values.dtype.kind in "OS" else values).tolist()
