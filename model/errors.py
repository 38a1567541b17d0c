"""What can go wrong for a user, as one small tree.

    SoliloquyError
    ├── ParameterError          a setting is outside its range or of the wrong type
    ├── UnknownCharacterError   a text has characters that the vocabulary lacks
    ├── CorpusError             a corpus is missing, empty, too short, not UTF-8 or not the one expected
    ├── CheckpointError         weights or a run cannot be read or written
    ├── UnknownModelError       no model has this key
    ├── TrainingError           a training run cannot start or continue
    └── BusyError               the engine has no room for another request, or for another model

Every message says what came, what is allowed and what to do about it.
"""


class SoliloquyError(Exception):
    """The root: whatever is shown to a user as a plain sentence instead of a traceback."""


class ParameterError(SoliloquyError, ValueError):
    """A setting is outside its range or of the wrong type."""


class UnknownCharacterError(SoliloquyError, ValueError):
    """A text has characters that the vocabulary lacks."""


class CorpusError(SoliloquyError):
    """A corpus is missing, empty, too short, not UTF-8 or not the one expected."""


class CheckpointError(SoliloquyError):
    """Weights or a run cannot be read or written."""


class UnknownModelError(SoliloquyError):
    """No model has this key: it never existed, or it was deleted."""


class TrainingError(SoliloquyError):
    """A training run cannot start or continue."""


class BusyError(SoliloquyError):
    """The engine has no room for another request, or for another model."""
