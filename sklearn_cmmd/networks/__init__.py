"""The networks, in torch alone: bodies, likelihoods, conditionals, and the four together."""
