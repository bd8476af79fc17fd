"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

torch is the exception: its lower bound has no build for the CPU alone on the package index, so
that the version of constraints.txt stands in for it.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def lowest(requirement: str) -> str:
    """Turn ``name>=version`` into ``name==version``."""
    match = re.fullmatch(r"([\w-]+)>=([\w.]+)", requirement)
    if match is None:
        raise ValueError(f"expected a bare lower bound such as 'numpy>=2.0', got {requirement!r}")
    return f"{match[1]}=={match[2]}"


def main() -> None:
    """Print one constraint for each dependency and test dependency."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = project["dependencies"] + project["optional-dependencies"]["test"]
    for requirement in requirements:
        if not requirement.startswith("torch>="):
            print(lowest(requirement))
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    print(next(pin for pin in pins if pin.startswith("torch==")))


if __name__ == "__main__":
    main()
