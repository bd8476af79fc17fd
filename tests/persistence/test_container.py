"""The file itself: what other readers of safetensors find in it, and how it is written."""

import errno
import json
import os
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sklearn_cmmd import load
from sklearn_cmmd.persistence import container
from tests.fitted import assert_same_answers

ARRAYS = hnp.arrays(
    st.sampled_from([dtype for dtype in container.CODES if dtype.kind in "biuf"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    elements={"allow_nan": False},
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), ARRAYS, max_size=5), st.text())
def test_any_reader_of_safetensors_finds_the_arrays(tmp_path_factory, arrays, text):
    arrays.pop("__metadata__", None)
    path = tmp_path_factory.mktemp("any") / "file"
    container.write(path, {"text": text}, arrays)
    ours = container.read(path)
    assert ours.about == {"text": text}
    with safetensors.safe_open(path, "np") as file:
        assert json.loads(file.metadata()["sklearn_cmmd"])["text"] == text
        assert set(file.keys()) == set(arrays) == set(ours.arrays)
        for name, array in arrays.items():
            for found in (file.get_tensor(name), ours.arrays[name]):
                np.testing.assert_array_equal(found, array, strict=True)


def test_the_same_content_is_the_same_file(tmp_path):
    for name in ("one", "other"):
        container.write(tmp_path / name, {"a": 1}, {"x": np.arange(3), "y": np.zeros(2, bool)})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_file_is_little_more_than_its_weights(tmp_path):
    from sklearn_cmmd import CMMDClassifier
    from tests.fitted import TINY, rows

    y, X, M = rows()
    wide = {"hidden_layer_sizes": (180, 180), "max_epochs": 1}
    estimator = CMMDClassifier(**TINY | wide).fit(X, y, X_missing=M)
    estimator.save(tmp_path / "wide")
    weights = sum(4 * value.numel() for value in estimator.module_.state_dict().values())
    assert (tmp_path / "wide").stat().st_size < 1.1 * weights


def test_names_beyond_what_a_header_may_hold_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"bytes of names and plain values.*joblib.dump"):
        container.write(tmp_path / "many", {"names": ["name"] * 1_000_000}, {})
    assert not list(tmp_path.iterdir())


class TestWriting:
    """Nothing half-written is ever read, and messages say what to do."""

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
    def test_a_full_disk_leaves_the_old_file(self, known, tmp_path, monkeypatch, code):
        estimator, _ = known("classifier")
        path = tmp_path / "model"
        estimator.save(path)
        before = path.read_bytes()

        def fail(descriptor):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=r"model could not be written: .*is unchanged. Make room"):
            estimator.save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_folders_that_cannot_be_written_to(self, known, tmp_path):
        estimator, _ = known("classifier")
        (tmp_path / "file").touch()
        for folder in ("absent", "file"):
            with pytest.raises(OSError, match=r"could not be written.*Nothing was left there"):
                estimator.save(tmp_path / folder / "model")

    @pytest.mark.skipif(
        getattr(os, "geteuid", int)() == 0, reason="root may write anywhere, and Windows has none"
    )
    def test_a_folder_that_may_only_be_read(self, known, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(PermissionError, match=r"choose a folder that .* you may write to"):
            known("classifier")[0].save(tmp_path / "model")

    def test_an_interrupt_leaves_the_old_file(self, known, tmp_path, monkeypatch):
        estimator, _ = known("classifier")
        path = tmp_path / "model"
        estimator.save(path)

        @contextmanager
        def interrupted(path):
            with replacing(path) as new:
                yield new
                raise KeyboardInterrupt

        replacing = container.replacing
        monkeypatch.setattr(container, "replacing", interrupted)
        with pytest.raises(KeyboardInterrupt):
            known("regressor")[0].save(path)
        assert type(load(path)) is type(estimator)
        assert list(tmp_path.iterdir()) == [path]

    def test_several_writers_and_readers_of_one_path(self, known, tmp_path):
        path, models = tmp_path / "model", [known("classifier"), known("transformer")]
        models[0][0].save(path)
        is_done, failures = threading.Event(), []

        def read():
            while not is_done.is_set():
                try:
                    load(path)
                except Exception as error:
                    failures.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        writers = [
            threading.Thread(target=lambda each=each: [each.save(path) for _ in range(10)])
            for each, _ in models
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        is_done.set()
        reader.join()
        assert not failures
        assert list(tmp_path.iterdir()) == [path]
        (of_kind,) = [each for each in models if type(each[0]) is type(load(path))]
        assert_same_answers(of_kind[0], load(path), of_kind[1])

    def test_a_file_that_is_cut_off_while_it_is_used_harms_nothing(self, known, tmp_path):
        estimator, X = known("classifier")
        estimator.save(tmp_path / "model")
        twin = load(tmp_path / "model")
        with (tmp_path / "model").open("r+b") as file:
            file.truncate(10)
        assert_same_answers(estimator, twin, X)
