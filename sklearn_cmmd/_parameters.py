"""The parameters that both estimators share: what each may be, does, and comes to in a fit."""

from collections.abc import Sequence
from math import ceil
from numbers import Integral, Real
from typing import Any, TypeVar

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_cmmd._fit_data import Layout, blocks
from sklearn_cmmd.networks.architecture import Architecture
from sklearn_cmmd.networks.mlp import ACTIVATIONS
from sklearn_cmmd.objective.divergences import ESTIMATORS, KERNELS
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.training.batches import epoch_rows
from sklearn_cmmd.training.job import TrainingSettings
from sklearn_cmmd.training.precision import PRECISIONS

__all__ = [
    "CONSTRAINTS",
    "architecture_of",
    "are_few_labels",
    "authors_preset",
    "check_consistent",
    "documented",
    "objective_of",
    "training_settings",
]

AUTO_BATCH_SIZE = 100
AUTO_EPOCHS, LEAST_UPDATES, MOST_UPDATES = 200, 500, 2000
AUTO_STOPPING_ROWS = 500
# Labels are few if some rows have none, and fewer than so many have one.
FEW_LABELS = 300
AUTO_DROPOUT, AUTO_DROPOUT_FEW_LABELS = 0.3, 0.5
AUTO_LABEL_SMOOTHING = 0.1
# Imaginary rows, off by one in every column, that keep learned scales from becoming too small.
SCALE_PRIOR_ROWS = 300

POSITIVE_INT = [Interval(Integral, 1, None, closed="left")]
NON_NEGATIVE = [Interval(Real, 0, None, closed="left")]
POSITIVE = [Interval(Real, 0, None, closed="neither")]
UNIT_INTERVAL = [Interval(Real, 0, 1, closed="both")]

