"""What the tests of properties share."""

import os

import pytest


@pytest.fixture
def piped():
    """Makes a few bytes what standard input holds, and gives the name of it."""
    saved = os.dup(0)

    def pipe(content: bytes) -> str:
        assert len(content) < 1 << 16  # of what a pipe takes without a reader
        read, write = os.pipe()
        os.write(write, content)
        os.close(write)
        os.dup2(read, 0)
        os.close(read)
        return "-"

    yield pipe
    os.dup2(saved, 0)
    os.close(saved)
