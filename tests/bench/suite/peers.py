# SPDX-License-Identifier: Apache-2.0
"""Gets the peers: Python packages into an environment of their own, llama-quantize from source.

Both end in build/cache, are made once, and may be missing: then figures say so. Nothing is installed with
DETENT_NO_INSTALL=1.
"""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Optional

PACKAGES = ("onnxruntime", "onnx", "gguf", "torchao")
SOURCE = "llama-cpp-python"  # whose source package holds llama.cpp
LLAMA_OPTIONS = ("-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DGGML_OPENMP=OFF", "-DBUILD_SHARED_LIBS=OFF",
                 "-DLLAMA_CURL=OFF", "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_SERVER=OFF",
                 "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_TOOLS=ON")
VERSIONS = """
import importlib.metadata, json
found = {}
for name in ("torch", "torchao", "onnxruntime", "gguf", "numpy"):
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = "not installed"
print(json.dumps(found))
"""


class Peers:
    """Where the peers are; None for what is not there. `why` says what was tried."""

    def __init__(self, repository: pathlib.Path):
        self.cache = repository / "build" / "cache"
        self.torch_site = next(iter((repository / ".venv").glob("lib/python3*/site-packages")), None)
        self.python: Optional[pathlib.Path] = None
        self.llama_quantize: Optional[pathlib.Path] = None
        self.why: dict[str, str] = {}

    def prepare(self, programs: bool) -> None:
        """programs: llama-quantize too, which takes minutes to build the first time."""
        self.python = self._environment()
        self.llama_quantize = self._llama(programs)

    def versions(self) -> dict[str, str]:
        found = dict.fromkeys(("torch", "torchao", "onnxruntime", "gguf"), "not installed")
        if self.python:
            found = json.loads(_output([str(self.python), "-c", VERSIONS]) or "{}") or found
        archive = self._archive()
        found["llama-quantize"] = (
            f"of {archive.name.removesuffix('.tar.gz')}" if self.llama_quantize and archive
            else f"not installed: {self.why.get('llama-quantize', 'no source')}")
        return found

    def _environment(self) -> Optional[pathlib.Path]:
        folder = self.cache / "peers-venv"
        python, stamp = folder / "bin" / "python", folder / ".ready"
        if stamp.is_file():
            return python
        if os.environ.get("DETENT_NO_INSTALL"):
            self.why["python"] = "DETENT_NO_INSTALL is set"
            return python if python.exists() else None
        print("==> installing the peers into build/cache/peers-venv", flush=True)
        if not python.exists() and _run([sys.executable, "-m", "venv", str(folder)]):
            self.why["python"] = "python3 -m venv failed"
            return None
        self._lend_torch(folder)
        if all([self._install(python, name) for name in PACKAGES]):
            stamp.write_text("\n".join(PACKAGES), encoding="utf-8")
        return python

    def _lend_torch(self, folder: pathlib.Path) -> None:
        """PyTorch, which is large, is that of .venv where there is one."""
        site = next(iter(folder.glob("lib/python3*/site-packages")), None)
        if site and self.torch_site:
            (site / "lent.pth").write_text(str(self.torch_site.resolve()) + "\n", encoding="utf-8")

    def _install(self, python: pathlib.Path, package: str) -> bool:
        failed = _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1",
                       "--timeout", "15", package])
        if failed:
            print(f"    {package} is not to be had here: going on without it")
        return not failed

    def _archive(self) -> Optional[pathlib.Path]:
        return next(iter(sorted((self.cache / "peers").glob("llama_cpp_python-*.tar.gz"))), None)

    def _llama(self, build: bool) -> Optional[pathlib.Path]:
        folder = self.cache / "peers"
        program = folder / "llama-build" / "bin" / "llama-quantize"
        if program.is_file():
            return program
        if not build:
            self.why["llama-quantize"] = "not needed so far"
            return None
        if os.environ.get("DETENT_NO_INSTALL") or self.python is None:
            self.why["llama-quantize"] = "it was not built, and nothing may be installed"
            return None
        folder.mkdir(parents=True, exist_ok=True)
        if self._archive() is None:
            _run([str(self.python), "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
                  "--no-binary", SOURCE, "--dest", str(folder), SOURCE])
        archive = self._archive()
        if archive is None:
            self.why["llama-quantize"] = f"the source package of {SOURCE} could not be downloaded"
            return None
        return self._build(folder, archive, program)

    def _build(self, folder: pathlib.Path, archive: pathlib.Path, program: pathlib.Path) -> Optional[pathlib.Path]:
        print("==> building llama-quantize in build/cache/peers (once, some minutes)", flush=True)
        source = folder / "llama-src"
        source.mkdir(exist_ok=True)
        failed = _run(["tar", "xzf", str(archive), "-C", str(source), "--strip-components=1", "--wildcards",
                       "*/vendor/llama.cpp/*"])
        build = ["nice", "-n", "10", "cmake"]
        failed = failed or _run([*build, "-G", "Ninja", "-S", str(source / "vendor" / "llama.cpp"), "-B",
                                 str(folder / "llama-build"), *LLAMA_OPTIONS])
        failed = failed or _run([*build, "--build", str(folder / "llama-build"), "-j", "2", "--target",
                                 "llama-quantize"])
        if failed or not program.is_file():
            self.why["llama-quantize"] = "it could not be built"
            return None
        return program


def _run(command: list[str]) -> int:
    """The exit status; what the command printed only when that is not 0."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"    {error}")
        return 127
    if result.returncode:
        print("    " + "\n    ".join((result.stdout + result.stderr).strip().splitlines()[-5:]))
    return result.returncode


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
