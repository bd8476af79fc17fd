"""The example that serves a file of ONNX: right answers, and refusals of what it cannot answer."""

import importlib.util
import json
import threading
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from tests.export.test_graph import expected

for needed in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: pip install -e '.[onnx]'")
SCRIPT = Path(__file__).parents[2] / "examples" / "serve_onnx.py"
if not SCRIPT.exists():
    pytest.skip("the examples are not here", allow_module_level=True)


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("serve_onnx", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def served(example, path):
    server = example.server_of(path, port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module", params=["ensemble", "transformer"])
def service(request, example, known, paths):
    """Return an estimator, its rows, and a function that asks the server on the loopback."""
    estimator, X = known(request.param)
    server = served(example, paths(request.param))

    def ask(method, target, body=None, headers=None):
        connection = HTTPConnection(*server.server_address, timeout=20)
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        content = response.status, json.loads(response.read())
        connection.close()
        return content

    yield estimator, X.astype(np.float32), ask
    server.shutdown()
    server.server_close()


def test_answers_are_those_of_the_estimator(service):
    estimator, X, ask = service
    rows = np.asarray(X).astype(object)
    rows[np.isnan(np.asarray(X))] = None
    status, found = ask("POST", "/answers", json.dumps({"X": rows.tolist()}))
    assert status == 200
    for name, values in expected(estimator, X).items():
        np.testing.assert_allclose(found[name], values, 1e-5, 1e-5 * np.abs(values).max())
    if "label" in found:
        assert found["label"] == estimator.predict(X).tolist()


def test_the_model_is_described(service):
    estimator, _, ask = service
    status, found = ask("GET", "/")
    assert status == 200
    assert found["inputs"] == {"X": ["n", 5]}
    assert found["outputs"][-1] in ("generated", "imputed")
    assert found["estimator"] == type(estimator).__name__


ROW = [0.0, 1, 2, 3, 4]
BAD = {
    "no JSON": b"{",
    "deep JSON": b"[" * 100_000,
    "no object": json.dumps([ROW]),
    "another name": json.dumps({"x": [ROW]}),
    "one more": json.dumps({"X": [ROW], "y": [1]}),
    "no rows": json.dumps({"X": []}),
    "too many rows": json.dumps({"X": [ROW] * 10_001}),
    "a row that is no list": json.dumps({"X": ROW}),
    "fewer columns": json.dumps({"X": [ROW[:4]]}),
    "rows of unlike lengths": json.dumps({"X": [ROW, ROW[:4]]}),
    "an axis too many": json.dumps({"X": [[ROW]]}),
    "strings": json.dumps({"X": [[*ROW[:4], "4"]]}),
    "truth values": json.dumps({"X": [[*ROW[:4], True]]}),
    "beyond float32": json.dumps({"X": [[*ROW[:4], 1e300]]}),
    "infinity": json.dumps({"X": [[*ROW[:4], float("inf")]]}),
    "huge ints": '{"X": [[0, 1, 2, 3, 1' + "0" * 400 + "]]}",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_what_cannot_be_answered_is_refused(service, body):
    _, _, ask = service
    status, found = ask("POST", "/answers", body)
    assert status == 400
    assert found["error"].startswith(("Send ", "X "))


def test_gaps_are_for_models_that_know_them(service):
    estimator, _, ask = service
    status, _ = ask("POST", "/answers", json.dumps({"X": [[None, None, 2, 3, 4]]}))
    assert status == (200 if estimator._plan.layout.optional else 400)


def test_other_places_and_lengths(service):
    _, _, ask = service
    assert ask("GET", "/answers")[0] == 404
    assert ask("POST", "/", "{}")[0] == 404
    assert ask("POST", "/answers", None, {"Content-Length": "-1"})[0] == 411
    assert ask("POST", "/answers", None, {"Content-Length": "99999999999"})[0] == 413
