"""Errors that are shown to users.

    SoliloquyError
    ├── ParameterError          a setting is out of range or has the wrong type
    ├── UnknownCharacterError   a text has characters that the vocabulary lacks
    ├── CorpusError             a corpus is missing, empty, too short, not UTF-8 or not the one expected
    ├── CheckpointError         weights or a run cannot be read or written
    ├── NotFoundError           what is asked for is not there, or no longer
    │   └── UnknownModelError   no model has this key
    ├── TrainingError           a training run cannot start or continue
    ├── LectureError            a file is not a lecture, or cannot be read
    ├── HubError                the Hub cannot be reached, or does not do what it is asked
    └── BusyError               the engine has no room for another request, or for another model

Every message states the value received, the values allowed and a remedy.
"""

WENT_WRONG = "Something went wrong. Please try again. The server's log has details."  # said of a bug; where it is, is for the log


class SoliloquyError(Exception):
    """Base of all errors that are shown to users as a plain sentence instead of a traceback."""


class ParameterError(SoliloquyError, ValueError):
    """A setting is out of range or has the wrong type.

    Attributes:
        setting: its name, where it is a single one; "" otherwise.
    """

    def __init__(self, message: str, setting: str = ""):
        super().__init__(message)
        self.setting = setting


class UnknownCharacterError(SoliloquyError, ValueError):
    """A text has characters that the vocabulary lacks."""


class CorpusError(SoliloquyError):
    """A corpus is missing, empty, too short, not UTF-8 or not the one expected."""


class CheckpointError(SoliloquyError):
    """Weights or a run cannot be read or written."""


class NotFoundError(SoliloquyError):
    """What is asked for is not there, or no longer."""


class UnknownModelError(NotFoundError):
    """No model has this key: it never existed, or it was deleted."""


class TrainingError(SoliloquyError):
    """A training run cannot start or continue."""


class HubError(SoliloquyError):
    """The Hub cannot be reached, or does not do what it is asked."""


class LectureError(SoliloquyError):
    """A file is not a lecture, or cannot be read."""


class BusyError(SoliloquyError):
    """The engine has no room for another request, or for another model."""
