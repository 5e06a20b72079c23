// SPDX-License-Identifier: Apache-2.0
//! northwind.percentile_rust: the observer of ../../src/percentile.hpp once more, with the same answers and
//! the same states, bit for bit.
use std::collections::BTreeMap;

use detent::{abi, affine, Call, Config, Error, Info, Observer, Reader, Result, Sink, Target, TensorView, Writer};

/// A positive float's bits are in the order of its value: the exponent and five bits behind it are a bin.
const SHIFT: u32 = 18;
const BINS: u32 = 255 * 32;

fn bin_of(magnitude: f64) -> u32 {
    (magnitude.min(f64::from(f32::MAX)) as f32).to_bits() >> SHIFT
}

fn upper_end(bin: u32) -> f64 {
    f64::from(f32::from_bits((bin + 1) << SHIFT)) // of the last bin: infinity
}

#[derive(Clone, Default)]
struct Channel {
    largest: f64,
    counts: BTreeMap<u32, u64>,
}

impl Channel {
    fn magnitude(&self, percentile: f64) -> f64 {
        let total = self.counts.values().fold(0u64, |sum, n| sum.wrapping_add(*n));
        let wanted = (percentile / 100.0 * total as f64).ceil();
        let mut seen = 0u64;
        for (&bin, &count) in &self.counts {
            seen = seen.wrapping_add(count);
            if seen as f64 >= wanted {
                return upper_end(bin).min(self.largest);
            }
        }
        self.largest // of no value: 0
    }
}

struct Percentile {
    percentile: f64,
    target: Target,
    channels: Vec<Channel>,
}

fn bad_state() -> Error {
    Error::bad_state("not a state of northwind.percentile_rust")
}

fn load_channel(input: &mut Reader) -> Result<Channel> {
    let mut channel = Channel { largest: f64::from_bits(input.u64()?), ..Channel::default() };
    let bins = input.u64()?;
    if bins > u64::from(BINS) {
        return Err(bad_state());
    }
    let mut total = 0u64;
    let mut next = 0u32;
    for _ in 0..bins {
        let mut raw = [0; 4];
        input.bytes(&mut raw)?;
        let (bin, count) = (u32::from_le_bytes(raw), input.u64()?);
        if bin < next || bin >= BINS || count == 0 || count > (1 << 63) - total {
            return Err(bad_state());
        }
        next = bin + 1;
        total += count;
        channel.counts.insert(bin, count);
    }
    let last = channel.counts.keys().next_back().copied().unwrap_or(0);
    let sound = channel.largest >= 0.0 && channel.largest.is_finite() && bin_of(channel.largest) == last;
    sound.then(|| channel).ok_or_else(bad_state)
}

impl Observer for Percentile {
    const INFO: Info = Info {
        id: "northwind.percentile_rust",
        version: "1.0.0",
        name: "Northwind percentile (Rust)",
        description: "Range that holds a share of the magnitudes",
        vendor: "Northwind Semiconductor",
        license: "Apache-2.0",
        flags: abi::DETENT_PLUGIN_MERGE_EXACT | abi::DETENT_PLUGIN_DETERMINISTIC | abi::DETENT_PLUGIN_ROWWISE,
        schema: r#"{
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "percentile": {"type": "number", "minimum": 50, "maximum": 100, "default": 99.9,
                               "description": "Per cent of the magnitudes that the range holds."}
            }
        }"#,
        capabilities: r#"{
            "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
            "target": {"properties": {"granularity": {"enum": ["per_tensor", "per_channel"]}}}
        }"#,
        ..Info::NONE
    };

    fn new(config: &Config) -> Result<Self> {
        let target = config.target().ok_or_else(|| Error::invalid("an observer needs a target"))?;
        if target.granularity() > abi::DETENT_PER_CHANNEL {
            return Err(Error::unsupported(
                "northwind.percentile_rust has one range for each tensor or channel\n\
                 use a quantizer with \"per_tensor\" or \"per_channel\"",
            ));
        }
        Ok(Percentile { percentile: config.f64("/percentile", 99.9), target, channels: Vec::new() })
    }

    fn observe(&mut self, x: &TensorView, call: &Call) -> Result<()> {
        if !detent::is_floating_point(x.dtype()) {
            return Err(Error::unsupported("northwind.percentile_rust observes floating-point tensors"));
        }
        let axis = self.target.channel_axis();
        if x.numel() == 0 {
            return Ok(());
        }
        if axis.map_or(false, |a| a >= x.ndim()) {
            return Err(Error::unsupported("the tensor has no dimension for the channels"));
        }
        let n = axis.map_or(1, |a| x.size(a));
        if self.channels.is_empty() {
            self.channels.try_reserve(n)?;
            self.channels.resize(n, Channel::default());
        }
        if self.channels.len() != n {
            return Err(Error::unsupported("the number of channels changed"));
        }
        let mut seen = 0u64;
        x.try_for_each(axis, |value, c| {
            if value.is_finite() {
                let channel = &mut self.channels[c];
                channel.largest = channel.largest.max(value.abs());
                *channel.counts.entry(bin_of(value.abs())).or_insert(0) += 1;
            }
            seen += 1;
            if seen % 65536 == 0 {
                call.check()?;
            }
            Ok(())
        })
    }

    fn reset(&mut self) {
        self.channels.clear();
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.channels.is_empty() {
            return Ok(());
        }
        if self.channels.is_empty() {
            self.channels.try_reserve(other.channels.len())?;
            self.channels.resize(other.channels.len(), Channel::default());
        }
        if self.channels.len() != other.channels.len() {
            return Err(Error::invalid("states of another number of channels cannot be merged"));
        }
        for (mine, theirs) in self.channels.iter_mut().zip(&other.channels) {
            mine.largest = mine.largest.max(theirs.largest);
            for (&bin, &count) in &theirs.counts {
                let sum = mine.counts.entry(bin).or_insert(0);
                *sum = sum.wrapping_add(count);
            }
        }
        Ok(())
    }

    fn save(&self, out: &mut Writer) -> Result<()> {
        out.u64(self.channels.len() as u64)?;
        for channel in &self.channels {
            out.u64(channel.largest.to_bits())?;
            out.u64(channel.counts.len() as u64)?;
            for (bin, count) in &channel.counts {
                out.bytes(&bin.to_le_bytes())?;
                out.u64(*count)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, input: &mut Reader) -> Result<()> {
        self.channels.clear();
        let n = input.u64()?;
        if n > self.target.channel_axis().map_or(1, |_| 1 << 32) {
            return Err(bad_state());
        }
        for _ in 0..n {
            let channel = load_channel(input)?;
            self.channels.try_reserve(1)?;
            self.channels.push(channel);
        }
        Ok(())
    }

    fn qparams(&self, target: &Target, out: &Sink) -> Result<()> {
        let axis = self.target.channel_axis();
        if target.granularity() != self.target.granularity() || target.channel_axis() != axis {
            return Err(Error::unsupported("the target's channels are not those that were observed"));
        }
        if self.channels.iter().all(|c| c.counts.is_empty()) {
            return Err(Error::not_ready("no finite value was observed\ncheck the calibration data"));
        }
        let magnitudes = self.channels.iter().map(|c| c.magnitude(self.percentile));
        let ranges: Vec<(f64, f64)> = magnitudes.map(|m| (-m, m)).collect();
        let shape: Vec<i64> = axis.map(|_| ranges.len() as i64).into_iter().collect();
        affine::put_affine(out, target, &shape, &ranges)
    }
}

detent::library![observer(Percentile)];
