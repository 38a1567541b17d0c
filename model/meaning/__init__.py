"""What a model knows of the language: likelihood, embeddings, and translation by an encoder and a decoder."""
