// SPDX-License-Identifier: Apache-2.0
//! @ID@: symmetric integer codes with one scale for each row of a weight.
//!
//!   q = clamp(round(x / scale[row]), -most, most)     x' = q * scale[row]     most = 2^(bits-1) - 1
//!
//! A row is an index of dimension 0: an output channel of a Linear, a filter of a convolution. Scales
//! are an observer's where there is one, otherwise of the row's own largest magnitude.
use detent::{
    abi, affine, Call, Config, Error, Info, Planner, Quantizer, Result, Role, Sink, Source, Target, TensorInfo,
    TensorView,
};

struct RowCodes {
    bits: i64,
    most: i64,
}

impl RowCodes {
    fn target(&self) -> Target {
        Target::affine(abi::DETENT_I8, -self.most, self.most).symmetric().per_channel(0)
    }

    fn own_scale(&self, row: &TensorView) -> Result<f32> {
        let mut largest = 0f64;
        row.for_each(None, |value, _| largest = largest.max(value.abs()))?;
        Ok(detent::choose_affine(-largest, largest, &self.target()).scale)
    }

    /// False when a value is not finite.
    fn encode(&self, row: &TensorView, scale: f32, codes: &mut [i8]) -> Result<bool> {
        let most = self.most as f64;
        let mut finite = true;
        let mut to = codes.iter_mut();
        row.for_each(None, |value, _| {
            finite = finite && value.is_finite();
            let code = affine::round_even(value / f64::from(scale)).max(-most).min(most);
            if let Some(place) = to.next() {
                *place = code as i8;
            }
        })?;
        Ok(finite)
    }
}

fn reason_to_decline(tensor: &TensorInfo) -> Option<String> {
    if !detent::is_floating_point(tensor.dtype) {
        return Some("not a floating-point tensor".to_string());
    }
    if !tensor.param.contains("weight") {
        return Some(format!("parameter \"{}\" is not a weight", tensor.param));
    }
    if tensor.shape.len() < 2 {
        return Some("one-dimensional parameter".to_string());
    }
    tensor.shape.contains(&0).then(|| "no elements".to_string())
}

impl Quantizer for RowCodes {
    const INFO: Info = Info {
        id: "@ID@",
        version: "0.1.0",
        name: "@NAME@",
        description: "Symmetric codes of 2 to 8 bits, one scale for a row",
        vendor: "@VENDOR@",
        license: "Apache-2.0",
        // Promises: the same bytes each time, and what is made of a row depends on no other row.
        flags: abi::DETENT_PLUGIN_DETERMINISTIC | abi::DETENT_PLUGIN_ROWWISE,
        provides: &["scheme:detent.affine/1"],
        schema: r#"{
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "bits": {"type": "integer", "minimum": 2, "maximum": 8, "default": 8,
                         "description": "How many bits a code takes; it is stored in eight."}
            }
        }"#,
        // What it can handle at all: the host refuses everything else before a byte is read.
        capabilities: r#"{
            "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
            "target": {"properties": {"dtype": {"const": "int8"}, "symmetric": {"const": true},
                                      "granularity": {"const": "per_channel"}, "axis": {"const": 0}}}
        }"#,
        ..Info::NONE
    };

    fn new(config: &Config) -> Result<Self> {
        if config.role() == Role::Activation {
            return Err(Error::params(
                "@ID@ quantizes weights, not activations\nname another quantizer under \"activation\"",
            ));
        }
        let bits = config.i64("/bits", 8);
        Ok(RowCodes { bits, most: (1 << (bits - 1)) - 1 })
    }

    fn plan(&mut self, tensor: &TensorInfo, planner: &Planner) -> Result<()> {
        if let Some(reason) = reason_to_decline(tensor) {
            return planner.decline(&reason);
        }
        planner.target(&self.target())?;
        planner.output("qweight", abi::DETENT_I8, tensor.shape)?;
        planner.output("scale", abi::DETENT_F32, &tensor.shape[..1])?;
        planner.meta("scheme", "\"detent.affine/1\"")?;
        planner.meta("algorithm", "\"rtn\"")?;
        planner.meta("bits", &self.bits.to_string())
    }

    fn quantize(&mut self, weight: &TensorView, stats: &Source, out: &Sink, call: &Call) -> Result<()> {
        if weight.ndim() < 2 || !detent::is_floating_point(weight.dtype()) {
            return Err(Error::unsupported("@ID@ takes floating-point weights of two or more dimensions"));
        }
        let shape = weight.shape();
        let scales = out.create::<f32>("scale", &shape[..1])?;
        let codes = out.create::<i8>("qweight", shape)?;
        if codes.is_empty() {
            return Ok(());
        }
        let observed = stats.slice::<f32>("scale", scales.len());
        let columns = codes.len() / scales.len();
        for (r, (scale, codes)) in scales.iter_mut().zip(codes.chunks_exact_mut(columns)).enumerate() {
            if call.cancelled() {
                return Err(Error::cancelled());
            }
            let row = weight.row(r);
            *scale = match observed {
                Some(observed) => observed[r],
                None => self.own_scale(&row)?,
            };
            if !(*scale > 0.0 && scale.is_finite()) {
                return Err(Error::invalid(format!("the scale of row {} is not a positive number", r)));
            }
            if !self.encode(&row, *scale, codes)? {
                return Err(Error::numeric(format!("row {} holds NaN or infinite values", r)));
            }
        }
        Ok(())
    }

    fn dequantize(&mut self, quantized: &Source, shape: &[i64], out: &mut [f32], call: &Call) -> Result<()> {
        if shape.len() < 2 {
            return Err(Error::unsupported("@ID@ gives values of two or more dimensions"));
        }
        if out.is_empty() {
            return Ok(());
        }
        let rows = shape[0] as usize;
        let codes = quantized.slice::<i8>("qweight", out.len());
        let (codes, scales) = match (codes, quantized.slice::<f32>("scale", rows)) {
            (Some(codes), Some(scales)) => (codes, scales),
            _ => return Err(Error::invalid("\"qweight\" or \"scale\" is missing, or not as it was made")),
        };
        let columns = out.len() / rows;
        let coded = codes.chunks_exact(columns).zip(scales);
        for (values, (codes, scale)) in out.chunks_exact_mut(columns).zip(coded) {
            if call.cancelled() {
                return Err(Error::cancelled());
            }
            for (value, code) in values.iter_mut().zip(codes) {
                *value = f32::from(*code) * scale;
            }
        }
        Ok(())
    }
}

detent::library![quantizer(RowCodes)];
