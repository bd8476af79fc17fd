"""Whatever is done to a file, load gives one kind of error, soon and in little memory."""

import contextlib
import copy
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_cmmd import describe, load
from sklearn_cmmd.exceptions import ModelFileError
from sklearn_cmmd.persistence import container
from tests.fitted import answers, new_rows
from tests.persistence.test_formats import FOLDER, NAMES

FILES = {name: FOLDER / f"format1_{name}.safetensors" for name in NAMES}
CONTENTS = {name: container.read(path) for name, path in FILES.items()}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("bad") / "model"


def assert_refused(path, match=None):
    with pytest.raises(ModelFileError, match=match):
        load(path)


def described_or_refused(path):
    """Describe reads the header alone, and may find nothing wrong."""
    with contextlib.suppress(ModelFileError):
        repr(describe(path))


class TestBytes:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_region_that_is_flipped_is_noticed(self, name, path):
        content = FILES[name].read_bytes()
        header = 8 + int.from_bytes(content[:8], "little")
        places = [*range(80), *range(80, header, 397), *range(header, len(content), 797)]
        for place in [*places, header - 1, header, len(content) - 1]:
            changed = bytearray(content)
            changed[place] ^= 0x01 if place % 2 else 0x80
            path.write_bytes(changed)
            assert_refused(path)
            described_or_refused(path)

    @settings(max_examples=40)
    @given(data=st.data())
    def test_any_bytes_in_the_place_of_others(self, path, data):
        content = FILES[data.draw(st.sampled_from(NAMES))].read_bytes()
        start, stop = sorted(
            data.draw(st.lists(st.integers(0, len(content)), min_size=2, max_size=2))
        )
        changed = content[:start] + data.draw(st.binary(max_size=40)) + content[stop:]
        if changed == content:
            return
        path.write_bytes(changed)
        assert_refused(path)
        described_or_refused(path)

    @pytest.mark.parametrize("name", NAMES)
    def test_files_that_are_cut_off_or_go_on(self, name, path):
        content = FILES[name].read_bytes()
        for end in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:end])
            assert_refused(path)
            described_or_refused(path)
        path.write_bytes(content + b"\0")
        assert_refused(path)

    @pytest.mark.parametrize(
        "content",
        [b"", b"PK\x03\x04" + bytes(99), b"\xff" * 99, bytes(99), b"{}", b"\x80\x04N."],
    )
    def test_files_of_others(self, content, path):
        path.write_bytes(content)
        assert_refused(path, "cannot be loaded.*was not written by save")
        with pytest.raises(ModelFileError):
            describe(path)

    def test_files_that_are_not_there(self, path):
        with pytest.raises(FileNotFoundError):
            load(path.with_name("absent"))


def raw_file(path, entries, n_bytes, text=None, padding=b""):
    """Write a header, with a checksum that is right, and some bytes."""
    about = {"crc32": "0" * 8, "format": 1, "summary": {"own_networks": []}}
    metadata = {"sklearn_cmmd": json.dumps(about) if text is None else text}
    metadata["sklearn_cmmd"] = metadata["sklearn_cmmd"].replace('": "', '":"')
    header = json.dumps({"__metadata__": metadata, **entries}).encode() + padding
    parts = [len(header).to_bytes(8, "little"), header, bytes(n_bytes)]
    if container.CHECKSUM.search(header):
        parts[1] = container._with_checksum(header, container._checksum(parts))
    path.write_bytes(b"".join(parts))


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


