# SPDX-License-Identifier: Apache-2.0
"""Our safetensors reader against the reference one: whatever we take it takes, and whatever it takes we
take, but for the classes that docs and header comment of the reader name. Seeded; ~600 small files."""
import collections
import json
import pathlib
import random
import struct
import tempfile
import unittest

import program

program.require("safetensors")
import safetensors  # noqa: E402

FILES = 600
BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
        "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
        "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
# What the reference reader takes and ours does not: words of our message.
STRICTER = ["does not begin with '{'", "__metadata__ is null", "duplicate key", "2^63", "end on a byte",
            "-0 is no whole number"]  # the reference reader takes it in fields that it ignores
ODD = ["-1", "1.0", "1e2", "-0", "null", "true", '"1"', "[]", "{}", "0", "1", "2", "8", "01", "1.5",
       str(2**32), str(2**62), str(2**63), str(2**64 - 1), str(2**64)]


class Generator:
    """Files that are valid or have few mistakes. A header is a list of (name, {field: JSON text})."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, probability):
        return self.random.random() < probability

    def file(self):
        entries, size = self.entries()
        for _ in range(self.random.choice([0, 0, 0, 1, 1, 2])):
            self.spoil(entries)
        members = [(name, "{" + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}")
                   for name, fields in entries]
        if self.chance(0.3):
            members.append(("__metadata__", self.random.choice(
                ['{"a":"b"}', "{}", '{"a":1}', "null", "[]", '{"a":null}', '{"a":"1","a":"2"}'])))
        self.random.shuffle(members)
        header = "{" + ",".join(json.dumps(k) + ":" + v for k, v in members) + "}"
        return self.frame(header.encode(), size)

    def entries(self):
        entries, end = [], 0
        for i in range(self.random.randrange(5)):
            dtype = self.random.choice(list(BITS))
            shape = [self.random.choice([0, 1, 2, 3, 4, 8]) for _ in range(self.random.randrange(4))]
            bits = BITS[dtype]
            for dim in shape:
                bits *= dim
            begin, end = end, end + (bits + 7) // 8
            entries.append((self.random.choice(["a", "", "x.y", f"w{i}", f"u{i}"]),
                            {"dtype": json.dumps(dtype), "shape": json.dumps(shape),
                             "data_offsets": json.dumps([begin, end])}))
        return entries, end

    def spoil(self, entries):
        if not entries:
            return
        name, fields = self.random.choice(entries)
        field = self.random.choice(["dtype", "shape", "data_offsets", "unknown"])
        kind = self.random.randrange(5)
        if kind == 0:
            fields.pop(field, None)
        elif kind == 1:
            fields[field] = self.random.choice(ODD)
        elif kind == 2:
            fields["dtype"] = json.dumps(self.random.choice([*BITS, "F31", "f32"]))
        elif kind == 3:
            entries.append((name, dict(fields)))
        else:
            values = json.loads(fields.get("shape", "[]")) if "[" in fields.get("shape", "") else []
            texts = [str(v) for v in values] + [self.random.choice(ODD)]
            self.random.shuffle(texts)
            fields["shape"] = "[" + ",".join(texts) + "]"

    def frame(self, header, size):
        if self.chance(0.1):
            header += self.random.choice([b" ", b"\n ", b"\0", b"x", b"{}", b"\xff"])
        if self.chance(0.03):
            header = b" " + header
        length = len(header) + (self.random.choice([-1, 1, 2**40]) if self.chance(0.03) else 0)
        size += self.random.choice([-1, 1]) if self.chance(0.05) else 0
        data = struct.pack("<Q", length) + header + bytes(max(0, size))
        return data[:self.random.randrange(len(data))] if self.chance(0.03) else data


def reference_takes(data):
    try:
        safetensors.deserialize(data)
        return True
    except safetensors.SafetensorError:
        return False


class Differential(unittest.TestCase):
    def test_both_readers_take_the_same_files(self):
        generator = Generator(20240601)
        outcomes = collections.Counter()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "m.safetensors"
            for i in range(FILES):
                data = generator.file()
                path.write_bytes(data)
                taken = reference_takes(data)
                ours, message = self.inspect(path)
                outcomes[ours, taken] += 1
                if taken and not ours:
                    self.assertTrue(any(words in message for words in STRICTER), (i, data, message))
                self.assertFalse(ours and not taken, (i, data))
        print({f"ours {o}, reference {t}": n for (o, t), n in outcomes.items()})
        self.assertGreater(outcomes[True, True], FILES // 6)
        self.assertGreater(outcomes[False, False], FILES // 6)

    def inspect(self, path):
        try:
            program.detent("inspect", path, "--json")
            return True, ""
        except AssertionError as error:
            self.assertIn("exited with 5,", str(error))
            return False, str(error)


if __name__ == "__main__":
    program.main()
