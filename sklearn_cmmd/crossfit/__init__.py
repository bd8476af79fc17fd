"""What an ensemble learns from the rows that its members did not see."""