HEADERS = {
    "a length beyond the end": {"a": entry(offsets=(0, 32))},
    "a hole": {"a": entry(), "b": entry(offsets=(20, 36))},
    "two in one place": {"a": entry(), "b": entry()},
    "turned round": {"a": entry(offsets=(16, 0))},
    "below zero": {"a": entry(offsets=(-16, 0))},
    "a shape of another size": {"a": entry(shape=(2, 3))},
    "a negative shape": {"a": entry(shape=(-2, -2))},
    "a shape of fractions": {"a": entry(shape=(2.0, 2))},
    "a shape of truth values": {"a": entry(shape=(True, 4))},
    "a shape beyond all bounds": {"a": entry(shape=(2**62, 2**62, 0), offsets=(0, 0))},
    "many axes": {"a": entry(shape=(1,) * 5000 + (4,))},
    "huge numbers": {"a": entry(shape=(10**300, 4))},
    "no shape": {"a": {"dtype": "F32", "data_offsets": [0, 16]}},
    "no offsets": {"a": {"dtype": "F32", "shape": [2, 2]}},
    "no dict": {"a": [1, 2]},
    "an unknown dtype": {"a": entry("F8_E5M2", (16,))},
    "a dtype of another size": {"a": entry("F64")},
    "a dtype that is a list": {"a": entry([1, 2])},
    "bytes that nobody claims": {"a": entry(shape=(2,), offsets=(0, 8))},
}


class TestHeaders:
    @pytest.mark.parametrize("entries", HEADERS.values(), ids=HEADERS)
    def test_lies_about_arrays(self, entries, path):
        raw_file(path, entries, 16)
        assert_refused(path)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            '{"crc32":"00000000"}',
            '{"crc32":"00000000","format":1}',
            '{"crc32":"00000000","format":true,"summary":{}}',
            '{"crc32":"00000000","format":-1,"summary":{}}',
            '{"crc32":"00000000","format":"1","summary":{}}',
            '{"crc32":"00000000","format":1,"summary":{"own_networks":[3]}}',
            '{"crc32":"00000000","format":1,"summary":[]}',
        ],
    )
    def test_values_that_are_not_there_or_of_other_types(self, text, path):
        raw_file(path, {}, 0, text)
        assert_refused(path)
        described_or_refused(path)

    def test_text_cannot_steer_a_terminal(self, path):
        about = CONTENTS["classifier"].about
        summary = about["summary"] | {"parameters": "a\x1b[2Jb\nc"}
        container.write(path, about | {"summary": summary}, {})
        assert "parameters: a[2Jb\nc\n" in repr(describe(path))


class TestBombs:
    """Small files that claim much. They are read in memory that goes with their size."""

    @pytest.fixture(autouse=True)
    def bounded(self, path):
        tracemalloc.start()
        yield
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 60 * path.stat().st_size + 10_000_000

    @pytest.mark.parametrize("depth", [500, 10_000])
    @pytest.mark.parametrize("ends", ["[]", ('{"tuple":', "}"), ('{"dict":[[0,', "]]}")])
    def test_deep_nesting(self, ends, depth, path):
        before, after = ends
        middle = "[]" if before != "[" else ""
        nested = before * depth + middle + after * depth
        text = '{"crc32":"00000000","format":1,"summary":{"own_networks":[]},"estimator":'
        raw_file(path, {}, 0, f'{text}{{"parameters":{nested}}}}}')
        assert_refused(path)
        described_or_refused(path)

    @pytest.mark.parametrize("item", ["[]", "{}", "0", '""', "null", '{"tuple":[]}'])
    def test_long_lists(self, item, path):
        n = 200_000 // (len(item) + 1)
        text = '{"crc32":"00000000","format":1,"summary":{"own_networks":[]},"estimator":'
        raw_file(path, {}, 0, f'{text}{{"parameters":[{",".join([item] * n)}]}}}}')
        assert_refused(path)

    def test_headers_beyond_the_bound(self, path):
        raw_file(path, {}, 0, padding=b" " * 5_000_000)
        assert_refused(path, r"its header of .* bytes is too long")
        with pytest.raises(ModelFileError, match="too long"):
            describe(path)

    def test_many_arrays_of_no_size(self, path):
        raw_file(path, {str(i): entry(shape=(0,), offsets=(0, 0)) for i in range(5_000)}, 0)
        assert_refused(path)

    @pytest.mark.parametrize("digits", [4000, 100_000])
    def test_numbers_of_many_digits(self, digits, path):
        about = copy.deepcopy(CONTENTS["classifier"].about)
        text = json.dumps({"crc32": "0" * 8, **about}).replace('"2"', "2")
        text = text.replace('"latent_dim": 2', '"latent_dim": ' + "9" * digits)
        raw_file(path, {}, 0, text)
        assert_refused(path)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("latent_dim", 10**9),
            ("latent_dim", 10**18),
            ("prior_hidden", {"tuple": [10**7, 10**7]}),
            ("encoder_hidden", {"tuple": [1] * 5_000}),
            ("decoder_hidden", {"tuple": [1] * 5_000}),
            ("classifier_hidden", {"tuple": [1] * 5_000}),
            ("n_labels", 10**12),
            ("optional", {"tuple": [0] * 5_000}),
        ],
    )
    def test_networks_that_the_file_has_no_weights_for(self, name, value, path):
        contents = copy.deepcopy(CONTENTS["regressor"])
        contents.about["estimator"]["state"]["plan"]["Plan"]["architecture"]["Architecture"][
            name
        ] = value
        container.write(path, contents.about, contents.arrays)
        assert_refused(path)

    def test_ranges_are_no_lists(self, path):
        contents = copy.deepcopy(CONTENTS["classifier"])
        params = contents.about["estimator"]["parameters"]["CMMDClassifier"]
        for form in ("tuple", "list", "dict"):
            params["hidden_layer_sizes"] = {form: {"range": [0, 10**12, 1]}}
            container.write(path, contents.about, contents.arrays)
            assert_refused(path, "no items")


