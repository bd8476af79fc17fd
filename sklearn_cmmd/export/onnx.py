"""The graph of a fitted estimator in a file of ONNX."""

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd._files import replacing
from sklearn_cmmd.data.layout import Layout
from sklearn_cmmd.data.targets import Classes
from sklearn_cmmd.export.graph import Graph, Together

NEEDED = ("onnx", "onnxscript")


class Exportable:
    """An estimator whose answers are a graph."""

    _plan: Any

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write what the fitted estimator says of rows to a file of ONNX.

        It is one graph from `X` as it is to the answers, for any number of rows. It needs the
        packages of ``pip install "sklearn-cmmd[onnx]"`` to be written, and `onnxruntime` or another
        runtime of ONNX, but neither torch nor this package, to be run. Answers are those of
        float32 `X`, to about 1e-5 of their scale.

        Parameters
        ----------
        path : str or path
            The file. It is replaced as a whole; after an error, it is what it was.

        Raises
        ------
        ImportError
            If onnx or onnxscript is not installed.
        TypeError
            If an ensemble has generators other than linear ones and forests.

        Notes
        -----
        Inputs are called "X", or "X.<key>" for each entry of a mapping, and are of shape (n, ...)
        as in `fit`: float32, or float64 where float32 does not tell the values of a column apart. A
        modality that is optional and absent is NaN. Outputs are "probabilities", or "mean" and
        "std" of numbers; "embedding"; "generated" or "generated.<key>", the means of the missing
        modalities; and where some are optional, "imputed" or "imputed.<key>". The metadata entry
        "sklearn_cmmd" holds classes and names of features in JSON. Draws and intervals are not in
        the file.

        Examples
        --------
        >>> from sklearn_cmmd import CMMDTransformer
        >>> from sklearn_cmmd.datasets import load_multiple_features
        >>> digits = load_multiple_features(observed="zernike", missing="morphological")
        >>> embed = CMMDTransformer(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
        >>> embed = embed.fit(digits.data, X_missing=digits.data_missing)
        >>> embed.to_onnx("digits.onnx")  # doctest: +SKIP
        >>> import onnxruntime  # doctest: +SKIP
        >>> session = onnxruntime.InferenceSession("digits.onnx")  # doctest: +SKIP
        >>> session.run(["embedding"], {"X": digits.data.astype("f4")})[0].shape  # doctest: +SKIP
        (2000, 20)
        """
        check_is_fitted(self)
        absent = [name for name in NEEDED if find_spec(name) is None]
        if absent:
            raise ImportError(
                f"to_onnx needs {' and '.join(absent)}: pip install 'sklearn-cmmd[onnx]'."
            )
        from torch.export import Dim

        layout = self._plan.layout
        graph = Graph(layout, self._answers()).eval()
        with _quiet(), torch.inference_mode(False), torch.no_grad():
            program: Any = torch.onnx.export(
                graph,
                graph.examples,
                dynamo=True,
                dynamic_shapes=(tuple([{0: Dim("batch")} for _ in graph.examples]),),
                input_names=[f"X.{key}" if key else "X" for key in layout.observed.widths],
                output_names=graph.names,
                verbose=False,
            )
        _rename_inner(program.model.graph)
        program.model.metadata_props["sklearn_cmmd"] = json.dumps(self._about_graph(layout))
        with replacing(Path(path)) as new:
            program.save(new)

    def _answers(self) -> Together:
        """Return the module that answers."""
        return Together(self)

    def _about_graph(self, layout: Layout) -> dict[str, Any]:
        names = getattr(self, "feature_names_in_", None)
        classes = None
        if isinstance(layout.targets, Classes):
            labels = layout.targets.classes
            classes = labels.tolist() if labels.dtype.kind in "biufU" else list(map(str, labels))
        return {
            "estimator": type(self).__name__,
            "classes": classes,
            "feature_names": None if names is None else names.tolist(),
        }


def _rename_inner(graph: Any) -> None:
    """Give what is computed on the way other names than outputs, which are those of operators."""
    outputs = {id(value) for value in graph.outputs}
    for node in graph:
        for value in node.outputs:
            if id(value) not in outputs:
                value.name = f"inner.{value.name}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's exporter from telling of what it has no use for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
