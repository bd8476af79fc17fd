"""Training: minibatches on the device, and the loop around one model."""
