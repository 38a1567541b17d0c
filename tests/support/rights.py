"""Tests of missing rights, also where root runs the tests, whom rights do not bind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

import pytest

VERSION = 0x20080522  # of the structures below; see capset(2)
DAC_OVERRIDE, DAC_READ_SEARCH = 1 << 1, 1 << 2
NOBODY = 65534  # user id of a user without rights


class Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def bound_by_rights() -> Iterator[None]:
    """Takes from root, in this thread, what lets it read and write files in spite of their rights. Other users never have that."""
    if not hasattr(os, "geteuid") or os.geteuid():
        yield
        return
    if sys.platform != "linux":
        pytest.skip("on this system rights do not bind root")
    libc, header, before = ctypes.CDLL(None, use_errno=True), Header(VERSION, 0), (Capabilities * 2)()
    assert libc.capget(ctypes.byref(header), before) == 0
    without = (Capabilities * 2).from_buffer_copy(before)
    without[0].effective &= ~(DAC_OVERRIDE | DAC_READ_SEARCH)
    assert libc.capset(ctypes.byref(header), without) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(header), before) == 0


@contextlib.contextmanager
def another_user() -> Iterator[None]:
    """Makes root another user, for what needs no file: that user may not even be able to read Python's own."""
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
