#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are the instruments right? Arithmetic of the figures, the generated model, the page and its plots."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

from suite import commands, goals, models, page, page_files, page_text, results, svg, tables

BINARIES = pathlib.Path(os.environ["DETENT_TEST_PROGRAM"]).parent


def timed(part, work, who, size, seconds, **more):
    return {**results.measurement(part, work, who, size), "seconds": seconds, "cpu_seconds": seconds, **more}


def document(*measurements):
    made = results.empty()
    made["machine"] = {"cpu": "A processor", "processors": 2, "caches": ["L2 512 KiB"], "memory_bytes": 8e9,
                       "instruction_sets": ["avx2"], "kernel": "Linux 6", "load_at_start": 0.1,
                       "build": {"compiler": "GNU 12", "build_type": "Release", "flags": "-O3", "targets": ["AVX2"]}}
    made["measurements"] = list(measurements)
    return made


MINMAX = "minmax_tensor/f32/large"


class Figures(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_times(self):
        """The machine was ten times slower in the last round, for both."""
        ours = timed("plugins", MINMAX + "/1", "detent", 100, [1, 2, 10], beside="torch.aminmax")
        theirs = timed("plugins", MINMAX, "torch.aminmax", 100, [3, 4, 30])
        line, = goals.rows(document(ours, theirs))
        self.assertEqual(line.ratio, 3)
        self.assertTrue(line.met)

    def test_a_row_that_falls_short_says_so_with_its_reason(self):
        ours = timed("plugins", MINMAX + "/1", "detent", 100, [2, 2], beside="torch.aminmax")
        text = page_text.page(document(ours, timed("plugins", MINMAX, "torch.aminmax", 100, [1, 1])), {})
        self.assertIn("| 0.50 x (0.50-0.50) | 1 x | no |", text)
        self.assertIn("Rows that fall short:", text)

    def test_a_peer_that_is_not_there_leaves_its_cells_empty(self):
        ours = timed("plugins", MINMAX + "/1", "detent", 100, [1], beside="torch.aminmax")
        theirs = {**timed("plugins", MINMAX, "torch.aminmax", 100, []), "error": "ModuleNotFoundError"}
        self.assertEqual(goals.rows(document(ours, theirs))[0].cells()[2:6:3], ["not available", "-"])

    def test_the_line_of_cost_finds_what_is_linear_and_how_far_a_point_is_off(self):
        straight = [(x, 0.5 + 2 * x) for x in (0.1, 0.5, 1, 4)]
        self.assertAlmostEqual(page_files.deviation(straight), 0, places=9)
        start, slope = page_files.fit(straight)
        self.assertAlmostEqual(start, 0.5)
        self.assertAlmostEqual(slope, 2)
        bent = straight[:3] + [(4, 1.5 * straight[3][1])]
        self.assertGreater(page_files.deviation(bent), 0.05)

    def test_units_are_those_of_the_size(self):
        self.assertEqual([tables.seconds(s) for s in (2, 0.0123, 4.5e-5, 2e-9)], ["2.00 s", "12.3 ms", "45.0 us", "2.00 ns"])
        self.assertEqual(tables.rate(12.34e9), "12.3 GB/s")

    def test_new_figures_of_a_part_replace_its_old_ones_alone(self):
        made = document(timed("files", "a", "cp", 1, [1]), timed("plugins", "b", "detent", 1, [1]))
        results.forget(made, "files")
        self.assertEqual([m["work"] for m in made["measurements"]], ["b"])


class Models(unittest.TestCase):
    def test_a_model_is_a_safetensors_file_without_gaps_and_the_same_for_a_seed(self):
        shape = models.Shape(hidden=64, key_values=64, inner=96, vocabulary=32, layers=2)
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder) / name for name in ("a", "b")]
            for path in paths:
                models.write(path, shape)
            data, again = (path.read_bytes() for path in paths)
        self.assertEqual(data, again)
        length, = struct.unpack("<Q", data[:8])
        entries = json.loads(data[8:8 + length])
        ends = [0]
        for entry in entries.values():
            self.assertEqual(entry["data_offsets"][0], ends[-1])
            ends.append(entry["data_offsets"][1])
        self.assertEqual(ends[-1], shape.bytes)
        self.assertEqual(len(data), 8 + length + shape.bytes)
        self.assertEqual(len(entries), 3 + 2 * 9)

    def test_the_sizes_come_within_a_layer_of_what_was_asked_for(self):
        for size in (0.1e9, 0.5e9, 1e9, 4e9):
            self.assertLess(abs(models.of_size(size).bytes - size), 30e6)


