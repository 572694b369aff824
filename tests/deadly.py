"""A decoder that really ends its process: that of PCX, in each Python that is started with it on its path.

Which picture does what, its width says. Nothing of the library knows of it: Python runs ``sitecustomize`` as it starts.
"""

from pathlib import Path

from PIL import Image

SEGFAULT, KILL, EXIT, HANG, HOG, ONCE, SOUND = range(20, 27)
"""Widths: dies of SIGSEGV, of SIGKILL, with an exit code; never returns; takes memory without end; dies the first time
that it is decoded; and none of that."""

_SITE = f"""
import os, signal
from pathlib import Path
from PIL import PcxImagePlugin

load = PcxImagePlugin.PcxImageFile.load

def deadly(self):
    width = self.size[0]
    if width == {SEGFAULT}:
        os.kill(os.getpid(), signal.SIGSEGV)
    if width == {KILL}:
        os.kill(os.getpid(), signal.SIGKILL)
    if width == {EXIT}:
        os._exit(3)
    while width == {HANG}:
        pass
    held = []
    while width == {HOG}:
        held.append(bytearray(16 << 20))
        if len(held) > 100:
            os.kill(os.getpid(), signal.SIGKILL)  # as a system would that has no more
    died = Path(__file__).with_name("died")
    if width == {ONCE} and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return load(self)

PcxImagePlugin.PcxImageFile.load = deadly
"""


def path_with_it(folder):
    """Write the decoder to a folder, and return the PYTHONPATH of who is to have it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITE)
    (folder / "died").unlink(missing_ok=True)
    return f"{folder}:{Path(__file__).parents[1]}"


def save(folder, *widths):
    """Write a PCX of each width, called by it."""
    folder.mkdir(parents=True, exist_ok=True)
    for width in widths:
        Image.linear_gradient("L").resize((width, 30)).save(folder / f"{width}.pcx")
    return folder
