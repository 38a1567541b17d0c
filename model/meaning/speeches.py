"""The plays of Tiny Shakespeare as speeches: who speaks, in which play, and where in the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# How the plays of Tiny Shakespeare begin. A text without these words is one play without a name.
PLAYS = {
    "Coriolanus": "First Citizen:\nBefore we proceed",
    "Richard III": "GLOUCESTER:\nNow is the winter",
    "Richard II": "KING RICHARD II:\nOld John of Gaunt",
    "Romeo and Juliet": "SAMPSON:\nGregory, o' my word",
    "Henry VI, Part 3": "WARWICK:\nI wonder how the king",
    "The Winter's Tale": "ARCHIDAMUS:\nIf you shall chance",
    "Measure for Measure": "DUKE VINCENTIO:\nEscalus.",
    "The Taming of the Shrew": "SLY:\nI'll pheeze you",
    "The Tempest": "Master:\nBoatswain!",
}


class Speech(NamedTuple):
    """What one speaker says.

    Attributes:
        play: "" in a text of which no play is known.
        words: without the speaker's name, as they stand in the text.
        position: where the words begin in the text.
    """

    play: str
    speaker: str
    words: str
    position: int


def speeches_of(text: str, start: int = 0) -> Iterator[Speech]:
    """The speeches of a text that begin at `start` or later."""
    begins = sorted((text.find(words), play) for play, words in PLAYS.items() if words in text)
    at = 0
    for block in text.split("\n\n"):
        speaker, _, words = block.partition("\n")
        position = at + len(speaker) + 1
        if at >= start and speaker.endswith(":") and words.strip():
            play = next((play for first, play in reversed(begins) if first <= at), "")
            yield Speech(play, speaker.removesuffix(":"), words, position)
        at += len(block) + 2
