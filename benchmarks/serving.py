"""Requests a second of examples/serve_onnx.py, and how long they take, on the loopback.

The server is a process of its own. Each of so many clients sends a request, waits for the answer,
and sends the next one. Every answer is compared with those of the estimator.

    python -m benchmarks serving --out benchmarks/results/serving
"""

import json
import os
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from benchmarks.options import add_shared
from benchmarks.reports import Record, publish
from sklearn_cmmd import CMMDClassifier, CMMDEnsemble
from sklearn_cmmd.datasets import load_multiple_features

SCRIPT = Path(__file__).parents[1] / "examples" / "serve_onnx.py"
CLIENTS, ROWS = (1, 8), (1, 100)


@contextmanager
def served(path: Path) -> Iterator[int]:
    """Serve a file in another process, and yield the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(SCRIPT), str(path), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(server, port)
            yield port
        finally:
            server.terminate()


def wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server answers."""
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise RuntimeError(f"the server ended with the code {server.returncode}")


def ask(port: int, body: bytes, want: np.ndarray, seconds: float) -> list[float]:
    """Send a request after the other for so many seconds; return how long each took."""
    took, over = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < over:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/answers", body)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        took.append(time.perf_counter() - start)
        np.testing.assert_allclose(answer["probabilities"], want, atol=1e-5)
    return took


def held(port: int, X: np.ndarray, proba: np.ndarray, clients: int, seconds: float) -> Record:
    """Return the figures of so many clients that send these rows."""
    body, asked = json.dumps({"X": X.tolist()}).encode(), (port,)
    with ThreadPoolExecutor(clients) as pool:
        jobs = [pool.submit(ask, *asked, body, proba, seconds) for _ in range(clients)]
        took = 1000 * np.concatenate([job.result() for job in jobs])
    figures = {"clients": clients, "rows": len(X), "requests": len(took)}
    figures["requests/s"] = len(took) / seconds
    return figures | dict(zip(("p50, ms", "p99, ms"), np.quantile(took, (0.5, 0.99)), strict=True))


def measured(args: Namespace) -> Iterator[Record]:
    """Yield the figures of a classifier and of an ensemble."""
    digits = load_multiple_features(observed="zernike", missing="morphological")
    X, y, X_missing = digits.data.astype("float32"), digits.target, digits.data_missing
    # Networks of the default size; how long they train does not change how fast they answer.
    one = CMMDClassifier(max_epochs=2, random_state=0)
    models = {"classifier": one, "ensemble of 5": CMMDEnsemble(one, 5, random_state=0)}
    with TemporaryDirectory() as folder:
        for name, model in list(models.items())[: 1 if args.quick else None]:
            model.fit(X, y, X_missing=X_missing).to_onnx(Path(folder) / "model.onnx")
            with served(Path(folder) / "model.onnx") as port:
                for n_clients in CLIENTS:
                    for n_rows in ROWS:
                        rows, seconds = X[:n_rows], 0.2 if args.quick else args.seconds
                        proba = model.predict_proba(rows)
                        yield {"model": name} | held(port, rows, proba, n_clients, seconds)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_shared(parser)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each line of the table")


def run(args: Namespace) -> None:
    """Measure, and write the table."""
    load = f"{os.cpu_count()} cores, load average before the run {os.getloadavg()[0]:.1f}"
    table = pd.DataFrame(measured(args))
    publish(f"{table.round(1).to_string(index=False)}\n\n{load}", args, table)
