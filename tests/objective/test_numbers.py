"""The objective where y holds numbers: its terms, its teacher, and rows without a target."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.objective.bound import lower_bound
from sklearn_cmmd.objective.loss import Loss
from tests.objective.test_loss import initialised
from tests.objective.test_loss import model as of_classes

N, LATENT, NUMBERS = 12, 3, 2
KNOWN = torch.arange(N) % 3 != 0
TEACHING = Loss(omega=0.5, lam=10.0, alpha=2.0, distillation=0.7)


def model(label_in_encoder=False):
    plain = of_classes(n_labels=NUMBERS).architecture
    numbers = replace(plain, label_likelihood="gaussian", label_in_encoder=label_in_encoder)
    return initialised(numbers)


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(1)
    x, m, y, noise = (
        torch.randn(N, width, generator=rng, dtype=torch.float64)
        for width in (5, 6, NUMBERS, LATENT)
    )
    return Batch(View(x), View(m), y), noise


def normal(gaussian):
    return Normal(gaussian.loc, (gaussian.log_var / 2).exp())


def test_terms_against_torch_distributions(batch):
    module, (rows, noise) = model(), batch
    found = TEACHING.evaluate(module, rows, noise).terms
    pupil = normal(module.classifier(module.embed(rows.observed.values).loc))
    teacher = normal(module.classifier(module.posterior(rows.observed.values, rows.missing).loc))
    want = {
        "classification": -pupil.log_prob(rows.y),
        "posterior_classification": -teacher.log_prob(rows.y),
        "distillation": teacher.entropy() + kl_divergence(teacher, pupil),
    }
    for name, values in want.items():
        torch.testing.assert_close(getattr(found, name), values.sum(1), rtol=1e-10, atol=0)


def test_the_teacher_learns_nothing_from_its_pupil(batch):
    """No gradient of the distillation reaches the encoder, by the mean or by the deviation."""
    module, (rows, noise) = model(), batch
    TEACHING.evaluate(module, rows, noise).terms.distillation.sum().backward()
    assert all(part.grad is None or (part.grad == 0).all() for part in module.encoder.parameters())
    assert any((part.grad != 0).any() for part in module.prior.parameters())


def test_the_mark_of_a_target_is_no_target(batch):
    """What the classifier learns are the numbers, without the column that marks them."""
    module, (rows, noise) = model(label_in_encoder=True), batch
    found = Loss(omega=0.5, lam=1.0, alpha=1.0).evaluate(module, rows, noise).terms
    want = -module.predict(rows.observed.values).log_prob(rows.y)
    torch.testing.assert_close(found.classification, want)


def test_zero_and_no_target_are_two_things(batch):
    """What stands in for a lacking target does not matter; a target of zero, the mean, does."""
    module, (rows, noise) = model(label_in_encoder=True), batch
    weight = KNOWN.double()
    loss = Loss(omega=0.5, lam=0.0, alpha=1.0)

    def kl(y, weight):
        return loss.evaluate(module, rows._replace(y=y, label_weight=weight), noise).terms.kl

    zero = torch.where(KNOWN[:, None], rows.y, 0.0)
    torch.testing.assert_close(kl(zero, weight), kl(zero + 7 * ~KNOWN[:, None], weight))
    assert not torch.isclose(kl(zero, weight), kl(zero, None))[~KNOWN].any()


@pytest.mark.parametrize("label_in_encoder", [True, False])
def test_the_bound_counts_known_targets(batch, label_in_encoder):
    module, (rows, noise) = model(label_in_encoder), batch
    rows = rows._replace(label_weight=KNOWN.double())
    with torch.no_grad():
        found = lower_bound(module, rows, noise[None])
        without = lower_bound(module, rows._replace(label_weight=torch.zeros(N)), noise[None])
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[~KNOWN], without[~KNOWN])
    assert not torch.isclose(found[KNOWN], without[KNOWN]).any()
