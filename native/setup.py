"""Builds the kernel; everything else about the package is in pyproject.toml."""

import shutil
import sys

import jaxlib
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError


class BuildKernel(build_ext):
    """Says what is missing where there is no compiler, rather than what failed."""

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except (CCompilerError, ExecError, PlatformError) as error:
            compiler = getattr(self.compiler, "compiler_so", ["a C++ compiler"])[0]
            found = "found" if shutil.which(compiler) else "not found"
            sys.exit(
                f"semigrad-native needs a C++17 compiler, GCC say ({compiler}: {found}; {error}). "
                "semigrad itself needs none: without this package it uses XLA's operations, which "
                "give the same numbers."
            )


setup(
    cmdclass={"build_ext": BuildKernel},
    ext_modules=[
        Extension(
            "semigrad_native._contract",
            ["semigrad_native/contract.cc"],
            depends=["semigrad_native/contract.h"],
            include_dirs=[f"{jaxlib.__path__[0]}/include"],
            extra_compile_args=["-std=c++17", "-O3"],
            language="c++",
        )
    ],
)
