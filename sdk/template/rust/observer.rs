// SPDX-License-Identifier: Apache-2.0
//! @ID@: the largest magnitude of the whole tensor or of every channel, times a margin.
//!
//!   range [-m, m], m = margin * max|x|        NaN and infinite values are passed over
use detent::{abi, affine, Call, Config, Error, Info, Observer, Reader, Result, Sink, Target, TensorView, Writer};

/// Of a channel before its first finite value.
const NOTHING: f64 = -1.0;

struct AbsMax {
    margin: f64,
    target: Target,
    /// Of each channel; empty before the first tensor.
    largest: Vec<f64>,
}

impl Observer for AbsMax {
    const INFO: Info = Info {
        id: "@ID@",
        version: "0.1.0",
        name: "@NAME@",
        description: "Range [-m, m] of the largest magnitude m",
        vendor: "@VENDOR@",
        license: "Apache-2.0",
        // Promises: a maximum does not depend on order or grouping, and a row's on no other row.
        flags: abi::DETENT_PLUGIN_MERGE_EXACT | abi::DETENT_PLUGIN_DETERMINISTIC | abi::DETENT_PLUGIN_ROWWISE,
        // The host checks parameters against this before `new`, and fills in defaults.
        schema: r#"{
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "margin": {"type": "number", "minimum": 1, "maximum": 100, "default": 1,
                           "description": "Widens the range."}
            }
        }"#,
        // What it can handle at all: the host refuses everything else before a byte is read.
        capabilities: r#"{
            "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
            "target": {"properties": {"granularity": {"enum": ["per_tensor", "per_channel"]}}}
        }"#,
        ..Info::NONE
    };

    fn new(config: &Config) -> Result<Self> {
        let target = config.target().ok_or_else(|| Error::invalid("an observer needs a target"))?;
        match target.granularity() {
            abi::DETENT_PER_TENSOR | abi::DETENT_PER_CHANNEL => {}
            _ => {
                return Err(Error::unsupported(
                    "@ID@ has one range for each tensor or channel, none for groups\n\
                     use a quantizer with \"per_tensor\" or \"per_channel\"",
                ))
            }
        }
        Ok(AbsMax { margin: config.f64("/margin", 1.0), target, largest: Vec::new() })
    }

    fn observe(&mut self, x: &TensorView, call: &Call) -> Result<()> {
        if !detent::is_floating_point(x.dtype()) {
            return Err(Error::unsupported("@ID@ observes floating-point tensors, not this dtype"));
        }
        let axis = self.target.channel_axis();
        if x.numel() == 0 {
            return Ok(());
        }
        if axis.map_or(false, |a| a >= x.ndim()) {
            return Err(Error::unsupported("the tensor has no dimension for the channels"));
        }
        let channels = axis.map_or(1, |a| x.size(a));
        if self.largest.is_empty() {
            self.largest.try_reserve(channels)?;
            self.largest.resize(channels, NOTHING);
        }
        if self.largest.len() != channels {
            return Err(Error::unsupported(format!(
                "the tensor has {} channels, the one before had {}",
                channels,
                self.largest.len()
            )));
        }
        let mut seen = 0u64;
        x.try_for_each(axis, |value, channel| {
            if value.is_finite() {
                self.largest[channel] = self.largest[channel].max(value.abs());
            }
            seen += 1;
            if seen % 65536 == 0 {
                call.check()?;
            }
            Ok(())
        })
    }

    fn reset(&mut self) {
        self.largest.clear();
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.largest.is_empty() {
            return Ok(());
        }
        if self.largest.is_empty() {
            self.largest.try_reserve(other.largest.len())?;
            self.largest.resize(other.largest.len(), NOTHING);
        }
        if self.largest.len() != other.largest.len() {
            return Err(Error::invalid("states of another number of channels cannot be merged"));
        }
        for (m, o) in self.largest.iter_mut().zip(&other.largest) {
            *m = m.max(*o);
        }
        Ok(())
    }

    fn save(&self, out: &mut Writer) -> Result<()> {
        out.u64(self.largest.len() as u64)?;
        out.f64s(&self.largest)
    }

    fn load(&mut self, input: &mut Reader) -> Result<()> {
        let most = self.target.channel_axis().map_or(1, |_| 1 << 32);
        let n = input.u64()?;
        if n > most {
            return Err(Error::bad_state("not a state of @ID@"));
        }
        self.largest = input.f64s(n)?;
        match self.largest.iter().all(|&m| m == NOTHING || (m >= 0.0 && m.is_finite())) {
            true => Ok(()),
            false => Err(Error::bad_state("not a state of @ID@")),
        }
    }

    fn qparams(&self, target: &Target, out: &Sink) -> Result<()> {
        let axis = self.target.channel_axis();
        if target.granularity() != self.target.granularity() || target.channel_axis() != axis {
            return Err(Error::unsupported("the target's channels are not those that were observed"));
        }
        if !self.largest.iter().any(|&m| m >= 0.0) {
            return Err(Error::not_ready("no finite value was observed\ncheck the calibration data"));
        }
        // NOTHING: a channel without a number, among others
        let ranges: Vec<(f64, f64)> =
            self.largest.iter().map(|m| m.max(0.0) * self.margin).map(|m| (-m, m)).collect();
        let shape: Vec<i64> = axis.map(|_| ranges.len() as i64).into_iter().collect();
        affine::put_affine(out, target, &shape, &ranges)
    }
}

detent::library![observer(AbsMax)];
