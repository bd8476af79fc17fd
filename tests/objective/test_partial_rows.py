"""The objective where rows lack a label or x_M, and the posterior as a teacher."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sklearn_cmmd.networks.architecture import Block
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.objective.loss import Objective
from sklearn_cmmd.objective.terms import Rows
from tests.objective.test_loss import initialised
from tests.objective.test_loss import model as whole_model

N, LATENT, LABELS = 14, 3, 4
LABELLED = torch.arange(N) % 3 != 0
PRESENT = torch.stack([torch.arange(N) % 4 != 1, torch.arange(N) % 5 > 1], dim=1)
TEACHING = Objective(omega=0.3, lam=50.0, alpha=2.0, decode_prior=0.4, distillation=0.7)


def model(label_in_encoder=False):
    missing = Block((0, 1), "a"), Block((2, 3, 4, 5), "b")
    plain = whole_model().architecture
    return initialised(replace(plain, missing=missing, label_in_encoder=label_in_encoder))


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(1)
    x, m, noise = (
        torch.randn(N, width, generator=rng, dtype=torch.float64) for width in (5, 6, LATENT)
    )
    return x, m, torch.arange(N) % LABELS, noise


def terms(objective, module, rows, y, noise):
    found = objective.evaluate(module, rows, y, noise).terms
    return dict(zip(found.names, found.means(rows), strict=True)), found


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
@pytest.mark.parametrize("weighted", [False, True])
def test_masks_of_ones_change_nothing(batch, estimator, weighted):
    x, m, y, noise = batch
    objective = replace(TEACHING, estimator=estimator)
    weight = torch.linspace(0.5, 1.5, N, dtype=torch.float64) if weighted else None
    ones = torch.ones(N, 2, dtype=torch.float64)
    plain, _ = terms(objective, model(), Rows(x, m, weight), y, noise)
    masked = Rows(x, m, weight, None, ones[:, 0], ones)
    for name, value in terms(objective, model(), masked, y, noise)[0].items():
        torch.testing.assert_close(value, plain[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
def test_each_term_is_that_of_the_rows_that_have_what_it_needs(batch, estimator):
    """Against the same terms of those rows alone, one modality at a time."""
    x, m, y, noise = batch
    objective, module = replace(TEACHING, estimator=estimator), model()
    m = m * PRESENT.repeat_interleave(torch.tensor([2, 4]), dim=1)
    rows = Rows(x, m, None, None, LABELLED.double(), PRESENT.double())
    got, found = terms(objective, module, rows, y, noise)
    paired = PRESENT.any(1)

    def of(which):
        part = Rows(x[which], m[which])
        return terms(objective, module, part, y[which], noise[which])[0]

    for name in ("kl", "mmd", "distillation"):
        torch.testing.assert_close(got[name], of(slice(None))[name], rtol=1e-10, atol=1e-12)
    for name in ("classification", "posterior_classification"):
        torch.testing.assert_close(got[name], of(LABELLED)[name], rtol=1e-10, atol=1e-12)
    z_q = module.posterior(x, m).rsample(noise)
    parts = module.decoder(x, z_q).parts
    logs = [part.log_prob(m[:, c]) for part, c in zip(parts, ([0, 1], [2, 3, 4, 5]), strict=True)]
    want = -sum((log * has).sum() for log, has in zip(logs, PRESENT.double().T, strict=True))
    torch.testing.assert_close(got["reconstruction"], want / paired.sum())
    counts = dict(zip(found.names, found.counts(rows).tolist(), strict=True))
    assert counts["classification"] == counts["posterior_classification"] == LABELLED.sum()
    assert counts["reconstruction"] == counts["prior_reconstruction"] == paired.sum()
    assert counts["kl"] == counts["mmd"] == counts["distillation"] == N


@pytest.mark.parametrize("at", ["mean", "draw"])
def test_distillation_against_a_transcription(batch, at):
    x, m, y, noise = batch
    module, rows = model(), Rows(x, m)
    objective = replace(TEACHING, classifier_input=at)
    got, _ = terms(objective, module, rows, y, noise)
    p, q = module.prior(x), module.posterior(x, m)
    z = (p.loc, q.loc) if at == "mean" else (p.rsample(noise), q.rsample(noise))
    student, teacher = (module.classifier(part).logits.detach().numpy() for part in z)

    def log_softmax(logits):
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    cross_entropy = -(np.exp(log_softmax(teacher)) * log_softmax(student)).sum(axis=1).mean()
    assert got["distillation"].item() == pytest.approx(cross_entropy, rel=1e-12)
    by_label = -log_softmax(teacher)[np.arange(N), y.numpy()].mean()
    assert got["posterior_classification"].item() == pytest.approx(by_label, rel=1e-12)
    shares = dict(zip(got, objective.shares(list(got)), strict=True))
    assert shares["distillation"] == pytest.approx(2.0 * 0.7)
    assert shares["posterior_classification"] == 10 * shares["classification"] == 20.0


def test_dropout_silences_the_pupil_alone(batch):
    """What the pupil is to say comes from all units of the teacher."""
    x, m, y, noise = batch
    module, rows = model(), Rows(x, m)
    units = module.dropout_units(TEACHING.n_decodings, TEACHING.n_classifications(module))
    rng = torch.Generator().manual_seed(2)
    keep = 2.0 * torch.randint(2, (N, units), generator=rng, dtype=torch.float64)
    teacher = module.classifier(module.posterior(x, m).loc).mean
    found = TEACHING.evaluate(module, rows, y, noise, Dropout(keep))
    want = -(teacher * found.labels.logits.log_softmax(1)).sum(dim=1)
    torch.testing.assert_close(found.terms.distillation, want)
    plain = TEACHING.evaluate(module, rows, y, noise)
    assert not torch.allclose(found.labels.logits, plain.labels.logits)


def test_the_teacher_learns_nothing_from_its_pupil(batch):
    x, m, y, noise = batch
    module = model()
    got, _ = terms(TEACHING, module, Rows(x, m), y, noise)
    got["distillation"].backward()
    assert all(part.grad is None or (part.grad == 0).all() for part in module.encoder.parameters())
    assert any((part.grad != 0).any() for part in module.prior.parameters())


def test_an_encoder_that_sees_labels_sees_none_where_there_are_none(batch):
    """It does not teach, and what stands in for a label that is lacking does not matter."""
    x, m, y, noise = batch
    module = model(label_in_encoder=True)
    rows = Rows(x, m, None, None, LABELLED.double(), None)
    got, _ = terms(TEACHING, module, rows, y, noise)
    assert "distillation" not in got
    other = torch.where(LABELLED, y, (y + 1) % LABELS)
    again, _ = terms(TEACHING, module, rows, other, noise)
    assert all(got[name] == again[name] for name in got)


def test_a_batch_without_labels_or_pairs(batch):
    x, m, y, noise = batch
    rows = Rows(x, 0 * m, None, None, torch.zeros(N).double(), torch.zeros(N, 2).double())
    got, _ = terms(TEACHING, model(), rows, y, noise)
    needy = {name for name in got if name.endswith(("classification", "reconstruction"))}
    assert all((value == 0) == (name in needy) for name, value in got.items())
