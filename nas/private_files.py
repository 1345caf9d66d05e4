"""Folders and lock files that nobody but their owner can read, enter or lock, whatever the umask says."""

import os
from pathlib import Path
from typing import TextIO


def private_folder(folder: Path) -> Path:
    """Make a folder and those above it that are missing, for their owner alone; what is there stays as it is."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def open_lock(file: Path) -> TextIO:
    """A file to be locked, made where it is missing; no other user can open it, and so nobody else can hold the lock."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "a")