class Measured(unittest.TestCase):
    """detent_measure, with a program that takes what it is told."""

    def test_time_memory_and_exit_status_are_those_of_the_command(self):
        code = "import sys, time; x = bytearray(50 << 20); time.sleep(.2); sys.exit(3)"
        facts = commands.take(BINARIES, [sys.executable, "-c", code]).facts
        self.assertEqual(facts["exit"], 3)
        self.assertGreater(facts["seconds"], 0.2)
        self.assertGreater(facts["peak_rss"], 50 << 20)
        self.assertGreater(facts["peak_anonymous"], 50 << 20)
        self.assertLess(facts["user"] + facts["system"], facts["seconds"] + 0.05)

    def test_a_small_command_is_not_charged_with_the_memory_of_who_starts_it(self):
        ballast = bytearray(64 << 20)
        self.assertLess(commands.take(BINARIES, ["true"]).facts["peak_rss"], 16 << 20)
        del ballast

    def test_a_command_that_cannot_start_has_an_error_and_no_figure(self):
        made = results.empty()
        commands.take_turns(made, "files", BINARIES, [commands.Job("x", "nobody", 1, ("/nonexistent",))], 2)
        entry, = made["measurements"]
        self.assertEqual(entry["seconds"], [])
        self.assertIn("exit status 127", entry["error"])


class Works(unittest.TestCase):
    def test_every_work_that_is_compared_exists(self):
        listing = subprocess.run([str(BINARIES / "detent_bench_once"), "--works"], capture_output=True, text=True,
                                 check=True).stdout
        names = {line.split()[0] for line in listing.splitlines()}
        for row in (*goals.GOALS, *page_text.rows.OTHERS):
            self.assertIn(row.work + "/1", names)
            self.assertIn(row.limit, names)
        for work in page_text.rows.PARALLEL:
            self.assertIn(work + "/2", names)


class Plots(unittest.TestCase):
    def test_axes_end_at_round_numbers_beyond_the_data(self):
        self.assertEqual(svg.ticks(0, 4.02), [0, 1, 2, 3, 4, 5])
        self.assertEqual(svg.ticks(0, 70), [0, 20, 40, 60, 80])

    def test_plots_are_well_formed_and_hold_their_figures_and_units(self):
        sizes = [timed("scaling", f"size {n} GB/int8/1", "detent", n * 1e9, [n * 0.5], peak_rss=[5e7]) for n in (1, 2, 4)]
        with tempfile.TemporaryDirectory() as folder:
            docs = pathlib.Path(folder)
            page.write(document(*sizes), docs)
            text = (docs / "benchmarks.md").read_text(encoding="utf-8")
            for name in ("scaling_time", "scaling_memory"):
                self.assertIn(f"](benchmarks/{name}.svg)", text)
                root = xml.etree.ElementTree.parse(docs / "benchmarks" / f"{name}.svg").getroot()
                self.assertEqual(len([e for e in root.iter() if e.tag.endswith("circle")]), 3)
                self.assertIn("file, GB", "".join(root.itertext()))
            self.assertFalse((docs / "benchmarks" / "goals.svg").exists())


if __name__ == "__main__":
    unittest.main()
