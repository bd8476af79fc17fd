"""Training: one loop around one model, its state, and what runs beside it."""
