"""The assistant: requests and answers, the rules that judge them, and how often a model obeys."""
