"""What checks of a model found, as a table of text, of HTML or of pandas."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from textwrap import fill
from typing import Any

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"
WIDTH = 96
COLUMNS = ("name", "status", "figure")


@dataclass(frozen=True)
class Check:
    """One check of a model: what it found, what that means, and what to do.

    Parameters
    ----------
    name : str
        Name of the check.
    status : {"passed", "failed", "not applicable"}
        What it came to.
    value : float
        The figure that was compared; NaN if the check was not applicable.
    figure : str
        The figure in words, or why the check was not applicable.
    meaning : str
        What it means if the check fails.
    remedy : str
        What to do then.

    Examples
    --------
    >>> from sklearn_cmmd.inspection import Check
    >>> check = Check("draws", "failed", 0.7, "70 % of 90 %", "They are narrow.", "Widen them.")
    >>> check.status
    'failed'
    """

    name: str
    status: str
    value: float
    figure: str
    meaning: str
    remedy: str


@dataclass(frozen=True, repr=False)
class ModelReport:
    """What `check_model` found: a list of checks that prints as a table.

    Notebooks show it as HTML. It is iterated over as a list is, and a check is found by its name.

    Parameters
    ----------
    model : str
        What was checked.
    checks : tuple of Check
        The checks, in their order.

    Examples
    --------
    >>> from sklearn_cmmd.inspection import Check, ModelReport
    >>> check = Check("draws", "failed", 0.7, "70 % of 90 %", "They are narrow.", "Widen them.")
    >>> report = ModelReport("CMMDClassifier", (check,))
    >>> print(report)
    CMMDClassifier: 1 of 1 checks failed
    <BLANKLINE>
    draws  failed  70 % of 90 %
    <BLANKLINE>
    draws: They are narrow. Widen them.
    >>> report["draws"].value, [check.name for check in report.failed]
    (0.7, ['draws'])
    """

    model: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if check.status == FAILED]

    def to_frame(self) -> Any:
        """Return the checks as a table of pandas, a row for each.

        Returns
        -------
        DataFrame
            With the columns name, status, value, figure, meaning and remedy.
        """
        import pandas as pd

        return pd.DataFrame([asdict(check) for check in self.checks])

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"{name!r} is none of {[check.name for check in self.checks]}.")

    def __repr__(self) -> str:
        rows = [[getattr(check, column) for column in COLUMNS] for check in self.checks]
        name, status = (max([len(row[i]) for row in rows], default=0) for i in (0, 1))
        indent = " " * (name + status + 4)
        lines = [
            fill(f"{row[0]:{name}}  {row[1]:{status}}  {row[2]}", WIDTH, subsequent_indent=indent)
            for row in rows
        ]
        told = [
            fill(f"{check.name}: {check.meaning} {check.remedy}", WIDTH, subsequent_indent="  ")
            for check in self.failed
        ]
        return "\n\n".join([self._title, "\n".join(lines), *told])

    def _repr_html_(self) -> str:
        head = "".join([f"<th>{name}</th>" for name in ("check", "result", "figure", "what to do")])
        body = "".join([_html_row(check) for check in self.checks])
        return f"<p>{escape(self._title)}</p><table><tr>{head}</tr>{body}</table>"

    @property
    def _title(self) -> str:
        applied = sum([check.status != NOT_APPLICABLE for check in self.checks])
        return f"{self.model}: {len(self.failed)} of {applied} checks failed"


def _html_row(check: Check) -> str:
    told = f"{check.meaning} {check.remedy}" if check.status == FAILED else ""
    status = f"<b>{check.status}</b>" if check.status == FAILED else check.status
    cells = [escape(check.name), status, escape(check.figure), escape(told)]
    return f"<tr>{''.join([f'<td>{cell}</td>' for cell in cells])}</tr>"
