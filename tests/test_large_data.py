"""Data on disk: bounded memory, no copies, and files as their libraries open them."""

import pickle
import re
import textwrap
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.data import blocks, matrices
from sklearn_cmmd.datasets import IndexedArray
from tests.tiny import TINY, M, X, Y

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "large_data.rst"


def on_disk(folder, name, array):
    np.save(folder / f"{name}.npy", array)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


@pytest.fixture
def mapped(tmp_path):
    return on_disk(tmp_path, "x", X), on_disk(tmp_path, "m", M)


@pytest.fixture(scope="module")
def written():
    """Return the function of the guide that writes blocks into a file."""
    if not PAGE.exists():
        pytest.skip("the guide is not here")
    (block,) = re.findall(r"^>>> (def written.*\n(?:\.\.\. .*\n)+)", PAGE.read_text("utf-8"), re.M)
    found = {"np": np}
    exec(textwrap.dedent(block.replace("... ", "")), found)
    return found["written"]


def anonymous_memory():
    """Return the bytes of this process that are no pages of a file."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


class Peak(threading.Thread):
    """Watch the memory of this process that is not of files, as long as the block runs."""

    def __enter__(self):
        self.before = self.most = anonymous_memory()
        self.over = threading.Event()
        self.start()
        return self

    def run(self):
        while not self.over.wait(0.002):
            self.most = max(self.most, anonymous_memory())

    def __exit__(self, *error):
        self.over.set()
        self.join()

    @property
    def added(self):
        return self.most - self.before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory is read from /proc")
@pytest.mark.parametrize("wrap", [lambda rows: rows, IndexedArray], ids=["memmap", "indexed"])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, wrap):
    """Of 64 MiB of rows, chunks of 1 MiB are in memory, and not all rows."""
    monkeypatch.setattr(matrices, "RESIDENT_SHARE", 0)
    monkeypatch.setattr(blocks, "CHUNK_NUMBERS", 2**17)  # 1 MiB
    y = np.arange(4000) % 2
    rows = on_disk(tmp_path, "rows", np.repeat(y[:, None], 4096, axis=1).astype("float32"))
    clf = CMMDClassifier(observed=[Modality("rows", scaling="column")], **TINY)
    clf.fit(rows[:100], y[:100])  # what the first fit of a process loads
    with Peak() as peak:
        clf.fit(wrap(rows), y)
    assert peak.added < rows.nbytes / 3


def test_a_search_over_files_is_that_over_arrays(mapped, monkeypatch):
    monkeypatch.setattr(matrices, "RESIDENT_SHARE", 0)
    search = GridSearchCV(CMMDClassifier(**TINY), {"omega": [0.2, 0.8]}, cv=2)
    here = search.fit(X, Y, X_missing=M).cv_results_["mean_test_score"]
    there = search.fit(IndexedArray(mapped[0]), Y, X_missing=IndexedArray(mapped[1]))
    assert np.array_equal(there.cv_results_["mean_test_score"], here)


def test_no_row_of_a_file_is_copied_or_pickled(tmp_path):
    rows = IndexedArray(on_disk(tmp_path, "x", np.arange(80_000.0).reshape(20_000, 4)), factor=0.5)
    part = rows[np.arange(100)]
    assert np.shares_memory(part.array, rows.array)
    for one, limit in ((rows, 1_000), (part, 2_000)):
        pickled = pickle.dumps(one)
        assert len(pickled) < limit
        again = pickle.loads(pickled)
        assert isinstance(again.array, np.memmap)
        np.testing.assert_array_equal(again, one)


OTHERS = {
    "written to": lambda path: np.load(path, mmap_mode="c"),
    "part of a file": lambda path: np.load(path, mmap_mode="r")[3:],
    "in memory": np.load,
}


@pytest.mark.parametrize("case", OTHERS)
def test_all_other_rows_are_pickled_themselves(mapped, tmp_path, case):
    rows = IndexedArray(OTHERS[case](tmp_path / "x.npy"))
    pickled = pickle.dumps(rows)
    (tmp_path / "x.npy").unlink()
    np.testing.assert_array_equal(pickle.loads(pickled), rows)


def test_a_file_in_the_order_of_fortran(tmp_path):
    rows = IndexedArray(on_disk(tmp_path, "f", np.asfortranarray(X)))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)), X)


def test_blocks_that_are_too_few_are_no_file(written, tmp_path):
    with pytest.raises(ValueError, match="expected 40 rows, got 30"):
        written(tmp_path / "x.npy", [X[:30]], X.shape)


@pytest.mark.filterwarnings("ignore")
def test_files_of_single_cells(written, tmp_path):
    """In their files; written with NumPy's strings, since anndata writes no others yet."""
    anndata = pytest.importorskip("anndata", reason="anndata is not installed")
    mudata = pytest.importorskip("mudata", reason="mudata is not installed")
    mudata.set_options(pull_on_update=False)
    with pd.option_context("future.infer_string", False):
        both = mudata.MuData({"rna": anndata.AnnData(X), "adt": anndata.AnnData(M)})
        both.write(tmp_path / "both.h5mu")
        anndata.AnnData(X, obsm={"adt": M}).write_h5ad(tmp_path / "cells.h5ad")
    both = mudata.read_h5mu(tmp_path / "both.h5mu", backed="r")
    cells = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    assert cells.isbacked
    for part, want in ((both["rna"], X), (both["adt"], M), (cells, X)):
        parts = (block for block, _, _ in part.chunked_X(16))
        rows = written(tmp_path / "rows.npy", parts, part.shape, float)
        np.testing.assert_array_equal(rows, want)
    np.testing.assert_array_equal(cells.obsm["adt"], M)


@pytest.mark.parametrize("library", ["zarr", "h5py"])
def test_arrays_of_other_libraries_are_read_as_a_whole(library, tmp_path):
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    if library == "zarr":
        stored = module.create_array(tmp_path / "x.zarr", data=X)
    else:
        stored = module.File(tmp_path / "x.h5", "w").create_dataset("x", data=X)
    want = CMMDClassifier(**TINY).fit(X, Y, X_missing=M).predict(X)
    assert np.array_equal(CMMDClassifier(**TINY).fit(stored, Y, X_missing=M).predict(stored), want)
