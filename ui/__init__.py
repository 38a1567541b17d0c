"""The Gradio page: one file per tab, with its JavaScript and CSS beside it."""
