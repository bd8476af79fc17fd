"""partial_fit and warm_start: fits that go on."""

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import Callback, Freezer

from sklearn_cmmd import CMMDClassifier


class TestPartialFit:
    def test_learns_in_chunks(self, split, small):
        X, M, y, X_test, _, y_test = split
        clf = CMMDClassifier(**small)
        for _ in range(20):
            for rows in np.array_split(np.arange(160), 4):
                clf.partial_fit(X[rows], y[rows], X_missing=M[rows], classes=[0, 1, 2])
        assert clf.n_iter_ == len(clf.history_["train_loss"]) == 80
        assert clf.score(X_test, y_test) > 0.8

    def test_each_call_is_one_epoch_with_noise_of_its_own(self, split, small):
        X, M, y, *_ = split
        frozen = small | {"learning_rate": 1e-30}
        clf = CMMDClassifier(**frozen).partial_fit(X, y, X_missing=M, classes=[0, 1, 2])
        clf.partial_fit(X, y, X_missing=M)
        assert clf.n_iter_ == 2
        first, second = clf.history_["train_reconstruction"]
        assert first != second

    def test_after_fit_it_goes_on(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small).fit(X, y, X_missing=M)
        epochs = clf.n_iter_
        loss = clf.history_["train_loss"][-1]
        clf.partial_fit(X, y, X_missing=M)
        assert clf.n_iter_ == epochs + 1
        assert clf.history_["train_loss"][-1] < 1.2 * loss

    @pytest.mark.parametrize("stops_first", [True, False])
    def test_histories_of_terms_stay_side_by_side(self, split, small, stops_first):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small | {"max_epochs": 3, "warm_start": True})
        for stops in (stops_first, not stops_first):
            clf.set_params(early_stopping=stops).fit(X, y, X_missing=M)
        assert {len(values) for values in clf.history_.values()} == {6}
        held_out = np.isnan(clf.history_["valid_loss"]).tolist()
        assert held_out == [not stops_first] * 3 + [stops_first] * 3
        assert np.isfinite(clf.history_["train_loss"]).all()

    def test_chunks_may_lack_classes_and_be_small(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small | {"batch_size": 100})
        clf.partial_fit(X[y == 0], y[y == 0], X_missing=M[y == 0], classes=[0, 1, 2])
        clf.partial_fit(X[:1], y[:1], X_missing=M[:1])
        assert clf.predict_proba(X).shape == (160, 3)

    def test_classes_are_needed_first(self, split, small):
        X, M, y, *_ = split
        with pytest.raises(ValueError, match="classes must be passed on the first call"):
            CMMDClassifier(**small).partial_fit(X, y, X_missing=M)

    def test_classes_may_not_change(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small).partial_fit(X, y, X_missing=M, classes=[0, 1, 2])
        with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
            clf.partial_fit(X, y, X_missing=M, classes=[0, 1])
        with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
            clf.partial_fit(X, y + 1, X_missing=M)

    def test_early_stopping_is_refused(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small | {"early_stopping": True})
        with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
            clf.partial_fit(X, y, X_missing=M, classes=[0, 1, 2])

    def test_form_of_the_data_may_not_change(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small).partial_fit(X, y, X_missing=M, classes=[0, 1, 2])
        with pytest.raises(ValueError, match="first fitted with X_missing, and cannot go on with"):
            clf.partial_fit(X, y)
        with pytest.raises(ValueError, match="X has 5 features, but CMMDClassifier is expecting"):
            clf.partial_fit(X[:, :5], y, X_missing=M)
        with pytest.raises(ValueError, match="X_missing has 2 features, but it had 6 in fit"):
            clf.partial_fit(X, y, X_missing=M[:, :2])
        with pytest.raises(ValueError, match="y changed between classes and a multilabel"):
            clf.partial_fit(X, np.eye(3, dtype=int)[y], X_missing=M)


