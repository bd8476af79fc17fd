"""What a fitted estimator shows of itself in a notebook, below scikit-learn's diagram."""

import html
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.networks.architecture import Architecture
from sklearn_cmmd.plan import Plan

# Parameters that may be "auto"; with an underscore, the attribute of what they came to.
AUTOMATIC = (
    "batch_size",
    "max_epochs",
    "dropout",
    "early_stopping",
    "label_smoothing",
    "label_in_encoder",
)
ENDED = ("epochs", "weights of epoch", "held-out loss")
# Colours and fonts are those of the notebook, light or dark.
STYLE = (
    ".cmmd-report{margin:.5em 0}"
    ".cmmd-report table{display:inline-table;margin:.3em 1.5em .6em 0;vertical-align:top}"
    ".cmmd-report caption{caption-side:top;text-align:left;font-weight:bold;color:inherit}"
    ".cmmd-report th,.cmmd-report td{text-align:left;padding:.15em .6em;color:inherit}"
)


class Facts(NamedTuple):
    """A table of what a fit came to."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def as_html(self) -> str:
        """Return a table in HTML, in which no text of a user's is markup."""
        rows = [_row(self.header, "th")] if self.header else []
        rows += [_row(row, "td") for row in self.rows]
        return f"<table><caption>{html.escape(self.title)}</caption>{''.join(rows)}</table>"


class Reported(BaseEstimator):
    """An estimator whose diagram, once it is fitted, is followed by what the fit came to."""

    def _facts(self) -> list[Facts]:
        """Return what there is to say; nothing before a fit."""
        raise NotImplementedError

    def _report(self) -> str:
        facts = self._facts()
        if not facts:
            return ""
        tables = "".join([table.as_html() for table in facts])
        return (
            f"<style>{STYLE}</style><details class='cmmd-report' open><summary>What was fitted"
            f"</summary>{tables}</details>"
        )

    def _repr_html_inner(self) -> str:
        return str(super()._repr_html_inner()) + self._report()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += self._report()
        return bundle


def facts_of_fit(estimator: Any) -> list[Facts]:
    """Return modalities, networks and training of one fitted estimator."""
    plan = estimator._plan
    ended = list(zip(ENDED, _ended(estimator), strict=True))
    training = Facts("Training", (), [*ended, *_settings(estimator)])
    return [_modalities(plan), _networks(estimator.module_, plan), training]


def facts_of_ensemble(ensemble: Any) -> list[Facts]:
    """Return what the members are, how the training of each ended, and what they add up to."""
    members, temperature = ensemble.estimators_, getattr(ensemble, "temperature_", None)
    first, plan = members[0], members[0]._plan
    ended = [(number, *_ended(member)) for number, member in enumerate(members)]
    facts = [
        _modalities(plan),
        _networks(first.module_, plan)._replace(title="Networks of each member"),
        Facts("Members", ("", *ENDED), ended),
        Facts("Training of the first member", (), _settings(first)),
    ]
    if ensemble.weights_:
        facts.append(_generators(ensemble.weights_))
    if temperature is not None:
        factors = [(f"{factor:.3g}",) for factor in np.atleast_1d(temperature)]
        facts.append(Facts("Temperature", (), factors))
    return facts


def _generators(weights: dict[str, dict[str, float]]) -> Facts:
    names = next(iter(weights.values()))
    rows = [
        (modality, *[f"{share:.2f}" for share in shares.values()])
        for modality, shares in weights.items()
    ]
    return Facts("Weights of the generators", ("", *names), rows)


def _modalities(plan: Plan) -> Facts:
    layout = plan.layout
    optional = {layout.observed.modalities[number].name for number in layout.observed.optional}
    generated = [modality for side in layout.generated for modality in side.modalities]
    likelihoods = {modality.name: modality.likelihood for modality in generated}
    sides = [("observed", layout.observed.modalities)]
    if layout.missing is not None:
        sides.append(("missing", layout.missing.modalities))
    rows = [
        (
            modality.name,
            "optional" if modality.name in optional else side,
            _sizes(modality.shape or (len(modality.columns),)),
            likelihoods.get(modality.name, ""),
            _network(modality),
        )
        for side, modalities in sides
        for modality in modalities
    ]
    return Facts("Modalities", ("", "side", "shape of a row", "likelihood", "network"), rows)


def _network(modality: Modality) -> str:
    """Return the name of a modality's network, or of the one it has in each role."""
    names = {
        role: network if isinstance(network, str) else getattr(network, "__name__", repr(network))
        for role, network in modality.networks.items()
    }
    if len(set(names.values())) == 1:
        return names["prior"]
    return ", ".join([f"{role} {name}" for role, name in names.items()])


def _networks(module: Any, plan: Plan) -> Facts:
    """Return how many numbers go into each network, through its layers, and come out of it."""
    arch = plan.architecture
    from_x = 0 if arch.decoder_input == "latent" else arch.n_observed
    n_encoded = arch.n_observed + arch.n_missing + len(arch.missing) + arch.n_label_columns
    shown = {
        "prior": ("p(z | x_O)", (arch.n_observed, *arch.prior_hidden, arch.latent_dim)),
        "encoder": (
            f"q(z | {', '.join(_encoded(arch))})",
            (n_encoded, *arch.encoder_hidden, arch.latent_dim),
        ),
        "decoder": (
            "p(x_M | x_O, z)" if from_x else "p(x_M | z)",
            (from_x + arch.latent_dim, *arch.decoder_hidden, arch.n_missing),
        ),
        "classifier": ("p(y | z)", (arch.latent_dim, *arch.classifier_hidden, arch.n_labels)),
    }
    rows: list[tuple[Any, ...]] = [
        (name, density, _sizes(widths, " → "), _weights(getattr(module, name)))
        for name, (density, widths) in shown.items()
        if getattr(module, name) is not None
    ]
    rows.append(("all", "", "", _weights(module)))
    return Facts("Networks", ("", "", "widths", "weights"), rows)


def _encoded(arch: Architecture) -> list[str]:
    sees = {"x_O": True, "x_M": arch.n_missing, "y": arch.n_label_columns}
    return [name for name, is_there in sees.items() if is_there]


def _settings(estimator: Any) -> list[tuple[Any, ...]]:
    """Return where the networks are, and what each "auto" came to."""
    group = estimator.group("objective")
    rows: list[tuple[Any, ...]] = [("device", estimator.device_)]
    for name in AUTOMATIC:
        asked = getattr(estimator if hasattr(estimator, name) else group, name)
        if asked == "auto":
            rows.append((f'{name}="auto"', getattr(estimator, f"{name}_")))
    return rows


def _ended(estimator: Any) -> tuple[int, int, str]:
    """Return how a training ended, in the order of `ENDED`."""
    score = estimator.best_validation_score_
    loss = "none" if score is None else f"{-score:.4g}"
    return estimator.n_iter_, estimator.best_epoch_, loss


def _weights(network: Any) -> str:
    return f"{sum([part.numel() for part in network.parameters()]):,}"


def _sizes(sizes: Sequence[int], between: str = " × ") -> str:
    return between.join(map(str, sizes))


def _row(cells: Sequence[Any], tag: str) -> str:
    return f"<tr>{''.join([f'<{tag}>{html.escape(str(cell))}</{tag}>' for cell in cells])}</tr>"
