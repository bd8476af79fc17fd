"""Classes that say which parameter was probably meant."""

import difflib
import inspect
from typing import Any, Self

# Other names, in other packages, of what is meant.
KNOWN_AS = {
    "seed": "random_state",
    "lr": "learning_rate",
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "max_iter": "max_epochs",
    "n_components": "latent_dim",
    "patience": "n_iter_no_change",
    "cuda": "device",
}


class Spelled:
    """Refuses parameters that it does not have, and names the nearest."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Check the names of the parameters."""
        if not (args or kwargs):
            return super().__new__(cls)
        parameters = _parameters(cls)
        by_position = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(args) > len(by_position):
            raise TypeError(
                f"{cls.__name__} takes parameters by name, such as {next(iter(parameters))}=... "
                f"Got {args[-1]!r} without a name."
            )
        for name in kwargs:
            if name not in parameters:
                raise TypeError(f"{cls.__name__} has no parameter {name!r}.{cls._meant(name)}")
        return super().__new__(cls)

    @classmethod
    def _meant(cls, name: str) -> str:
        """Return a sentence about what was probably meant."""
        names = list(_parameters(cls))
        near = difflib.get_close_matches(name, names, n=1)
        if KNOWN_AS.get(name) in names:
            near = [KNOWN_AS[name]]
        return f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(names)}."


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    _, *parameters = inspect.signature(cls.__init__).parameters.items()  # type: ignore[misc]
    return dict(parameters)
