"""Builds what is compiled into the package, where a C compiler is; without it the package works, slower.

``VERBWIRE_CODEC=required`` in the environment makes a build fail that would leave it out: for wheels that are released.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULES = ("verbwire.wire.avro._compiled", "verbwire.engine.faust._records")
_FLAGS = [] if os.name == "nt" else ["-O2", "-g0"]


class CompiledCodec(BuildHookInterface[Any]):
    """Hatchling's hook: compiles beside the source, so that an editable install finds it, too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatchling's signature)
        """Compile for the Python that builds, and make the wheel one for this platform."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        try:
            built = [build(root, module) for module in MODULES]
        except BaseException as error:  # distutils' errors are of many kinds, SystemExit among them
            if os.environ.get("VERBWIRE_CODEC") == "required" or isinstance(error, KeyboardInterrupt):
                raise
            self.app.display_warning(f"without the compiled codec, which needs a C compiler: {error}")
            return
        build_data |= {"pure_python": False, "infer_tag": True}
        build_data["artifacts"] += [str(each.relative_to(root)) for each in built]


def build(root: Path, module: str = MODULES[0]) -> Path:
    """Return an extension, compiled unless it is newer than its source; what distutils raises where it cannot be."""
    source = root / "src" / Path(*module.split(".")).with_suffix(".pyx")
    target = source.with_name(source.stem + sysconfig.get_config_var("EXT_SUFFIX"))
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    with tempfile.TemporaryDirectory() as folder:
        modules = cythonize([Extension(module, [str(source)], extra_compile_args=_FLAGS)], build_dir=folder, quiet=True)
        command = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
        command.build_lib = command.build_temp = folder
        command.ensure_finalized()
        command.run()
        fresh = target.with_suffix(".new")
        shutil.copyfile(command.get_ext_fullpath(module), fresh)
        fresh.replace(target)  # at once: it may be in use
    return target
