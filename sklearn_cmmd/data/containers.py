"""What a user may pass as a table, brought to an array of numbers; the wording of every refusal."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array

from sklearn_cmmd.data.indexed import IndexedArray


def is_mapping(data: Any) -> bool:
    """Return whether the data are a mapping of modalities; some sparse matrices are dicts too."""
    return isinstance(data, Mapping) and not sp.issparse(data)


def is_pandas(data: Any) -> bool:
    """Return whether the data are a DataFrame or a Series of pandas."""
    return hasattr(data, "iloc") and hasattr(data, "index")


def is_na(value: Any) -> bool:
    """Return whether a value is pandas' NA, which is equal to nothing and cannot be tested."""
    return type(value).__name__ == "NAType"


def parts_of(data: Any, name: str) -> dict[str, Any]:
    """Return the entries of a mapping by their names, or other data under the name ""."""
    if not is_mapping(data):
        return {"": data}
    if not data:
        raise ValueError(f"{name} is an empty mapping. Give it at least one modality.")
    for key in data:
        if not isinstance(key, str) or not key:
            raise TypeError(f"The keys of {name} must be names of modalities. Got {key!r} instead.")
    return dict(data)


def unwrapped(data: Any, name: str) -> Any:
    """Return tables of other libraries as those that this package reads; refuse several for one."""
    if isinstance(data, (list, tuple)) and any(
        np.ndim(part) > 1 or _is_frame(part) for part in data
    ):
        raise TypeError(
            f"{name} is a list of {len(data)} tables, but one table was expected. Pass several "
            "modalities as a mapping, {'name': table, ...}; pass rows that are arrays themselves, "
            "such as images, as one array, numpy.stack(...)."
        )
    if hasattr(data, "obs_names") and hasattr(data, "X"):
        raise TypeError(
            f"{name} is an AnnData object, which holds several tables. Pass the one that you mean: "
            "its .X, .layers[...] or .obsm[...], or a mapping of some of them."
        )
    if hasattr(data, "mod") and hasattr(data, "obs"):
        raise TypeError(
            f"{name} is a MuData object, which holds several tables. Pass a mapping of those that "
            "you mean: {key: part.X for key, part in data.mod.items()}."
        )
    if hasattr(data, "dask"):
        return data.compute()
    if hasattr(data, "collect_schema") and hasattr(data, "collect"):  # a lazy frame of polars
        return data.collect()
    if hasattr(data, "detach") and hasattr(data, "cpu"):
        return data.detach().cpu().numpy()
    return data


def _is_frame(data: Any) -> bool:
    return sp.issparse(data) or (hasattr(data, "columns") and hasattr(data, "shape"))


def row_labels(data: Any) -> Any:
    """Return the Index of the rows of a pandas object, else None."""
    return data.index if is_pandas(data) else None


def to_array(
    data: Any, name: str, estimator: Any, min_rows: int, gaps: bool
) -> tuple[Any, Any, Any]:
    """Check one table; return it as an array, and the names of its columns and rows.

    `name` and `estimator` are for messages, `gaps` says whether dense values may be NaN. The array
    is an ndarray, CSR matrix or IndexedArray with two axes or more and a numeric dtype; a view
    wherever no conversion was needed. The names of columns are an Index of pandas or a list, those
    of rows an Index; None if there are none.

    Raises
    ------
    ValueError, TypeError
        If it is no table of numbers, or if there are infinities, or NaN without `gaps`.
    """
    data = unwrapped(data, name)
    if isinstance(data, IndexedArray):
        stored, _, _ = to_array(data.array, name, estimator, 1, gaps)
        if len(data) < min_rows:
            raise ValueError(
                f"Found array with {len(data)} sample(s) (shape={data.shape}) while a minimum of "
                f"{min_rows} is required by {type(estimator).__name__}."
            )
        return data.with_array(stored), None, None
    gaps = gaps and not sp.issparse(data)
    try:
        array = _checked(_filled(data, name, gaps), name, estimator, min_rows, gaps)
        if array.dtype.kind == "O":  # of a library whose dtypes scikit-learn does not read
            array = _checked(array.astype(np.float64), name, estimator, min_rows, gaps)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(_explained(error, data, name)) from error
    if array.ndim > 2 and not array.size:
        raise ValueError(f"{name} of shape {array.shape} holds no values.")
    is_frame = is_pandas(data) or type(data).__module__.startswith("polars.")
    return array, getattr(data, "columns", None) if is_frame else None, row_labels(data)


def _checked(data: Any, name: str, estimator: Any, min_rows: int, gaps: bool) -> Any:
    check = partial(
        check_array,
        accept_sparse="csr",
        dtype="numeric",
        allow_nd=True,
        ensure_all_finite="allow-nan" if gaps else True,
        ensure_min_samples=min_rows,
        estimator=estimator,
        input_name=name,
    )
    try:
        return check(data)
    except TypeError as error:
        if "NAType" not in str(error):
            raise
    # pandas' NA among objects, which NumPy does not convert.
    array = np.array(data, dtype=object)
    array[np.reshape([is_na(value) for value in array.ravel()], array.shape)] = np.nan
    return check(array)


def _filled(data: Any, name: str, gaps: bool) -> Any:
    """Return the values of a masked array, NaN where they are masked; of others the data."""
    if not np.ma.isMaskedArray(data):
        return data
    n_masked = int(np.ma.count_masked(data))
    if n_masked == 0:
        return data.data
    if not gaps:
        raise ValueError(
            f"Input {name} contains {n_masked} masked values. Impute them before fit, or leave out "
            "the rows that have some."
        )
    return np.ma.filled(data.astype(np.float64), np.nan)


def _explained(error: Exception, data: Any, name: str) -> str:
    """Add to a message of scikit-learn or NumPy which input, which column and what to do."""
    message = str(error)
    text = message if name in message else f"{name}: {message}"
    if "contains NaN" in message:
        # scikit-learn's advice is to take another estimator.
        advice = (
            "A sparse matrix has no gaps. Pass a dense array, or a DataFrame, with NaN in the rows "
            "that lack a modality."
            if name.startswith("X_missing")
            else "Every row needs all observed modalities, without NaN. Impute them before, for "
            "instance by sklearn.impute.SimpleImputer, or leave out the rows that have some."
        )
        return f"{message.splitlines()[0]}\n{advice}"
    if "array=" in message:  # the whole array
        shape = f"of shape {np.shape(data)}"
        text = re.sub(r":?\s*array=.*\.\s*Reshape", f", {shape}. Reshape", text, flags=re.DOTALL)
    if name == "X_missing" and np.ndim(data) == 1:
        return f"{text} Weights are passed as sample_weight=..., labels as the second argument."
    found = _not_a_number(data)
    if found is None:
        return text
    column, value = found
    return (
        f"Column {column!r} of {name} holds {value!r}, which is not a number ({message}). Encode "
        "such columns before, for instance by sklearn.preprocessing.OneHotEncoder, or turn dates "
        "into numbers."
    )


def _not_a_number(data: Any) -> tuple[Any, Any] | None:
    """Return the first column that holds something else than numbers, and what it holds."""
    array = np.asarray(data, dtype=object)
    if array.ndim != 2:
        return None
    names = getattr(data, "columns", range(array.shape[1]))
    for name, column in zip(names, array.T, strict=True):
        for value in column:
            if not _is_number(value):
                return name, value
    return None


def _is_number(value: Any) -> bool:
    if isinstance(value, (str, bytes, np.datetime64, np.timedelta64)):
        return False
    if value is None or is_na(value) or str(value) == "NaT":  # gaps, which are told of elsewhere
        return True
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
