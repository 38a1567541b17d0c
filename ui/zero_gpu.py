"""What a ZeroGPU Space demands of its app. Such a Space lends a GPU for calls of a minute, with a quota for each visitor and day, which is
of no use to a class; but it is the one kind of Space that a free account may host. The app works on its CPU.

The Space keeps an app only if that has a function for the GPU, and reports so. The package `spaces`, which is installed there, reports when
Gradio launches an app. Ours is never launched: a server of our own has Gradio's routes among its own. The package also makes PyTorch
believe in a GPU, at a cost for each operation.
"""

from __future__ import annotations


def satisfy_zero_gpu() -> None:
    """Declares a function for the GPU, reports it, and takes back what was changed in PyTorch. To be called from the main thread, before
    there are others.

    Raises:
        RuntimeError: the Space does not accept the report.
    """
    import spaces
    from spaces import zero

    spaces.GPU(_unused)
    zero.startup()
    zero.torch.unpatch()


def _unused() -> None:
    """The function for the GPU, which nobody calls."""
