"""Models in the formats of other projects: nanoGPT, minGPT, Transformers, and the lecture's own gpt.py.

Each file has one project's names and layout. `model.formats.read` and `model.formats.write` choose among them.
"""
