"""The two groups of parameters for research, and estimators that have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklearn_cmmd._spelling import Spelled
from sklearn_cmmd.networks.mlp import ACTIVATIONS
from sklearn_cmmd.objective.divergences import ESTIMATORS, KERNELS

POSITIVE_INT = [Interval(Integral, 1, None, closed="left")]
NON_NEGATIVE = [Interval(Real, 0, None, closed="left")]
POSITIVE = [Interval(Real, 0, None, closed="neither")]
UNIT_INTERVAL = [Interval(Real, 0, 1, closed="both")]
BELOW_ONE = [Interval(Real, 0, 1, closed="left")]
AUTO = StrOptions({"auto"})
# A constructor that assigns its keywords and does nothing else, as scikit-learn wants it.
parameters = dataclass(kw_only=True, eq=False, repr=False)


@parameters
class Objective(Spelled, BaseEstimator):
    """What the objective leaves open: choices for research, with defaults that were measured.

    Parameters
    ----------
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
        instead of the encoder. 0 is the objective of [1]_. More improves what `generate_missing`
        returns.
    label_in_encoder : bool or "auto", default="auto"
        Whether the encoder sees the label, as in [1]_. If it does not, it is applied to unlabelled
        rows as well and may teach. "auto" shows it the label if every row has one; in
        `partial_fit`, where later rows are not known, it does not. Without `X_missing` the encoder
        always sees the label, and where a row has none, zeros.
    distillation : float, default=1.0
        Weight, relative to α, with which an encoder that does not see the label teaches: the
        classifier is trained under it too, and under the prior it learns on every row, labelled or
        not, what it says there. 0 switches that off. Without effect if the encoder sees the label.
    teacher_weight : float, default=10.0
        Weight, relative to α, of the labels under the encoder while it teaches. With less, a
        teacher of few labels confirms its own mistakes.
    teacher : "auto", classifier, list of classifiers or None, default="auto"
        Classifiers of scikit-learn that advise the encoder while it teaches and labels are few.
        They see both views, standardised, of the rows that have x_M; what they say of a labelled
        row comes from a fit without it, and of a list the probabilities are averaged. "auto" is a
        logistic regression and extra trees. What is taught is the geometric mean of what the
        encoder and they say, if x_M lowers the log-loss of labelled rows left out by a tenth or
        more of what "auto" has on x_O alone. As far as it does less (`teacher_share_`), "auto" on
        x_O alone takes the place of both. None lets the encoder teach alone, and so does "auto"
        where y are several labels a row, or numbers, or a class has less than two labels.
    label_smoothing : float or "auto", default="auto"
        Share, in [0, 1), of each label that the classifier is told to spread evenly over all
        classes, or over yes and no where there are several labels. It learns to be less sure. 0 is
        the objective of [1]_; "auto" is 0.1, and falls to 0 as labels become few. The encoder sees
        the labels as they are. Without effect on the numbers of a regressor.
    few_labels : int, default=300
        Number of labelled rows that counts as half-way few, if at least as many rows have no
        label. Labels are few by a degree: 1 up to 2/3 of this number, 0 from 4/3 on, in between
        linear; with fewer unlabelled than labelled rows the degree is multiplied by the ratio of
        their numbers. `dropout` and `label_smoothing` go by it if they are "auto", and `teacher`
        advises if it is above 0.
    labelled_share : float, default=0.25
        Least share, in [0, 1), of labelled rows in a minibatch, if some have a label and some have
        none. Labelled rows are repeated as needed.
    scale_prior_rows : float, default=300.0
        Number of imaginary rows, each off by one standard deviation in every column, that keep
        learned scales of x_M from becoming too small. `partial_fit` does without.
    tol : float, default=0.0001
        Least improvement of the held-out loss that early stopping counts, in nats per row.

    See Also
    --------
    CMMDClassifier : Takes it as `objective`; its parameters are set and searched by names such as
        ``objective__decode_prior``.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024).
       https://doi.org/10.1016/j.neunet.2023.10.048

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier, Objective
    >>> clf = CMMDClassifier(objective=Objective(kernel="imq"))
    >>> clf.set_params(objective__decode_prior=0).objective
    Objective(decode_prior=0, kernel='imq')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kernel": [StrOptions(set(KERNELS))],
        "bandwidth": [StrOptions({"dimension", "authors"}), *POSITIVE, "array-like"],
        "mmd_estimator": [StrOptions(set(ESTIMATORS))],
        "classifier_input": [StrOptions({"mean", "draw"})],
        "decode_prior": UNIT_INTERVAL,
        "label_in_encoder": [AUTO, "boolean"],
        "distillation": NON_NEGATIVE,
        "teacher_weight": NON_NEGATIVE,
        "teacher": [AUTO, HasMethods("predict_proba"), list, tuple, None],
        "label_smoothing": [AUTO, *BELOW_ONE],
        "few_labels": NON_NEGATIVE,
        "labelled_share": BELOW_ONE,
        "scale_prior_rows": NON_NEGATIVE,
        "tol": NON_NEGATIVE,
    }

    kernel: str = "gaussian"
    bandwidth: float | str | Sequence[float] = "dimension"
    mmd_estimator: str = "u"
    classifier_input: str = "mean"
    decode_prior: float = 0.5
    label_in_encoder: bool | str = "auto"
    distillation: float = 1.0
    teacher_weight: float = 10.0
    teacher: Any = "auto"
    label_smoothing: float | str = "auto"
    few_labels: int = 300
    labelled_share: float = 0.25
    scale_prior_rows: float = 300.0
    tol: float = 1e-4

    def validate(self) -> None:
        """Raise a ValueError if a parameter, or two together, are not valid."""
        self._validate_params()
        is_list = isinstance(self.teacher, list | tuple)
        if is_list and not (
            self.teacher and all(hasattr(each, "predict_proba") for each in self.teacher)
        ):
            raise ValueError(
                "teacher must be 'auto', None, a classifier with predict_proba, or a list of such "
                f"classifiers. Got {self.teacher!r} instead."
            )
        if self.mmd_estimator == "closed" and self.kernel != "gaussian":
            raise ValueError(
                "mmd_estimator='closed' is known for kernel='gaussian' only. "
                f"Got kernel={self.kernel!r}; take mmd_estimator='u' with it."
            )
        widths: Any = self.bandwidth
        if isinstance(widths, (str, Real)):
            return
        are_numbers = all(isinstance(width, Real) for width in widths)
        if not (len(widths) and are_numbers and all(0 < width < inf for width in widths)):
            raise ValueError(f"bandwidth must hold positive widths. Got {widths!r} instead.")


