"""The tasks: what a run teaches a network, one module each. `model.training.trainer` runs any of them."""
