"""Tests of Soliloquy: one file per module."""
