"""Files that are written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new path beside this one, to be written; what is there then takes its place.

    Whoever reads the path finds the old file or the new one, whatever happens, and of several
    writers the one that is done last wins. After an error nothing has changed.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        yield new
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
