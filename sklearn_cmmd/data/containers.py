"""What a user may pass as a table, brought to an array of numbers; the wording of every refusal."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.utils import check_array

from sklearn_cmmd.data.indexed import IndexedArray

# How the names of dtypes begin, in NumPy, pandas, polars and Arrow.
TEMPORAL = ("date", "time", "duration", "period")
MAY_BE_STRINGS = ("object", "str", "categor", "enum", "dictionary", "large_str", "<u", "<s")


def is_mapping(data: Any) -> bool:
    """Return whether the data are a mapping of modalities; some sparse matrices are dicts too."""
    return isinstance(data, Mapping) and not sp.issparse(data)


def is_pandas(data: Any) -> bool:
    """Return whether the data are a DataFrame or a Series of pandas."""
    return hasattr(data, "iloc") and hasattr(data, "index")


def is_na(value: Any) -> bool:
    """Return whether a value is pandas' NA or NaT, which are equal to nothing."""
    return type(value).__name__ in ("NAType", "NaTType")


def title(name: str, key: str) -> str:
    """Return what messages call an input, or its entry with a key."""
    return f"{name}[{key!r}]" if key else name


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
    if isinstance(data, (list, tuple)) and any(map(np.ma.isMaskedArray, data)):
        return np.ma.array(list(data))
    if isinstance(data, (list, tuple)) and any(map(_is_table, data)):
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
    if isinstance(data, torch.Tensor):
        data = data.detach().cpu().to_dense()
        return (data.float() if data.dtype == torch.bfloat16 else data).numpy()
    return data


def _is_table(data: Any) -> bool:
    is_frame = hasattr(data, "columns") and hasattr(data, "shape")
    return sp.issparse(data) or is_frame or getattr(data, "ndim", _depth(data)) > 1


def _depth(data: Any) -> int:
    """Return the number of axes of nested lists, by their first elements."""
    return 1 + _depth(data[0]) if isinstance(data, (list, tuple)) and data else 0


def row_labels(data: Any) -> Any:
    """Return the Index of the rows of a pandas or xarray object, else None."""
    if hasattr(data, "indexes") and hasattr(data, "dims"):
        return data.indexes.get(data.dims[0])
    return data.index if is_pandas(data) else None


def column_names(data: Any) -> Any:
    """Return names of columns: an Index of pandas, a list of polars, a tuple of Arrow; or None."""
    if hasattr(data, "column_names"):
        return tuple(data.column_names)
    is_frame = is_pandas(data) or type(data).__module__.startswith("polars.")
    return getattr(data, "columns", None) if is_frame else None


def _check_dtypes(data: Any, name: str) -> None:
    """Raise a TypeError if a column holds dates, times or strings."""
    if hasattr(data, "dtypes") and hasattr(data, "columns"):
        columns = list(zip(data.columns, data.dtypes, strict=True))
    elif hasattr(data, "column_names"):
        columns = list(zip(data.column_names, data.schema.types, strict=True))
    else:
        data = data if hasattr(data, "dtype") else np.asarray(data)
        columns = [("", data.dtype)]
    dtypes = {str(dtype).lower() for _, dtype in columns}
    for column, dtype in columns:
        if str(dtype).lower().startswith(TEMPORAL):
            where = f"Column {column!r} of {name}" if column != "" else name
            raise TypeError(
                f"{where} holds dates or times ({dtype}). Turn them into numbers, for instance "
                "days since a first one."
            )
    if any(dtype.startswith(MAY_BE_STRINGS) for dtype in dtypes):
        found = _not_a_number(data, (str, bytes))
        if found is not None:
            raise ValueError(_no_number(*found, name))


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
    if not sp.issparse(data):
        _check_form(data, name)
        _check_dtypes(data, name)
    try:
        array = _checked(_filled(data, name, gaps), name, estimator, min_rows, gaps)
        if array.dtype.kind == "O":  # of a library whose dtypes scikit-learn does not read
            array = _checked(array.astype(np.float64), name, estimator, min_rows, gaps)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(_explained(error, data, name)) from error
    if array.ndim > 2 and not array.size:
        raise ValueError(f"{name} of shape {array.shape} holds no values.")
    return array, column_names(data), row_labels(data)


def _check_form(data: Any, name: str) -> None:
    """Raise an error unless the data are something with rows."""
    is_rows = hasattr(data, "__len__") or hasattr(data, "__array__")
    if isinstance(data, (str, bytes)) or not is_rows:
        raise TypeError(
            f"{name} must be a table: an array or DataFrame of shape (n_rows, n_columns), or a "
            f"mapping of names to tables. Got {data if data is None else type(data).__name__} "
            "instead."
        )
    if isinstance(data, (list, tuple)) and len({np.size(row) for row in data}) > 1:
        raise ValueError(
            f"{name} is a list of rows of unlike lengths. Every row has a value for each column; "
            "a row without x_M is a row of NaN."
        )


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
        if "NAType" not in str(error) and "NaTType" not in str(error):
            raise
    # pandas' NA and NaT among objects, which NumPy does not convert.
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
            "instance by sklearn.impute.SimpleImputer, or leave out the rows that have some. Rows "
            "may lack whole modalities that optional= names."
        )
        return f"{message.splitlines()[0]}\n{advice}"
    if "Complex data" in message:  # the whole array follows
        return f"Complex data not supported: {name} holds some. Pass their parts as columns."
    if "array=" in message:  # the whole array
        shape = f"of shape {np.shape(data)}"
        text = re.sub(r":?\s*array=.*\.\s*Reshape", f", {shape}. Reshape", text, flags=re.DOTALL)
    if name == "X_missing" and np.ndim(data) == 1:
        return f"{text} Weights are passed as sample_weight=..., labels as the second argument."
    found = _not_a_number(data)
    return text if found is None else _no_number(*found, name, f" ({message})")


def _no_number(column: Any, value: Any, name: str, why: str = "") -> str:
    return (
        f"Column {column!r} of {name} holds {value!r}, which is not a number{why}. Encode "
        "such columns before, for instance by sklearn.preprocessing.OneHotEncoder, or turn dates "
        "into numbers."
    )


def _not_a_number(data: Any, kinds: tuple[type, ...] | None = None) -> tuple[Any, Any] | None:
    """Return the first column that holds something else than numbers, and what it holds.

    With `kinds`, only values of these count.
    """
    array = np.asarray(data, dtype=object)
    if array.ndim != 2:
        return None
    names = column_names(data)
    columns = range(array.shape[1]) if names is None else names
    for name, column in zip(columns, array.T, strict=True):
        for value in column:
            if isinstance(value, kinds) if kinds else not _is_number(value):
                return name, value
    return None


def _is_number(value: Any) -> bool:
    if isinstance(value, (str, bytes, np.datetime64, np.timedelta64)):
        return False
    if value is None or is_na(value):  # gaps, which are told of elsewhere
        return True
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
