#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kept binaries in a run of the program, under every host that is given: hosts.py BINARIES MODEL HOST...

DETENT_OTHER_HOSTS (paths with ':' between) adds hosts that other compilers, build types or a build without LibTorch
made. A pipeline of nothing but plugins of one binary runs under each host; all artefacts have to be equal, whichever
compiler or language made host and plugins.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PIPELINE = {"rules": [{"weight": {"observer": {"id": "compat.absmax", "params": {"margin": 1.0}}, "quantizer": "compat.int8"}}],
            "validation": {"validators": [{"id": "compat.sqnr", "params": {"min_db": 20}}]},
            "runtime": {"isolation": "none"}}


def run(host, binary, model, folder):
    """(bytes of the artefacts by name, finding values) of one run."""
    pipeline = dict(PIPELINE, model={"path": str(model)}, plugins={"search": [str(binary)]}, report={"path": "out"},
                    outputs=[{"serializer": "safetensors", "path": "out/model.safetensors"}])
    if has_serializer(host, binary):
        pipeline["outputs"].append({"serializer": "compat.raw", "path": "out/model.raw"})
    else:
        del pipeline["validation"]
    Path(folder, "p.json").write_text(json.dumps(pipeline), encoding="utf-8")
    done = subprocess.run([host, "run", "p.json", "--quiet"], cwd=folder, capture_output=True, text=True, check=False,
                          env=dict(os.environ, DETENT_NO_CACHE="1"))
    if done.returncode:
        raise SystemExit(f"{host} with {binary}: exit {done.returncode}\n{done.stderr}")
    return {p.name: p.read_bytes() for p in Path(folder, "out").glob("model.*")}


def has_serializer(host, binary):
    done = subprocess.run([host, "plugins", "list", "--json", "--plugin-path", str(binary)], capture_output=True, text=True,
                          check=True, env=dict(os.environ, DETENT_NO_CACHE="1"))
    listed = json.loads(done.stdout)
    if problems := [p for p in listed["problems"] if str(binary) in p["path"]]:
        raise SystemExit(f"{host}: {problems}")
    return any(p["id"] == "compat.raw" for p in listed["plugins"])


def tensors(artefact):
    """Codes and scales alone: the metadata name the plugin's own hash."""
    length = int.from_bytes(artefact[:8], "little")
    return hashlib.sha256(artefact[8 + length:]).hexdigest()


def main():
    binaries, model, hosts = Path(sys.argv[1]), Path(sys.argv[2]).resolve(), sys.argv[3:]
    hosts += [h for h in os.environ.get("DETENT_OTHER_HOSTS", "").split(":") if h]
    folders = sorted(p.parent.resolve() for p in binaries.rglob("compat.detent.so"))
    if not folders:
        raise SystemExit(f"no binaries in {binaries}")
    seen, whole = {}, {}
    for host in hosts:
        for binary in folders:
            with tempfile.TemporaryDirectory() as folder:
                made = run(os.path.abspath(host), binary, model, folder)
            seen[host, binary.name] = tensors(made["model.safetensors"])
            # What the binary itself wrote, under two hosts: equal to the last byte. (The host's own serializer
            # is another build under another host, and the artefact has its hash.)
            if (content := made.get("model.raw")) is not None:
                first_host, first = whole.setdefault(binary, (host, content))
                if content != first:
                    raise SystemExit(f"model.raw with {binary.name} differs between {first_host} and {host}")
    if len(set(seen.values())) != 1:
        raise SystemExit("codes and scales differ: " + "; ".join(f"{h} {b}: {d[:12]}" for (h, b), d in seen.items()))
    print(f"{len(hosts)} hosts, {len(folders)} binaries: one result")
    return 0


if __name__ == "__main__":
    sys.exit(main())
