"""What the app does with the Hugging Face Hub: models from it and to it, and itself as a Space. Nothing else imports huggingface_hub."""
