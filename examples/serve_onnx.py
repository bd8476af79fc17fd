"""
Serve a model over HTTP
=======================

A file that `to_onnx` wrote is run by onnxruntime: neither torch nor this package is needed, and no
code in the file is run. This server checks what it is sent, and answers in JSON.

.. code:: bash

    pip install numpy onnxruntime
    python serve_onnx.py model.onnx --port 8000
    curl localhost:8000                                   # names, shapes, classes
    curl localhost:8000/answers -d '{"X": [[0.1, 2.0]]}'  # one row of two columns

`Model` is all that another server needs. The one here is that of Python's library: it listens on
this machine alone. Put a reverse proxy before it, which adds encryption, accounts and limits.
"""

import argparse
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime

MOST_BYTES, MOST_ROWS, SECONDS = 10_000_000, 10_000, 30
DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class Refused(Exception):
    """A request that is not answered: a status of HTTP, and why."""


class Model:
    """A file of `to_onnx`, and what it takes."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path)
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.about = json.loads(metadata["sklearn_cmmd"])
        self.inputs = {each.name: each for each in self.session.get_inputs()}
        self.outputs = [each.name for each in self.session.get_outputs()]
        # Modalities that may be absent are null in a request, and NaN in the graph.
        self.may_lack = any(name.split(".")[0] == "imputed" for name in self.outputs)

    def description(self):
        """Say what is to be sent, and what comes back."""
        shapes = {name: ["n", *each.shape[1:]] for name, each in self.inputs.items()}
        return self.about | {"inputs": shapes, "outputs": self.outputs}

    def answers(self, rows):
        """Return the answers to rows, both by name and as nested lists."""
        if not isinstance(rows, dict) or set(rows) != set(self.inputs):
            raise Refused(400, f"Send an object with the entries {list(self.inputs)}.")
        blocks = {name: self._block(name, rows[name]) for name in self.inputs}
        counts = {name: len(block) for name, block in blocks.items()}
        if len(set(counts.values())) > 1 or not 0 < min(counts.values()) <= MOST_ROWS:
            raise Refused(400, f"Send equally many rows, from 1 to {MOST_ROWS}. Got {counts}.")
        found = dict(zip(self.outputs, self.session.run(None, blocks), strict=True))
        if self.about["classes"] is not None:
            best = found["probabilities"].argmax(axis=1)
            found["label"] = np.array(self.about["classes"], dtype=object)[best]
        return {name: values.tolist() for name, values in found.items()}

    def _block(self, name, values):
        """Return the rows of one input as an array."""
        expected = self.inputs[name]
        array = np.array(values, dtype=object)
        kinds = {type(value) for value in array.flat} - ({type(None)} if self.may_lack else set())
        shape = tuple(expected.shape[1:])
        if array.shape[1:] != shape or not kinds <= {int, float}:
            raise Refused(400, f"{name} must be rows of numbers, each of shape {shape}.")
        try:
            with np.errstate(over="ignore"):
                block = array.astype(float).astype(DTYPES[expected.type])
        except OverflowError:  # an int beyond all floats
            block = np.full(1, np.inf)
        if np.isinf(block).any() or (np.isnan(block).any() and not self.may_lack):
            raise Refused(400, f"{name} has a number that is too large, or none.")
        return block


class Handler(BaseHTTPRequestHandler):
    """GET / describes the model, POST /answers asks it."""

    model: Model
    timeout = SECONDS

    def do_GET(self):
        known = self.path == "/"
        self._send(*(200, self.model.description()) if known else (404, {"error": "GET /"}))

    def do_POST(self):
        try:
            if self.path != "/answers":
                raise Refused(404, "POST /answers")
            self._send(200, self.model.answers(self._sent()))
        except Refused as error:
            status, why = error.args
            self._send(status, {"error": why})

    def _sent(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(411, "Say how long the request is: Content-Length.")
        if int(length) > MOST_BYTES:
            self.close_connection = True  # the rest is not read
            raise Refused(413, f"Send at most {MOST_BYTES} bytes at a time.")
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(400, "Send JSON.") from None

    def _send(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(HTTPStatus(status))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def server_of(path, host="127.0.0.1", port=8000):
    """Return a server that answers from a file, ready for `serve_forever`."""
    handler = type("ModelHandler", (Handler,), {"model": Model(path)})
    return ThreadingHTTPServer((host, port), handler)


def main():
    parser = argparse.ArgumentParser(description="Serve a file of to_onnx over HTTP.")
    parser.add_argument("path")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    with server_of(arguments.path, arguments.host, arguments.port) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