class TestWarmStart:
    def test_goes_on(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small | {"warm_start": True, "max_epochs": 20})
        clf.fit(X, y, X_missing=M)
        loss = clf.history_["train_loss"]
        clf.set_params(learning_rate=1e-3).fit(X, y, X_missing=M)
        assert clf.n_iter_ == 40
        assert clf.history_["train_loss"][20] < loss[0]

    def test_rows_once_held_out_stay_so(self, split, small):
        X, M, y, *_ = split
        seen = []

        class Look(Callback):
            def on_train_begin(self, net, **kwargs):
                seen.append([])

            def on_batch_begin(self, net, batch, training, **kwargs):
                if not training:
                    seen[-1].append(batch[0].observed.values)

        params = {"warm_start": True, "early_stopping": True, "callbacks": [Look()]}
        clf = CMMDClassifier(**small | params | {"max_epochs": 2})
        clf.fit(X, y, X_missing=M).fit(X, y, X_missing=M)
        one, other = (torch.cat(batches) for batches in seen)
        assert torch.equal(one, other)

    def test_it_goes_on_with_the_moments_of_the_weights_that_were_kept(self, split, small):
        """Those of the best epoch: as if training had ended there."""
        X, M, y, *_ = split
        params = {"early_stopping": True, "n_iter_no_change": 3, "learning_rate": 0.05}
        params = small | {"warm_start": True, "max_epochs": 60} | params
        stopped = CMMDClassifier(**params).fit(X, y, X_missing=M)
        assert stopped.best_epoch_ < stopped.n_iter_ < 60
        short = CMMDClassifier(**params | {"max_epochs": stopped.best_epoch_})
        short.fit(X, y, X_missing=M)
        for one, other in zip(
            stopped.module_.parameters(), short.module_.parameters(), strict=True
        ):
            assert torch.equal(one, other)
        futures = [
            clf.set_params(max_epochs=2).fit(X, y, X_missing=M).predict_proba(X)
            for clf in (stopped, short)
        ]
        assert np.array_equal(*futures)

    def test_after_a_part_was_frozen(self, split, small):
        """No part gets the moments of another one, and the frozen one learns again."""
        X, M, y, *_ = split
        params = small | {"warm_start": True, "max_epochs": 3}
        clf = CMMDClassifier(**params, callbacks=[Freezer("decoder*")]).fit(X, y, X_missing=M)
        frozen = [part.clone() for part in clf.module_.decoder.parameters()]
        clf.set_params(callbacks=None).fit(X, y, X_missing=M)
        for before, after in zip(frozen, clf.module_.decoder.parameters(), strict=True):
            assert not torch.equal(before, after)
        assert all(part.requires_grad for part in clf.module_.parameters())
        assert np.isfinite(clf.history_["train_loss"]).all()

    def test_parameters_of_training_may_change_but_not_the_networks(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small | {"warm_start": True, "max_epochs": 1})
        clf.fit(X, y, X_missing=M)
        clf.set_params(weight_decay=0.5, omega=0.1, dropout=0.5).fit(X, y, X_missing=M)
        assert clf.dropout_ == 0.5
        with pytest.raises(ValueError, match=r"\['latent_dim'\] changed. Set warm_start=False"):
            clf.set_params(latent_dim=3).fit(X, y, X_missing=M)

    def test_after_a_divergence(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small | {"warm_start": True, "learning_rate": 1e15})
        with pytest.raises(FloatingPointError):
            clf.fit(X, y, X_missing=M)
        clf.set_params(learning_rate=1e-3).fit(X, y, X_missing=M)
        assert np.isfinite(clf.history_["train_loss"]).all()

    def test_without_it_fit_begins_anew(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small)
        first = clf.fit(X, y, X_missing=M).predict_proba(X)
        assert np.array_equal(clf.fit(X, y, X_missing=M).predict_proba(X), first)
        assert clf.n_iter_ == small["max_epochs"]

    def test_classes_must_be_the_same(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small | {"warm_start": True, "max_epochs": 1})
        clf.fit(X, y, X_missing=M)
        with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same"):
            clf.fit(X, y % 2, X_missing=M)

    def test_another_fit_without_it_may_have_other_data(self, split, small):
        X, M, y, *_ = split
        clf = CMMDClassifier(**small | {"max_epochs": 1}).fit(pd.DataFrame(X), y, X_missing=M)
        clf.fit(X[:, :5], y % 2)
        assert clf.n_features_in_ == 5
        assert clf.classes_.tolist() == [0, 1]
        assert not any(name.endswith("reconstruction") for name in clf.history_)