CONSTRAINTS: dict[str, list[Any]] = {
    "observed": [list, tuple, None],
    "missing": [list, tuple, None],
    "omega": UNIT_INTERVAL,
    "lam": NON_NEGATIVE,
    "alpha": NON_NEGATIVE,
    "latent_dim": POSITIVE_INT,
    "prior_hidden": ["array-like"],
    "encoder_hidden": ["array-like"],
    "decoder_hidden": ["array-like"],
    "classifier_hidden": ["array-like"],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
    "kernel": [StrOptions(set(KERNELS))],
    "bandwidth": [StrOptions({"dimension", "authors"}), *POSITIVE, "array-like"],
    "mmd_estimator": [StrOptions(set(ESTIMATORS))],
    "classifier_input": [StrOptions({"mean", "draw"})],
    "decode_prior": UNIT_INTERVAL,
    "label_in_encoder": [StrOptions({"auto"}), "boolean"],
    "distillation": NON_NEGATIVE,
    "label_smoothing": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
    "decoder_input": [StrOptions({"both", "latent"})],
    "fusion": [StrOptions({"joint", "product"})],
    "learning_rate": POSITIVE,
    "weight_decay": NON_NEGATIVE,
    "batch_size": [StrOptions({"auto"}), *POSITIVE_INT],
    "max_epochs": [StrOptions({"auto"}), *POSITIVE_INT],
    "early_stopping": [StrOptions({"auto"}), "boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": POSITIVE_INT,
    "tol": NON_NEGATIVE,
    "callbacks": [list, tuple, None],
    "device": [str],
    "precision": [StrOptions(set(PRECISIONS))],
    "compile": ["boolean"],
    "random_state": ["random_state"],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
}

DOCUMENTATION = """\
observed, missing : list of Modality, default=None
    The modalities of `X` and of `X_missing`: columns, likelihood, network. None stands for one
    modality, or for one for each entry of a mapping, with everything inferred.
omega : float, default=0.5
    Weight ω of the KL divergence between encoder and prior, in [0, 1]. 1 is the evidence lower
    bound; the lower ω, the more the latent variables must tell about `X_missing`. The one
    parameter to search, over 0, 0.1, …, 1.
lam : float, default=100.0
    Weight λ of the MMD, which enters the loss as (1 − ω) λ. Without effect at ω = 1.
alpha : float, default=100.0
    Weight α of the classification loss, in nats per row. Raise it if the accuracy falls behind
    a plain classifier's, lower it to favour the generation of `X_missing`.
latent_dim : int, default=20
    Number of latent variables.
prior_hidden : tuple of int, default=(128, 128)
    Widths of the hidden layers of the prior p(z|x_O). An empty tuple makes it linear.
encoder_hidden : tuple of int, default=(128, 128)
    Widths of the hidden layers of the encoder q(z|x_O, x_M, y).
decoder_hidden : tuple of int, default=(128, 128)
    Widths of the hidden layers of the decoder p(x_M|x_O, z).
classifier_hidden : tuple of int, default=(50,)
    Widths of the hidden layers of the classifier p(y|z).
activation : {"relu", "softplus", "tanh", "silu", "gelu"}, default="silu"
    Activation of the hidden layers.
dropout : float or "auto", default="auto"
    Probability with which a hidden unit of a fully connected layer is silenced in training, in
    [0, 1). "auto" is 0.3, or 0.5 if some rows have no label and fewer than 300 have one.
kernel : {"gaussian", "imq"}, default="gaussian"
    Kernel of the MMD.
bandwidth : {"dimension", "authors"}, float or sequence of float, default="dimension"
    Width h of the kernel, in units of z; several widths are averaged over. "dimension" is
    h² = latent_dim, "authors" h² = latent_dim² / 2 as in the released code of [1]_, which is
    nearly flat in high dimension.
mmd_estimator : {"u", "v", "closed"}, default="u"
    Estimate of the MMD from a minibatch: "u" is unbiased, "v" is biased by the pairs of a row
    with itself, "closed" replaces draws by their expectation, at a cost of
    batch_size² · latent_dim (Gaussian kernel only).
classifier_input : {"mean", "draw"}, default="mean"
    Whether the classifier is trained on the mean of the prior or on a draw of it. It predicts
    from the mean.
decode_prior : float, default=0.5
    Share, in [0, 1], of the reconstruction loss that is computed with z drawn from the prior
    instead of the encoder. 0 is the objective of [1]_; more improves what `generate_missing`
    returns.
label_in_encoder : bool or "auto", default="auto"
    Whether the encoder sees the label, as in [1]_. If it does not, it is applied to unlabelled rows
    as well and may teach. "auto" shows it the label if every row has one. Without `X_missing` it
    always sees the label, and where a row has none, zeros.
distillation : float, default=1.0
    Weight, relative to α, with which an encoder that does not see the label teaches: the classifier
    is trained under it too, and under the prior it learns on every pair, labelled or not, what it
    says there. 0 switches that off. Without effect if the encoder sees the label.
label_smoothing : float or "auto", default="auto"
    Share, in [0, 1), of each label that the classifier is told to spread evenly over all classes,
    or over yes and no where there are several labels. It learns to be less sure. 0 is the
    objective of [1]_; "auto" is 0.1, or 0 if some rows have no label and fewer than 300 have one.
    The encoder sees the labels as they are.
decoder_input : {"both", "latent"}, default="both"
    Whether the decoder sees x_O and z or z alone. "latent" puts all that is known of x_M into z.
fusion : {"joint", "product"}, default="joint"
    How the prior joins several observed modalities: by a network on their joint features, or as
    a product of Gaussian experts, one for each modality, and N(0, I).
learning_rate : float, default=0.002
    Step size of Adam.
weight_decay : float, default=0.01
    Decoupled weight decay of Adam (AdamW): each update shrinks the weights by the factor
    1 − learning_rate · weight_decay.
batch_size : int or "auto", default="auto"
    Number of rows of a minibatch, no more than there are rows to fit. "auto" is the smaller of
    100 and the number of rows.
max_epochs : int or "auto", default="auto"
    Number of passes over the rows, at most. "auto" is 200, but no fewer than make 500 updates of
    the weights, and no more than make 2,000.
early_stopping : bool or "auto", default="auto"
    Whether to hold out labelled rows, to stop when their loss no longer falls, and to restore the
    weights of the best epoch. A classifier watches their classification loss, a transformer the
    whole. "auto" does so from 500 labelled rows on (without any labels, from
    500 rows), and never in `partial_fit`.
validation_fraction : float, default=0.1
    Share of the labelled rows held out for early stopping, in (0, 1).
n_iter_no_change : int, default=20
    Number of epochs without improvement after which early stopping ends the training.
tol : float, default=0.0001
    Least improvement of the held-out loss that counts, in nats per row.
callbacks : list of skorch callbacks, default=None
    Called during training, as in skorch.
device : str, default="auto"
    "auto" (a CUDA device if there is one), "cpu", "cuda" or "cuda:1".
precision : {"auto", "float32", "bfloat16"}, default="auto"
    In what the networks compute in training. "auto" is float32, whose products a GPU takes with
    the 10 bits of TF32; "float32" keeps all 23; "bfloat16" is for GPUs, and for CPUs that have
    instructions for it, and halves the time of large networks. Losses and divergences are in
    float32, predictions in the precision of `X`.
compile : bool, default=False
    Whether `torch.compile` makes one program of the losses and gradients of a training step. A step
    is then faster, but the first takes half a minute, so that it pays from tens of thousands of
    updates on, far beyond the default budget. Numbers change by rounding. Where it fails, as it
    does without a C++ compiler, and with networks of your own, a warning says so and training goes
    on without. Models that a search or an ensemble trains together are never compiled.
random_state : int, RandomState instance or None, default=None
    Seed of everything random: held-out rows, initial weights, order of the rows, noise. An int
    makes fits repeatable to the last bit on one machine's CPU. No global generator is touched.
warm_start : bool, default=False
    Whether `fit` goes on from the present weights instead of starting anew.
verbose : int, default=0
    1 shows a progress bar over the epochs, or prints a line for each where there is no terminal.
"""

T = TypeVar("T", bound=type)


def documented(estimator: T) -> T:
    """Put the shared parameters in the place of ``{parameters}`` in a class docstring."""
    body = DOCUMENTATION.rstrip().replace("\n", "\n    ")
    estimator.__doc__ = (estimator.__doc__ or "").replace("{parameters}", body)
    return estimator


def authors_preset(batch_size: int = 100) -> dict[str, Any]:
    """Return the parameters that make the objective that of the authors' released code.

    It sums the classification loss over the minibatch where the paper prints a mean, so that the
    effective α is 10 times the batch size; its MMD is the biased statistic with a kernel that is
    nearly flat in high dimension; its classifier sees the mean of the prior; and it decodes no
    draws of the prior. Two mistakes are not offered: the ½ that its KL divergence lacks, and an
    epsilon in Adam of 1e-4 in effect. Layer widths, ω and latent_dim belong to each experiment
    of the paper, and are not set here. Nor are the modalities, of which the paper's have a variance
    for each row: ``Modality("x_M", scale="row")``.

    Parameters
    ----------
    batch_size : int, default=100
        Number of rows of a minibatch.

    Returns
    -------
    dict
        Parameters of `CMMDClassifier` and `CMMDTransformer`.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier, authors_preset
    >>> clf = CMMDClassifier(omega=0.4, **authors_preset(batch_size=100))
    >>> clf.alpha, clf.bandwidth
    (1000, 'authors')
    """
    return {
        "lam": 1000,
        "alpha": 10 * batch_size,
        "activation": "softplus",
        "dropout": 0.2,
        "kernel": "gaussian",
        "bandwidth": "authors",
        "mmd_estimator": "v",
        "classifier_input": "mean",
        "decode_prior": 0.0,
        "label_in_encoder": True,
        "distillation": 0.0,
        "label_smoothing": 0.0,
        "learning_rate": 1e-4,
        "weight_decay": 0.0,
        "batch_size": batch_size,
        "max_epochs": 1001,
        "early_stopping": False,
    }


def hidden_widths(estimator: Any, name: str) -> tuple[int, ...]:
    """Return the widths of a network's hidden layers.

    Raises
    ------
    ValueError
        If one of them is not a positive int.
    """
    value: Sequence[Any] = getattr(estimator, name)
    if any(not isinstance(width, Integral) or width < 1 for width in value):
        raise ValueError(
            f"{name} must be a sequence of positive ints, the widths of the hidden layers. "
            f"Got {value!r} instead."
        )
    return tuple(int(width) for width in value)


def check_consistent(estimator: Any) -> None:
    """Raise a ValueError or TypeError for what `CONSTRAINTS` cannot say."""
    if estimator.mmd_estimator == "closed" and estimator.kernel != "gaussian":
        raise ValueError(
            "mmd_estimator='closed' is known for kernel='gaussian' only. "
            f"Got kernel={estimator.kernel!r}; take mmd_estimator='u' with it."
        )
    for callback in estimator.callbacks or ():
        instance = callback[1] if isinstance(callback, tuple) and len(callback) == 2 else callback
        if not hasattr(instance, "on_epoch_end"):
            raise TypeError(
                "callbacks must hold skorch callbacks, or pairs of a name and one. "
                f"Got {callback!r} instead."
            )
    bandwidth = estimator.bandwidth
    if not isinstance(bandwidth, (str, Real)) and (
        len(bandwidth) == 0 or any(not width > 0 for width in bandwidth)
    ):
        raise ValueError(f"bandwidth must hold positive widths. Got {bandwidth!r} instead.")


def are_few_labels(n_labelled: int, n_unlabelled: int) -> bool:
    """Whether some rows have no label, and few have one."""
    return n_unlabelled > 0 and n_labelled < FEW_LABELS


def objective_of(estimator: Any, few_labels: bool, n_pairs: int) -> Objective:
    """Put the parameters of the objective together; without pairs there is no prior on scales."""
    smoothing = estimator.label_smoothing
    if smoothing == "auto":
        smoothing = 0.0 if few_labels else AUTO_LABEL_SMOOTHING
    is_plain = isinstance(estimator.bandwidth, (str, Real))
    return Objective(
        omega=estimator.omega,
        lam=estimator.lam,
        alpha=estimator.alpha,
        kernel=estimator.kernel,
        bandwidth=estimator.bandwidth if is_plain else tuple(estimator.bandwidth),
        estimator=estimator.mmd_estimator,
        classifier_input=estimator.classifier_input,
        decode_prior=estimator.decode_prior,
        distillation=estimator.distillation,
        label_smoothing=smoothing,
        scale_prior=SCALE_PRIOR_ROWS / n_pairs if n_pairs else 0.0,
    )


def architecture_of(estimator: Any, layout: Layout, sees_label: bool) -> Architecture:
    """Return the shapes of the networks for data of this form.

    `sees_label` says what "auto" stands for in `label_in_encoder`.
    """
    labels = layout.labels
    if estimator.label_in_encoder != "auto":
        sees_label = estimator.label_in_encoder
    return Architecture(
        observed=blocks(layout.observed),
        missing=blocks(layout.missing),
        n_labels=0 if labels is None else len(labels.classes),
        label_likelihood="categorical" if labels is None else labels.likelihood,
        latent_dim=estimator.latent_dim,
        prior_hidden=hidden_widths(estimator, "prior_hidden"),
        encoder_hidden=hidden_widths(estimator, "encoder_hidden"),
        decoder_hidden=hidden_widths(estimator, "decoder_hidden"),
        classifier_hidden=hidden_widths(estimator, "classifier_hidden"),
        activation=estimator.activation,
        fusion=estimator.fusion,
        decoder_input=estimator.decoder_input,
        # Without x_M the label is all that the encoder can know beyond the prior.
        label_in_encoder=bool(sees_label) or layout.missing is None,
    )


def training_settings(
    estimator: Any, n_labelled: int, n_unlabelled: int, incremental: bool
) -> TrainingSettings:
    """Resolve everything that depends on the numbers of rows; without labels all are labelled."""
    n_rows = n_labelled + n_unlabelled
    batch_size = AUTO_BATCH_SIZE if estimator.batch_size == "auto" else estimator.batch_size
    if estimator.batch_size != "auto" and not incremental and batch_size > n_rows:
        raise ValueError(
            f"batch_size={batch_size} is larger than the data, which have {n_rows} rows. "
            "Set batch_size='auto' or a smaller number."
        )
    stops = estimator.early_stopping
    if stops == "auto":
        stops = n_labelled >= AUTO_STOPPING_ROWS
    fraction = estimator.validation_fraction if stops and not incremental else 0.0
    n_training = n_labelled - ceil(fraction * n_labelled)
    if n_training < 1 and not incremental:
        raise ValueError(
            f"validation_fraction={fraction} of {n_labelled} rows leaves none to train on. "
            "Lower it, or set early_stopping=False."
        )
    dropout = estimator.dropout
    if dropout == "auto":
        few_labels = are_few_labels(n_labelled, n_unlabelled)
        dropout = AUTO_DROPOUT_FEW_LABELS if few_labels else AUTO_DROPOUT
    max_epochs = estimator.max_epochs
    if max_epochs == "auto":
        n_batches = ceil(epoch_rows(n_training, n_unlabelled) / batch_size)
        least, most = (ceil(n / n_batches) for n in (LEAST_UPDATES, MOST_UPDATES))
        max_epochs = min(max(AUTO_EPOCHS, least), most)
    return TrainingSettings(
        max_epochs=1 if incremental else max_epochs,
        batch_size=batch_size,
        learning_rate=estimator.learning_rate,
        weight_decay=estimator.weight_decay,
        dropout=dropout,
        precision=estimator.precision,
        compile_losses=bool(estimator.compile),
        validation_fraction=fraction,
        watched=estimator._watched,
        patience=estimator.n_iter_no_change,
        tol=estimator.tol,
        verbose=int(estimator.verbose),
    )