@parameters
class Networks(Spelled, BaseEstimator):
    """What the networks leave open: choices for research, with defaults that were measured.

    Parameters
    ----------
    prior_hidden, encoder_hidden, decoder_hidden : tuple of int or None, default=None
        Widths of the hidden layers of the prior p(z|x_O), of the encoder q(z|x_O, x_M, y) and of
        the decoder p(x_M|x_O, z). None takes the estimator's `hidden_layer_sizes`; an empty tuple
        makes the network linear.
    classifier_hidden : tuple of int or "auto", default="auto"
        Widths of the hidden layers of the classifier p(y|z). "auto" is (50,), and () for many
        classes of few rows: more than 40 classes, of fewer than 25 labelled rows on average.
    activation : {"relu", "softplus", "tanh", "silu", "gelu"}, default="silu"
        Activation of the hidden layers.
    decoder_input : {"linear", "both", "latent"}, default="linear"
        Whether the decoder sees x_O and z, "both", or z alone. "latent" puts all that is known of
        x_M into z. "linear" is "both" with a linear path from x_O to real values of x_M beside the
        networks. Its coefficients are those of a ridge regression; the share of it that is added is
        learned for each column, and begins the lower the less the regression explains. It takes
        n p² + p³ operations before training for n rows and p columns of x_O, and is left out above
        20 million coefficients.
    fusion : {"joint", "product"}, default="joint"
        How the prior joins several observed modalities: by a network on their joint features, or
        as a product of Gaussian experts, one for each modality, and N(0, I).
    precision : {"float32", "bfloat16"}, default="float32"
        In what the networks compute in training. "bfloat16" is for large networks on GPUs, and on
        CPUs that have instructions for it. Losses and divergences are in float32 either way.
        Whether a GPU multiplies float32 numbers by TF32 is torch's setting,
        `torch.set_float32_matmul_precision`, which is neither changed nor needed.
    prediction : {"auto", "float32", "float64"}, default="auto"
        In what predictions are computed. "auto" is the precision of `X` on a CPU and float32 on a
        GPU, where float64 is slow. In float64 a row's prediction does not depend on the rows
        beside it.

    See Also
    --------
    CMMDClassifier : Takes it as `networks`; its parameters are set and searched by names such as
        ``networks__activation``.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier, Networks
    >>> CMMDClassifier(networks=Networks(activation="relu")).get_params()["networks__activation"]
    'relu'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "prior_hidden": ["array-like", None],
        "encoder_hidden": ["array-like", None],
        "decoder_hidden": ["array-like", None],
        "classifier_hidden": [AUTO, "array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "decoder_input": [StrOptions({"linear", "both", "latent"})],
        "fusion": [StrOptions({"joint", "product"})],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "prediction": [StrOptions({"auto", "float32", "float64"})],
    }

    prior_hidden: Sequence[int] | None = None
    encoder_hidden: Sequence[int] | None = None
    decoder_hidden: Sequence[int] | None = None
    classifier_hidden: Sequence[int] | str = "auto"
    activation: str = "silu"
    decoder_input: str = "linear"
    fusion: str = "joint"
    precision: str = "float32"
    prediction: str = "auto"

    def validate(self) -> None:
        """Raise a ValueError if a parameter is not valid."""
        self._validate_params()
        for name in ("prior_hidden", "encoder_hidden", "decoder_hidden", "classifier_hidden"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                check_widths(name, value)


GROUPS: dict[str, Any] = {"objective": Objective, "networks": Networks}


def check_widths(name: str, value: Sequence[Any]) -> None:
    """Raise a ValueError unless a sequence holds positive ints."""
    if not all([isinstance(width, Integral) and int(width) >= 1 for width in value]):
        raise ValueError(
            f"{name} must be a sequence of positive ints, the widths of the hidden layers. "
            f"Got {value!r} instead."
        )


class GroupedParameters(Spelled, BaseEstimator):
    """An estimator some of whose parameters have parameters themselves, and are None by default.

    None stands for the kind that `_groups` names with its defaults, whose parameters can be set and
    searched by name all the same.
    """

    _groups: ClassVar[dict[str, Any]] = GROUPS

    @classmethod
    def _meant(cls, name: str) -> str:
        for group, kind in cls._groups.items():
            if name in kind._get_param_names():
                return (
                    f" It is a parameter of {group}: {group}={kind.__name__}({name}=...), or "
                    f"{group}__{name} in grids."
                )
        return super()._meant(name)

    def group(self, name: str) -> Any:
        """Return a group of parameters; one with all defaults if it is None."""
        group = getattr(self, name)
        return self._groups[name]() if group is None else group

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, with `deep` those of the groups too.

        Parameters
        ----------
        deep : bool, default=True
            Whether to list the parameters of the groups.

        Returns
        -------
        dict
            Names and values.
        """
        params: dict[str, Any] = super().get_params(deep)
        if deep:
            for group in self._groups:
                if params[group] is None:
                    own = self.group(group).get_params()
                    params |= {f"{group}__{name}": value for name, value in own.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, those of groups by names such as ``objective__kernel``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : estimator
            The estimator.
        """
        for group in self._groups:
            inner = any(name.startswith(f"{group}__") for name in params)
            if inner and params.get(group, getattr(self, group)) is None:
                setattr(self, group, self._groups[group]())
                params.pop(group, None)
        super().set_params(**params)
        return self
