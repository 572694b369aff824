"""A process that dies at a change of the filesystem of one's choice: really, so that nothing tidies up after it."""

import os

from dedup_core.spark import store as store_module
from dedup_core.spark import trees

CUT = 77
_CHANGES = ("create_dir", "move", "copy_file", "delete_file", "delete_dir")


class Fuse:
    """Lets so many changes pass, and ends the process at the next one."""

    def __init__(self, changes):
        self.left = changes

    def burn(self):
        if not self.left:
            os._exit(CUT)
        self.left -= 1


class Disk:
    """A filesystem with a fuse. A file that is written has two: before it is there, and while it is empty."""

    def __init__(self, filesystem, fuse):
        self._filesystem, self._fuse = filesystem, fuse

    def __getattr__(self, name):
        real = getattr(self._filesystem, name)
        if name not in _CHANGES:
            return real

        def change(*arguments, **options):
            self._fuse.burn()
            return real(*arguments, **options)

        return change

    def open_output_stream(self, path):
        self._fuse.burn()
        stream = self._filesystem.open_output_stream(path)
        self._fuse.burn()
        return stream


def cut_after(changes, store, work):
    """Have ``work(store)`` done by a process that dies after so many changes, and return whether it came to its end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            fuse = Fuse(changes)
            store._fs = Disk(store._fs, fuse)
            _fused(store_module, "exchange", fuse)
            _fused(trees.os, "rmdir", fuse)
            work(store)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, CUT), "the work itself failed"
    return code == 0


def _fused(module, name, fuse):
    real = getattr(module, name)

    def change(*arguments):
        fuse.burn()
        return real(*arguments)

    setattr(module, name, change)
