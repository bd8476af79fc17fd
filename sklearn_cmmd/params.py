"""What users set: the parameters that all estimators share, what each may be, and presets."""

import inspect
import os
from numbers import Real
from typing import Any, TypeVar

from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_cmmd.groups import (
    AUTO,
    BELOW_ONE,
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    UNIT_INTERVAL,
    Networks,
    Objective,
    check_widths,
)

CONSTRAINTS: dict[str, list[Any]] = {
    "observed": ["array-like", None],
    "missing": ["array-like", None],
    "optional": [StrOptions({"all"}), "array-like", dict, None],
    "omega": UNIT_INTERVAL,
    "lam": NON_NEGATIVE,
    "alpha": NON_NEGATIVE,
    "latent_dim": [AUTO, *POSITIVE_INT],
    "hidden_layer_sizes": ["array-like"],
    "dropout": [AUTO, *BELOW_ONE],
    "learning_rate": POSITIVE,
    "weight_decay": NON_NEGATIVE,
    "batch_size": [AUTO, *POSITIVE_INT],
    "max_epochs": [AUTO, *POSITIVE_INT],
    "early_stopping": [AUTO, "boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": POSITIVE_INT,
    "objective": [Objective, None],
    "networks": [Networks, None],
    "callbacks": [list, tuple, None],
    "device": [str],
    "checkpoint_dir": [str, os.PathLike, None],
    "random_state": ["random_state"],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
}

# The parameter of those that learn classes.
ClassWeight = dict[Any, float] | list[dict[Any, float]] | str | None
CLASS_CONSTRAINTS = CONSTRAINTS | {
    "class_weight": [dict, list, StrOptions({"balanced"}), None],
}

DOCUMENTATION = """\
observed, missing : list of Modality, default=None
    The modalities of `X` and of `X_missing`: columns, likelihood, network. None stands for one
    modality, or for one for each entry of a mapping, with everything inferred.
optional : "all", list of str, dict or None, default=None
    Names of the modalities of `X` that may be absent: later, and from single rows of the fit, which
    have NaN in all of their columns then. Every row has at least one modality. In training, each of
    those that a row has is hidden with probability one half, but never all of them; a dict gives
    each name another probability. None refuses rows with NaN.
omega : float, default=0.5
    Weight ω of the KL divergence between encoder and prior, in [0, 1]. 1 is the evidence lower
    bound; the lower ω, the more the latent variables may tell about `X_missing`. With the other
    defaults, neither the accuracy nor the error of the generated view depends much on it. If you
    search it, take 1, 0.5 and 0.1, and score by the generated view.
lam : float, default=100.0
    Weight λ of the MMD, which enters the loss as (1 − ω) λ. Without effect at ω = 1.
alpha : float, default=100.0
    Weight α of the loss of y, −log p(y|z) in nats per row. Raise it if predictions of y fall behind
    those of a plain model, lower it to favour the generation of `X_missing`.
latent_dim : int or "auto", default="auto"
    Number of latent variables. "auto" is 20, and 64 for many classes of few rows: more than 40
    classes, of fewer than 25 labelled rows on average.
hidden_layer_sizes : tuple of int, default=(128, 128)
    Widths of the hidden layers of prior, encoder and decoder. `Networks` sets them one by one.
dropout : float or "auto", default="auto"
    Probability with which a hidden unit of a fully connected layer is silenced in training, in
    [0, 1). "auto" is 0.3, and rises to 0.5 as labels become few (`Objective` says when they are).
learning_rate : float, default=0.002
    Step size of Adam.
weight_decay : float, default=0.01
    Decoupled weight decay of Adam (AdamW): each update shrinks the weights by the factor
    1 − learning_rate · weight_decay.
batch_size : int or "auto", default="auto"
    Largest number of rows of a minibatch. "auto" is 100. If there are fewer rows, all of them are
    one minibatch, and a number of yours that is larger gives a warning.
max_epochs : int or "auto", default="auto"
    Number of passes over the rows, at most. "auto" is 200, but no fewer than make 500 updates of
    the weights, and no more than make 2,000; with several optional modalities so many times as
    many, since an epoch shows a row in one subset of them.
early_stopping : bool or "auto", default="auto"
    Whether to hold out labelled rows, to stop when their loss no longer falls, and to restore the
    weights of the best epoch. A transformer watches the whole loss. A classifier or a regressor
    watches the loss of y, and for the decoder the reconstruction from the prior: training goes on
    as long as one of both falls, the second by .01 nats a value in half as many epochs, and the
    decoder is that of its own best epoch. "auto" stops early from 500 labelled rows on (without any
    labels, from 500 rows; of a regressor, from 50 rows with a target), and never in `partial_fit`.
validation_fraction : float, default=0.1
    Share of the labelled rows held out for early stopping, in (0, 1). Every class keeps a row to
    train on.
n_iter_no_change : int, default=20
    Number of epochs without improvement after which early stopping ends the training; with several
    optional modalities, so many times as many.
objective : Objective, default=None
    Choices for research that the objective leaves open: kernel of the MMD, decoding of prior
    draws, teaching, label smoothing. None stands for `Objective()`.
networks : Networks, default=None
    Choices for research that the networks leave open: widths one by one, activation, fusion,
    precision. None stands for `Networks()`.
callbacks : list of skorch callbacks, default=None
    Called during training, as in skorch.
device : str, default="auto"
    "auto" (a CUDA device if there is one), "cpu", "cuda" or "cuda:1". Under torchrun "auto" and
    "cuda" give each process of a machine its own.
checkpoint_dir : str or path, default=None
    Folder in which `fit` keeps a checkpoint. A fit that was killed and is started again with the
    same arguments goes on from there, and ends as if it had not been killed. One fit has one
    folder. None keeps none.
random_state : int, RandomState instance or None, default=None
    Seed of everything random: held-out rows, initial weights, order of the rows, noise. An int
    makes fits repeatable to the last bit on one machine's CPU. No global generator is touched.
warm_start : bool, default=False
    Whether `fit` goes on from the present weights instead of starting anew. The state of the
    optimizer is kept for it, which makes a pickle three times as large.
verbose : int, default=0
    1 shows a progress bar over the epochs, or prints a line for each where there is no terminal.
"""

CLASS_DOCUMENTATION = """\
class_weight : dict, list of dict or "balanced", default=None
    Weights of the classes, by which the weights of their rows are multiplied. "balanced" is
    n_rows / (n_classes · number of rows of the class), over the labelled rows.
"""

ATTRIBUTES = """\
n_features_in_ : int
    Number of features of `X`.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the features, if `X` was a DataFrame whose columns are all strings.
observed_, missing_ : list of Modality
    The modalities with their columns, and the likelihoods of the missing ones, resolved.
module_ : torch.nn.Module
    The networks: `prior`, `encoder`, `decoder` and `classifier`.
device_ : torch.device
    Where they are.
history_ : dict of str to list of float
    For each epoch the mean over the training rows, and over those held out, of the loss and of
    its terms before weighting, in nats: `"train_loss"`, `"train_reconstruction"`,
    `"train_prior_reconstruction"`, `"train_classification"` (the loss of y, also of numbers),
    `"train_kl"`, `"train_mmd"`, `"train_scale_prior"` where scales of columns are learned, where
    the posterior teaches `"train_posterior_classification"` and `"train_distillation"`, and the
    same with `"valid_"`. NaN where a fit that went on had no such term.
n_iter_ : int
    Number of epochs run.
best_epoch_ : int
    Number of the epoch whose weights were kept: the best one with early stopping, else the last
    one. The decoder may be that of another epoch, see `early_stopping`.
best_validation_score_ : float or None
    The held-out loss of that epoch with its sign turned, in nats per row; None without early
    stopping.
batch_size_, max_epochs_, latent_dim_, dropout_, label_smoothing_, label_in_encoder_, \
early_stopping_
    What these parameters came to in the last fit.
teacher_share_ : float or None
    Part, in [0, 1], of the distillation that is left after a look at the labelled rows (the
    parameter `teacher` of `Objective`) and at what was taught; None if the encoder does not teach.
"""

T = TypeVar("T", bound=type)


def documented(estimator: T) -> T:
    """Put what all estimators share in the place of its name in braces, in a class docstring."""
    texts = {
        "{parameters}": DOCUMENTATION,
        "{class_weight}": CLASS_DOCUMENTATION,
        "{attributes}": ATTRIBUTES,
    }
    # From Python 3.13 on docstrings have no indentation; before, it goes here.
    whole = inspect.cleandoc(estimator.__doc__ or "")
    for name, text in texts.items():
        whole = whole.replace(name, text.rstrip())
    estimator.__doc__ = whole
    return estimator


def authors_preset(batch_size: int = 100) -> dict[str, Any]:
    """Return the parameters that make the objective that of the authors' released code.

    It sums the classification loss over the minibatch where the paper prints a mean, so that the
    effective α is 10 times the batch size. Its MMD is the biased statistic with a kernel that is
    nearly flat in high dimension. Its classifier sees the mean of the prior, and it decodes no
    draws of the prior. Two mistakes are not offered: the ½ that its KL divergence lacks, and an
    epsilon in Adam of 1e-4 in effect. Layer widths, ω and latent_dim belong to each experiment
    of the paper, and are not set here. Nor are the modalities, which in the paper have a variance
    for each row: ``Modality("x_M", scale="row")``.

    Parameters
    ----------
    batch_size : int, default=100
        Number of rows of a minibatch.

    Returns
    -------
    dict
        Parameters of `CMMDClassifier`, `CMMDRegressor` and `CMMDTransformer`.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier, authors_preset
    >>> clf = CMMDClassifier(omega=0.4, **authors_preset(batch_size=100))
    >>> clf.alpha, clf.objective.bandwidth
    (1000, 'authors')
    """
    return {
        "lam": 1000,
        "alpha": 10 * batch_size,
        "dropout": 0.2,
        "learning_rate": 1e-4,
        "weight_decay": 0.0,
        "batch_size": batch_size,
        "max_epochs": 1001,
        "early_stopping": False,
        "networks": Networks(activation="softplus", decoder_input="both"),
        "objective": Objective(
            kernel="gaussian",
            bandwidth="authors",
            mmd_estimator="v",
            classifier_input="mean",
            decode_prior=0.0,
            label_in_encoder=True,
            distillation=0.0,
            label_smoothing=0.0,
        ),
    }


def check_consistent(estimator: Any) -> None:
    """Raise a ValueError or TypeError for what `CONSTRAINTS` cannot say."""
    for side, data in (("observed", "X"), ("missing", "X_missing")):
        value = getattr(estimator, side)
        if value is not None and not isinstance(value, (list, tuple)):
            raise TypeError(
                f"{side} must be a list of Modality, which describes the columns of {data}. Got "
                f"{type(value).__name__} instead; the data themselves go to fit({data}=...)."
            )
    check_widths("hidden_layer_sizes", estimator.hidden_layer_sizes)
    estimator.group("objective").validate()
    estimator.group("networks").validate()
    for callback in estimator.callbacks or ():
        instance = callback[1] if isinstance(callback, tuple) and len(callback) == 2 else callback
        if isinstance(instance, type) or not hasattr(instance, "on_epoch_end"):
            raise TypeError(
                "callbacks must hold skorch callbacks, or pairs of a name and one. "
                f"Got {callback!r} instead."
            )
