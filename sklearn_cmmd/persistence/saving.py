"""Saving an estimator to a file, and what comes out of one."""

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd._device import resolve_device
from sklearn_cmmd.exceptions import ModelFileError
from sklearn_cmmd.persistence import container
from sklearn_cmmd.persistence.checks import require
from sklearn_cmmd.persistence.reading import Reader
from sklearn_cmmd.persistence.writing import Writer

FORMAT = 1


class Saveable:
    """An estimator that can be saved; `sklearn_cmmd.load` brings it back."""

    def save(self, path: str | os.PathLike[str], *, own_networks: bool = False) -> None:
        """Save the fitted estimator to a file that holds no code and no training data.

        `sklearn_cmmd.load` reads it, in this version and in later ones, whatever the version of
        torch or scikit-learn. Predictions, draws by a seed, parameters and fitted attributes are
        then the same to the last bit on one machine's CPU, and so is a fit that goes on with
        ``warm_start=True``. What `partial_fit` and ``warm_start=True`` keep for that makes the file
        three times as large.

        Parameters
        ----------
        path : str or path
            The file, of the format of safetensors. It is replaced as a whole; after an error, it is
            what it was.
        own_networks : bool, default=False
            Whether to write the weights of networks of your own and leave out the functions that
            make them, which `load` must then be given.

        Raises
        ------
        TypeError
            If something is code, or nothing that a file without code can hold: callbacks, networks
            of your own, generators of an ensemble other than linear ones and forests, classes that
            derive from those of this package.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from sklearn_cmmd import CMMDTransformer, load
        >>> from sklearn_cmmd.datasets import load_multiple_features
        >>> digits = load_multiple_features(observed="zernike", missing="morphological")
        >>> embed = CMMDTransformer(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
        >>> embed = embed.fit(digits.data, X_missing=digits.data_missing)
        >>> path = tempfile.mkdtemp() + "/digits.safetensors"
        >>> embed.save(path)
        >>> bool((load(path).transform(digits.data) == embed.transform(digits.data)).all())
        True
        """
        check_is_fitted(self)
        writer = Writer(own_networks)
        record = record_of(self, writer, "")
        about = {"format": FORMAT, "versions": _versions(), "summary": self._summary()}
        container.write(Path(path), about | {"estimator": record}, writer.arrays)

    def _summary(self) -> dict[str, Any]:
        """Return what `describe` says."""
        raise NotImplementedError

    def _state(self, writer: Writer, at: str) -> dict[str, Any]:
        """Write what is known after a fit; arrays are put under `at`."""
        raise NotImplementedError

    def _restore(self, state: Mapping[str, Any], reader: Reader, at: str) -> None:
        """Take over what `_state` wrote."""
        raise NotImplementedError

    def _place(self, device: str) -> None:
        """Bring the networks to a device; "auto" is that of the parameters, if it is there."""
        raise NotImplementedError


def record_of(estimator: Any, writer: Writer, at: str) -> dict[str, Any]:
    """Write an estimator: what it has learned, its parameters, and what they do not say."""
    state = estimator._state(writer, at)
    requests = getattr(estimator, "_metadata_request", None)
    about = {
        "parameters": estimator,
        "output": getattr(estimator, "_sklearn_output_config", {}),
        "requests": {} if requests is None else requests._serialize(),
    }
    return {name: writer.value(each, f"{at}{name}") for name, each in about.items()} | {
        "state": state
    }


def restored(record: Mapping[str, Any], reader: Reader, at: str) -> Any:
    """Return the estimator that was written."""
    names = "parameters", "output", "requests"
    estimator, output, requests = [reader.value(record[name], f"{at}{name}") for name in names]
    require(isinstance(estimator, Saveable), "the estimator")
    estimator._restore(record["state"], reader, at)
    if output:
        estimator.set_output(**output)
    with sklearn.config_context(enable_metadata_routing=True):
        for method, asked in requests.items():
            getattr(estimator, f"set_{method}_request")(**asked)
    return estimator


def load_as(
    path: str | os.PathLike[str],
    kinds: Mapping[str, type],
    device: str,
    networks: Mapping[str, Any],
) -> Any:
    """Load an estimator, given all kinds of records that files may hold; see `load`."""
    resolve_device(device)
    path = Path(path)
    with _refusing(path):
        contents = container.read(path)
        _check_format(path, contents.about)
        needed = contents.about["summary"]["own_networks"]
        require(all([isinstance(name, str) for name in needed]), "a network's name")
    if set(needed) != set(networks):
        raise ValueError(
            f"{path} was saved with networks of your own for the modalities {needed}. Pass the "
            "functions that make them, as to Modality(network=...): load(path, networks="
            f"{{name: function}}). Got {list(networks)}."
        )
    with _refusing(path):
        reader = Reader(contents.arrays, kinds, networks)
        estimator = restored(contents.about["estimator"], reader, "")
        more = set(contents.arrays) - reader.used
        require(not more, f"that there are arrays such as {min(more, default='')!r}")
    estimator._place(device)
    return estimator


class Description(dict[str, Any]):
    """What a file holds, by name. It is printed line by line."""

    def __repr__(self) -> str:
        lines = "\n".join(f"{name}: {value}" for name, value in self.items())
        # No file can tell a terminal what to do.
        return "".join([each for each in lines if each.isprintable() or each == "\n"])


def describe(path: str | os.PathLike[str]) -> Description:
    """Say what a file of `save` holds, without reading weights.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Description
        A dict that prints well: the kind of estimator and its parameters, the modalities on both
        sides, the labels, epochs, number of weights and bytes, and the versions that wrote it. It
        is what the file says; that the rest is undamaged is found by `load`.

    Raises
    ------
    ModelFileError
        If the file is none of `save`, or of a later format.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_cmmd import CMMDClassifier, describe
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> digits = load_multiple_features(observed="zernike", missing="morphological")
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=2, random_state=0)
    >>> path = tempfile.mkdtemp() + "/digits.safetensors"
    >>> clf.fit(digits.data, digits.target, X_missing=digits.data_missing).save(path)
    >>> described = describe(path)
    >>> described["estimator"], described["observed"], described["labels"]
    ('CMMDClassifier', {'X': '47 columns'}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    path = Path(path)
    with _refusing(path):
        about, n_bytes = container.read_header(path)
        _check_format(path, about)
        summary = {"bytes": n_bytes, "format": about["format"], "versions": about["versions"]}
        return Description(**about["summary"], **summary)


def _versions() -> dict[str, str]:
    from sklearn_cmmd import __version__

    packages = {"torch": torch, "scikit-learn": sklearn, "numpy": np}
    versions = {name: package.__version__ for name, package in packages.items()}
    return {"sklearn-cmmd": __version__, **versions, "python": platform.python_version()}


def _check_format(path: Path, about: Mapping[str, Any]) -> None:
    found = about["format"]
    require(type(found) is int and found > 0, "the format")
    if found > FORMAT:
        raise ModelFileError(
            f"{path} is a file of format {found}, and this version reads up to {FORMAT}: upgrade "
            "sklearn-cmmd."
        )


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Make whatever goes wrong with the content of a file one kind of error."""
    try:
        yield
    except (OSError, ImportError, ModelFileError):
        raise
    except Exception as error:
        kind = "" if isinstance(error, container.Damaged) else f"{type(error).__name__}: "
        raise ModelFileError(
            f"{path} cannot be loaded: {kind}{error}. It is damaged, or was not written by save(). "
            "Take another copy of it, or save the estimator again."
        ) from error
