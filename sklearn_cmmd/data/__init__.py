"""Data: what a user passes, checked, described, standardised, and cut into minibatches."""