def changed_arrays(name, change):
    arrays = {key: array.copy() for key, array in CONTENTS[name].arrays.items()}
    change(arrays)
    return arrays


def drop(key):
    return lambda arrays: arrays.pop(key)


def replace(key, make):
    return lambda arrays: arrays.update({key: make(arrays[key])})


def put(key, place, value):
    def change(arrays):
        arrays[key].reshape(-1)[place] = value

    return change


WEIGHT = "weights/prior.head.layer.weight"
LOC = "plan/layout/observed/loc"
SCALE = "plan/layout/observed/scale"
TREES = "views/0/errors/sizes/trees/regression"
ARRAY_CHANGES = {
    "a weight that is missing": ("classifier", drop(WEIGHT)),
    "a statistic that is missing": ("classifier", drop(LOC)),
    "one more weight": ("classifier", lambda arrays: arrays.update({"weights/more": np.zeros(3)})),
    "one more array": ("classifier", lambda arrays: arrays.update({"more": np.zeros(3)})),
    "a weight in float64": ("classifier", replace(WEIGHT, lambda a: a.astype(np.float64))),
    "a weight of ints": ("classifier", replace(WEIGHT, lambda a: a.astype(np.int32))),
    "a weight on its side": ("classifier", replace(WEIGHT, lambda a: a.T.copy())),
    "a weight that is flat": ("classifier", replace(WEIGHT, np.ravel)),
    "NaN in weights": ("classifier", put(WEIGHT, 0, np.nan)),
    "infinity in weights": ("classifier", put(WEIGHT, -1, -np.inf)),
    "NaN in statistics": ("classifier", put(LOC, 0, np.nan)),
    "a scale of zero": ("classifier", put(SCALE, 0, 0)),
    "a negative scale": ("classifier", put(SCALE, 0, -1)),
    "a longer scale": ("classifier", replace(SCALE, lambda a: np.append(a, 1.0))),
    "a scale in float32": ("classifier", replace(SCALE, lambda a: a.astype(np.float32))),
    "characters that are none": (
        "classifier",
        put("plan/layout/targets/classes", 0, 0x110000),
    ),
    "columns beyond the last": (
        "classifier",
        put("plan/layout/observed/modalities/0/columns", 0, 99),
    ),
    "a column twice": ("classifier", put("plan/layout/observed/modalities/0/columns", 0, 1)),
    "trees that go in a circle": ("ensemble", put("regressions/0/0/1/left", 0, 0)),
    "trees that go back": ("ensemble", put("regressions/0/0/1/right", 1, 0)),
    "trees that leave": ("ensemble", put("regressions/0/0/1/right", 0, 10**6)),
    "trees that go to another": ("ensemble", put("regressions/0/0/1/right", 0, -1)),
    "features that are not there": ("ensemble", put("regressions/0/0/1/feature", 0, 5)),
    "roots beyond the end": ("ensemble", put("regressions/0/0/1/roots", 1, 10**6)),
    "equal roots": ("ensemble", put("regressions/0/0/1/roots", 1, 0)),
    "too few leaves": ("ensemble", replace("regressions/0/0/1/values", lambda a: a[1:])),
    "a regression of fewer columns": (
        "ensemble",
        replace("regressions/0/0/0/coef", lambda a: a[1:]),
    ),
    "weights of other generators": ("ensemble", replace("views/0/weights", lambda a: a[1:])),
    "errors of fewer columns": (
        "ensemble",
        replace("views/0/errors/errors", lambda a: a[:, 1:].copy()),
    ),
    "errors of fewer rows": ("ensemble", replace("views/0/errors/weight", lambda a: a[1:])),
    "rows that were not in the fit": ("ensemble", put("views/0/rows", 0, 2**60)),
}


