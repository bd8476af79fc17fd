"""Reports of checks as text, HTML, table and mapping."""

import pandas as pd
import pytest

from sklearn_cmmd.inspection import Check, ModelReport

LONG = "figure " * 30
REPORT = ModelReport(
    "CMMDClassifier",
    (
        Check("draws", "passed", 0.9, "90 % <b>", "They are narrow.", "Widen them."),
        Check("twin", "failed", -1.0, LONG, "The twin & x_M: a < b. " * 9, "Take it. " * 9),
        Check("ridge", "not applicable", float("nan"), "Pass train=...", "Worse.", "Take ridge."),
    ),
)


def test_text_fits_into_a_terminal_and_tells_what_to_do_about_failures_alone():
    text = str(REPORT)
    assert text == repr(REPORT)
    assert text.startswith("CMMDClassifier: 1 of 2 checks failed\n")
    assert max(map(len, text.splitlines())) <= 100
    assert "Take it." in text
    assert "Widen them." not in text
    assert "Take ridge." not in text
    for check in REPORT:
        assert check.name in text
        assert check.status in text


def test_html_is_escaped():
    html = REPORT._repr_html_()
    assert "90 % &lt;b&gt;" in html
    assert "The twin &amp; x_M: a &lt; b." in html
    assert html.count("<tr>") == html.count("</tr>") == 4


def test_a_table_has_a_row_for_each_check():
    frame = REPORT.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["status"]) == ["passed", "failed", "not applicable"]
    assert list(frame.columns) == ["name", "status", "value", "figure", "meaning", "remedy"]


def test_checks_are_found_by_name_and_in_order():
    assert REPORT["twin"].value == -1
    assert [check.name for check in REPORT.failed] == ["twin"]
    assert len(REPORT) == len(list(REPORT)) == 3
    with pytest.raises(KeyError, match=r"'x' is none of \['draws', 'twin', 'ridge'\]"):
        REPORT["x"]
