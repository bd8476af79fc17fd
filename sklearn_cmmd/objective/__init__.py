"""The objective as pure functions: divergences, and the loss that they are part of."""