class TestArrays:
    @pytest.mark.parametrize(("name", "change"), ARRAY_CHANGES.values(), ids=ARRAY_CHANGES)
    def test_arrays_that_do_not_go_together(self, name, change, path):
        container.write(path, CONTENTS[name].about, changed_arrays(name, change))
        assert_refused(path)


def places_in(value, at=()):
    """Yield the way to every value in JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, (dict, list)):
            yield from places_in(inner, (*at, key))


PLACES = {
    name: [("estimator", *place) for place in places_in(contents.about["estimator"])]
    for name, contents in CONTENTS.items()
}
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2, 3, 10**6, 2**63, 2**70, 0.5, -0.5, 1e300]),
    st.sampled_from(["", "auto", "all", "mlp", "gaussian", "counts", "both", "conv2d"]),
    st.sampled_from([[], {}, {"tuple": []}, {"dict": []}, {"array": ["<f8", "C"]}]),
    st.sampled_from([{"float": "nan"}, {"scalar": ["<i8", 3]}, {"range": [0, 10**12, 1]}]),
    st.sampled_from([{"slice": [0, 1, 1]}, {"own": ["X", None]}, {"Modality": {"name": "X"}}]),
)


def answers_or_refuses(path, name):
    """What is loaded in spite of a change answers as any estimator does."""
    try:
        estimator = load(path)
    except ModelFileError:
        return
    with contextlib.suppress(ValueError, TypeError):
        answers(estimator, new_rows(name))


@settings(max_examples=60)
@given(data=st.data())
def test_any_value_in_the_place_of_another(path, data):
    name = data.draw(st.sampled_from(NAMES))
    about = copy.deepcopy(CONTENTS[name].about)
    *way, last = data.draw(st.sampled_from(PLACES[name]))
    inner = about
    for key in way:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[last] = data.draw(ANYTHING)
    else:
        del inner[last]
    container.write(path, about, CONTENTS[name].arrays)
    answers_or_refuses(path, name)


@settings(max_examples=60)
@given(data=st.data())
def test_any_array_in_the_place_of_another(path, data):
    name = data.draw(st.sampled_from(NAMES))
    arrays = dict(CONTENTS[name].arrays)
    key, other = (data.draw(st.sampled_from(sorted(arrays))) for _ in range(2))
    array = arrays[key]
    change = data.draw(st.sampled_from(["drop", "swap", "bits", "dtype", "shape"]))
    if change == "drop":
        del arrays[key]
    elif change == "swap":
        arrays[key] = arrays[other]
    elif change == "bits":
        changed = array.copy()
        raw = changed.reshape(-1).view(np.uint8)
        raw[data.draw(st.integers(0, len(raw) - 1)) :] = data.draw(st.integers(0, 255))
        arrays[key] = changed
    elif change == "dtype":
        arrays[key] = array.astype(data.draw(st.sampled_from(sorted(container.CODES, key=str))))
    else:
        arrays[key] = np.resize(array, data.draw(st.sampled_from([(), (0,), (1,), (7, 3)])))
    container.write(path, CONTENTS[name].about, arrays)
    answers_or_refuses(path, name)
