"""What setup.cfg can't say: in a checkout conf/ lies beside the package, in a wheel inside it."""

import os

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConf(build_py):
    """Builds the package, and puts Spark's settings for one machine into it."""

    def run(self) -> None:
        """Build the package; one that is installed in place finds conf/ where it is."""
        super().run()
        if not getattr(self, "editable_mode", False):
            self.copy_tree("conf", os.path.join(self.build_lib, "dedup_core", "conf"))


setup(cmdclass={"build_py": BuildWithConf})
