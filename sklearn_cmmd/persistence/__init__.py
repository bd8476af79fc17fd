"""Fitted estimators in files that hold numbers and plain values, and run nothing."""
