"""The objective where rows lack a label or x_M, and the posterior as a teacher."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.networks.architecture import ViewSpec
from sklearn_cmmd.networks.dropout import Dropout
from sklearn_cmmd.objective.loss import Loss
from tests.objective.test_loss import initialised
from tests.objective.test_loss import model as whole_model

N, LATENT, LABELS = 14, 3, 4
LABELLED = torch.arange(N) % 3 != 0
PRESENT = torch.stack([torch.arange(N) % 4 != 1, torch.arange(N) % 5 > 1], dim=1)
TEACHING = Loss(omega=0.3, lam=50.0, alpha=2.0, decode_prior=0.4, distillation=0.7)


def model(label_in_encoder=False):
    missing = ViewSpec((0, 1), "a"), ViewSpec((2, 3, 4, 5), "b")
    plain = whole_model().architecture
    return initialised(replace(plain, missing=missing, label_in_encoder=label_in_encoder))


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(1)
    x, m, noise = (
        torch.randn(N, width, generator=rng, dtype=torch.float64) for width in (5, 6, LATENT)
    )
    return Batch(View(x), View(m), torch.arange(N) % LABELS), noise


def terms(loss, module, rows, noise):
    found = loss.evaluate(module, rows, noise).terms
    return dict(zip(found.names, found.means(rows), strict=True)), found


def partly(rows, weight=None):
    """Let rows lack labels and modalities, as the masks above say."""
    ones = torch.ones(N, dtype=torch.float64) if weight is None else weight
    paired = PRESENT.any(1)
    mask = PRESENT.double()
    values = rows.missing.values * mask.repeat_interleave(torch.tensor([2, 4]), dim=1)
    return rows._replace(
        missing=View(values, mask),
        weight=weight,
        label_weight=LABELLED * ones / ones[LABELLED].mean(),
        pair_weight=paired * ones / ones[paired].mean(),
    )


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
@pytest.mark.parametrize("weighted", [False, True])
def test_masks_of_ones_change_nothing(batch, estimator, weighted):
    rows, noise = batch
    loss = replace(TEACHING, mmd_estimator=estimator)
    ones = torch.ones(N, dtype=torch.float64)
    weight = torch.linspace(0.5, 1.5, N, dtype=torch.float64) if weighted else None
    whole = rows._replace(weight=weight, label_weight=weight, pair_weight=weight)
    plain, _ = terms(loss, model(), whole, noise)
    counted = ones if weight is None else weight
    masked = whole._replace(
        missing=View(rows.missing.values, torch.ones(N, 2, dtype=torch.float64)),
        label_weight=counted,
        pair_weight=counted,
    )
    for name, value in terms(loss, model(), masked, noise)[0].items():
        torch.testing.assert_close(value, plain[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("estimator", ["u", "v", "closed"])
def test_each_term_is_that_of_the_rows_that_have_what_it_needs(batch, estimator):
    """Against the same terms of those rows alone, one modality at a time."""
    whole, noise = batch
    loss, module = replace(TEACHING, mmd_estimator=estimator), model()
    rows = partly(whole)
    got, found = terms(loss, module, rows, noise)
    paired = PRESENT.any(1)

    def of(which):
        missing = View(rows.missing.values[which], rows.missing.mask[which])
        part = Batch(View(rows.observed.values[which]), missing, rows.y[which])
        return terms(loss, module, part, noise[which])[0]

    for name in ("kl", "mmd", "distillation"):
        torch.testing.assert_close(got[name], of(slice(None))[name], rtol=1e-10, atol=1e-12)
    for name in ("classification", "posterior_classification"):
        torch.testing.assert_close(got[name], of(LABELLED)[name], rtol=1e-10, atol=1e-12)
    x, m = rows.observed.values, rows.missing.values
    z_q = module.posterior(x, rows.missing).rsample(noise)
    parts = module.decoder(x, z_q).parts
    logs = [part.log_prob(m[:, c]) for part, c in zip(parts, ([0, 1], [2, 3, 4, 5]), strict=True)]
    want = -sum((log * has).sum() for log, has in zip(logs, PRESENT.double().T, strict=True))
    torch.testing.assert_close(got["reconstruction"], want / paired.sum())
    counts = dict(zip(found.names, found.counts(rows).tolist(), strict=True))
    assert counts["classification"] == counts["posterior_classification"] == LABELLED.sum()
    assert counts["reconstruction"] == counts["prior_reconstruction"] == paired.sum()
    assert counts["kl"] == counts["mmd"] == counts["distillation"] == N


def test_a_weight_of_five_is_five_copies_of_the_row(batch):
    """Of every term of single rows, also where rows lack labels or modalities."""
    whole, noise = batch
    times = torch.ones(N, dtype=torch.long)
    times[:4] = 5
    copies = torch.arange(N).repeat_interleave(times)
    module, weight = model(), times.double() / times.double().mean()
    got, _ = terms(TEACHING, module, partly(whole, weight), noise)

    def picked(values):
        return None if values is None else values[copies]

    rows = partly(whole)
    missing = View(rows.missing.values[copies], rows.missing.mask[copies])
    repeated = Batch(
        View(rows.observed.values[copies]), missing, *(picked(column) for column in rows[2:])
    )
    want, _ = terms(TEACHING, module, repeated, noise[copies])
    for name in set(got) - {"mmd"}:
        torch.testing.assert_close(got[name], want[name], rtol=1e-12, atol=1e-12)


def test_the_encoder_tells_absent_from_zero(batch):
    rows, _ = batch
    module, x = model(), rows.observed.values
    zeros = torch.zeros_like(rows.missing.values)
    there, absent = (
        module.posterior(x, View(zeros, torch.full((N, 2), has, dtype=torch.float64)))
        for has in (1.0, 0.0)
    )
    assert not torch.allclose(there.loc, absent.loc)
    torch.testing.assert_close(module.posterior(x, View(zeros)).loc, there.loc)


@pytest.mark.parametrize("at", ["mean", "draw"])
def test_distillation_against_a_transcription(batch, at):
    rows, noise = batch
    x, y, module = rows.observed.values, rows.y, model()
    loss = replace(TEACHING, classifier_input=at)
    got, _ = terms(loss, module, rows, noise)
    p, q = module.prior(x), module.posterior(x, rows.missing)
    z = (p.loc, q.loc) if at == "mean" else (p.rsample(noise), q.rsample(noise))
    student, teacher = (module.classifier(part).logits.detach().numpy() for part in z)

    def log_softmax(logits):
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    cross_entropy = -(np.exp(log_softmax(teacher)) * log_softmax(student)).sum(axis=1).mean()
    assert got["distillation"].item() == pytest.approx(cross_entropy, rel=1e-12)
    by_label = -log_softmax(teacher)[np.arange(N), y.numpy()].mean()
    assert got["posterior_classification"].item() == pytest.approx(by_label, rel=1e-12)
    shares = loss.shares()
    assert shares["distillation"] == pytest.approx(2.0 * 0.7)
    assert shares["posterior_classification"] == 10 * shares["classification"] == 20.0
    assert replace(loss, teacher_weight=3.0).shares()["posterior_classification"] == 6.0


def test_dropout_silences_the_pupil_alone(batch):
    """What the pupil is to say comes from all units of the teacher."""
    rows, noise = batch
    module = model()
    units = module.dropout_units(TEACHING.n_decodings, TEACHING.n_classifications(module))
    rng = torch.Generator().manual_seed(2)
    keep = 2.0 * torch.randint(2, (N, units), generator=rng, dtype=torch.float64)
    q = module.posterior(rows.observed.values, rows.missing)
    teacher = module.classifier(q.loc).mean
    found = TEACHING.evaluate(module, rows, noise, Dropout(keep))
    want = -(teacher * found.labels.logits.log_softmax(1)).sum(dim=1)
    torch.testing.assert_close(found.terms.distillation, want)
    plain = TEACHING.evaluate(module, rows, noise)
    assert not torch.allclose(found.labels.logits, plain.labels.logits)


def test_the_teacher_learns_nothing_from_its_pupil(batch):
    rows, noise = batch
    module = model()
    got, _ = terms(TEACHING, module, rows, noise)
    got["distillation"].backward()
    assert all(part.grad is None or (part.grad == 0).all() for part in module.encoder.parameters())
    assert any((part.grad != 0).any() for part in module.prior.parameters())


def test_an_encoder_that_sees_labels_sees_none_where_there_are_none(batch):
    """It does not teach, and what stands in for a label that is lacking does not matter."""
    rows, noise = batch
    module = model(label_in_encoder=True)
    rows = rows._replace(label_weight=LABELLED.double())
    got, _ = terms(TEACHING, module, rows, noise)
    assert "distillation" not in got
    other = torch.where(LABELLED, rows.y, (rows.y + 1) % LABELS)
    again, _ = terms(TEACHING, module, rows._replace(y=other), noise)
    assert all(got[name] == again[name] for name in got)


def test_a_batch_without_labels_or_pairs(batch):
    rows, noise = batch
    nothing = torch.zeros(N, dtype=torch.float64)
    missing = View(0 * rows.missing.values, torch.zeros(N, 2, dtype=torch.float64))
    rows = rows._replace(missing=missing, label_weight=nothing, pair_weight=nothing)
    got, _ = terms(TEACHING, model(), rows, noise)
    needy = {name for name in got if name.endswith(("classification", "reconstruction"))}
    assert all((value == 0) == (name in needy) for name, value in got.items())


def test_what_is_taught_is_the_geometric_mean_with_advice(batch):
    rows, noise = batch
    module = model()
    advice = torch.rand((N, LABELS), dtype=torch.float64)
    advice /= advice.sum(1, keepdim=True)
    advice[::3] = torch.nan
    z_q, z_p = (
        module.posterior(rows.observed.values, rows.missing),
        module.prior(rows.observed.values),
    )
    own, learned = module.classifier(z_q.loc).mean, module.classifier(z_p.loc).mean
    both = (own * advice).sqrt()
    both /= both.sum(1, keepdim=True)
    both[::3] = own[::3]
    got, _ = terms(TEACHING, module, rows._replace(advice=advice), noise)
    torch.testing.assert_close(got["distillation"], -(both * learned.log()).sum(1).mean())
    mean = both.mean(0)
    torch.testing.assert_close(got["teacher_entropy"], -(mean * mean.log()).sum())


def test_the_entropy_of_what_is_taught_is_that_of_rows_without_a_label(batch):
    whole, noise = batch
    module, rows = model(), partly(whole)
    q = module.posterior(rows.observed.values, rows.missing)
    mean = module.classifier(q.loc).mean[~LABELLED].mean(0)
    got, _ = terms(TEACHING, module, rows, noise)
    torch.testing.assert_close(got["teacher_entropy"], -(mean * mean.log()).sum())
    silent, _ = terms(replace(TEACHING, teacher_share=0.0), module, rows, noise)
    assert silent["distillation"] == got["distillation"]
    assert replace(TEACHING, teacher_share=0.25).shares()["distillation"] == 2.0 * 0.7 * 0.25
