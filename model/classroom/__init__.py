"""A class that samples one prompt together, votes and follows the lecturer: its state, and the files that keep it."""
