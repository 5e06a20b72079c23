#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each mutant of mutants.txt fails the case that is there for its fault; those without one pass all.

    test_mutants.py DETENT FOLDER KIND [FAULT]
"""
import json
import pathlib
import subprocess
import sys



def listed(kind):
    text = (pathlib.Path(__file__).parent / "mutants.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [(fault, case) for k, fault, case in rows if k == kind]


def check(detent, library, only=None):
    command = [detent, "plugins", "check", str(library), "--json", "--timeout", "60"]
    done = subprocess.run(command + (["--only", only] if only else []), capture_output=True, text=True,
                          check=False)
    if done.returncode not in (0, 6):
        raise SystemExit(f"{library}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    report = json.loads(done.stdout)
    cases = [c for s in [report["library"], *report["plugins"]] for c in s["cases"]]
    return done.returncode, cases


def failed(cases):
    return [c for c in cases if c["status"] not in ("pass", "skip")]


def problems_of(detent, library, case):
    if case == "pass":
        code, cases = check(detent, library)
        yield from (f"{c['name']} {c['status']}: {c['message']}" for c in failed(cases))
        if code != 0 or len(cases) < 40:
            yield f"exit status {code}, {len(cases)} cases"
        return
    code, cases = check(detent, library, case)
    if code != 6 or not any(c["name"] == case for c in failed(cases)):
        found = ", ".join(f"{c['name']} {c['status']} {c['message']}" for c in cases)
        yield f"{case} does not find it: {found}"
    elif not all(c["message"] and c["hint"] for c in failed(cases)):
        yield f"{case} finds it and does not say what to do"


def main():
    detent, folder, kind = sys.argv[1:4]
    wrong = 0
    faults = [f for f in listed(kind) if len(sys.argv) < 5 or f[0] == sys.argv[4]]
    for fault, case in faults:
        for problem in problems_of(detent, pathlib.Path(folder) / f"mutant_{kind}_{fault}.detent.so", case):
            wrong += 1
            print(f"{kind} {fault}: {problem}")
    print(f"{len(faults)} mutants, {wrong} problems")
    return 1 if wrong or not faults else 0


if __name__ == "__main__":
    sys.exit(main())
