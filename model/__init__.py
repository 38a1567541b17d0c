"""A character-level GPT: network, sampling, training and serving. Imports no gradio."""
