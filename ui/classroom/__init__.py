"""The Class tab: a wall that everybody writes on, votes, and what a phone does."""
