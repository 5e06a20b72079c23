#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants one mistake at a time in a copy of the ABI headers: the checks must see each of them.

    test_checks.py COMPILER INCLUDE LAYOUT
"""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# (which check, header, what stands there, what it becomes)
MISTAKES = [
    ("layout", "abi/observer.h", "  int32_t(DETENT_CALL *reset)(detent_observer *, const detent_call *);\n", ""),
    ("layout", "abi/base.h", "  int64_t group_size;\n  int64_t block_rows;\n", "  int64_t block_rows;\n  int64_t group_size;\n"),
    ("layout", "abi/base.h", "  uint32_t symmetric; ", "  uint64_t symmetric; "),
    ("layout", "abi/base.h", "  uint64_t flags;\n} detent_tensor;", "  uint64_t flags;\n  uint64_t more;\n} detent_tensor;"),
    ("layout", "abi/validator.h", "  uint64_t file_bytes_after; ", "  uint64_t file_bytes_late; "),
    ("rules", "abi/base.h", "  int64_t group_size;", "  long group_size;"),
    ("rules", "abi/base.h", "  uint64_t params_len;", "  size_t params_len;"),
    ("rules", "abi/base.h", "DETENT_NO_TAIL(detent_host, get_extension);", ""),
    ("rules", "abi/validator.h", "typedef struct detent_finding {\n  uint64_t struct_size;", "typedef struct detent_finding {"),
    ("rules", "abi/quantizer.h", "const detent_tensor *weight,", "detent_tensor weight,"),
    ("rules", "abi/validator.h", "  uint64_t tensors;", "  bool tensors;"),
    ("rules", "abi/serializer.h", "  uint64_t(DETENT_CALL *size)", "  unsigned(DETENT_CALL *size)"),
]


def run(check, compiler, include, layout):
    arguments = [compiler, include, layout] if check == "layout" else [include]
    script = [sys.executable, str(HERE / f"check_{check}.py"), *arguments]
    return subprocess.run(script, capture_output=True, text=True, check=False)


def main():
    compiler, include, layout = sys.argv[1:4]
    for check in ("layout", "rules"):
        if run(check, compiler, include, layout).returncode != 0:
            print(f"check_{check}.py refuses the headers as they are")
            return 1
    failures = 0
    for check, header, before, after in MISTAKES:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(Path(include, "detent"), Path(folder, "detent"))
            path = Path(folder, "detent", header)
            text = path.read_text(encoding="utf-8")
            if text.count(before) != 1:
                print(f"{header}: {before!r} stands there {text.count(before)} times")
                failures += 1
                continue
            path.write_text(text.replace(before, after), encoding="utf-8")
            if run(check, compiler, folder, layout).returncode == 0:
                print(f"check_{check}.py did not see, in {header}: {after or '(without) ' + before!r}")
                failures += 1
    print(f"{len(MISTAKES) - failures} of {len(MISTAKES)} mistakes seen")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
