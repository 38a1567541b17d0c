"""What the app does with the Hugging Face Hub: models from it and to it, and itself as a Space. Nothing else imports huggingface_hub."""

PREFIX = "hub:"  # what a name begins with that stands where a folder can


def is_hub_name(name: object) -> bool:
    """Whether a name or a path is that of a model on the Hub, as hub:user/name."""
    return str(name).startswith(PREFIX)
