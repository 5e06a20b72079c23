// SPDX-License-Identifier: Apache-2.0
//! The first two plugins of plugins.c in Rust, over the SDK's own layer: the same bytes.
use detent::{
    abi, affine, Call, Config, Error, Info, Observer, Planner, Quantizer, Reader, Result, Sink, Source, Target,
    TensorInfo, TensorView, Writer,
};

fn largest_of(x: &TensorView) -> Result<f64> {
    let mut largest = 0f64;
    x.for_each(None, |value, _| {
        if value.is_finite() {
            largest = largest.max(value.abs());
        }
    })?;
    Ok(largest)
}

fn positive(step: f64) -> f32 {
    let value = step as f32;
    if value > 0.0 {
        value
    } else {
        1.0
    }
}

struct AbsMax {
    margin: f64,
    largest: f64,
}

impl Observer for AbsMax {
    const INFO: Info = Info {
        id: "compat.absmax",
        version: "1.0.0",
        name: "absmax",
        description: "the largest magnitude",
        vendor: "Detent",
        license: "Apache-2.0",
        flags: abi::DETENT_PLUGIN_MERGE_EXACT | abi::DETENT_PLUGIN_DETERMINISTIC,
        schema: r#"{"type":"object","additionalProperties":false,
            "properties":{"margin":{"type":"number","default":1}}}"#,
        capabilities: r#"{"target":{"properties":{"granularity":{"const":"per_tensor"}}}}"#,
        ..Info::NONE
    };
    fn new(config: &Config) -> Result<Self> {
        Ok(AbsMax { margin: config.f64("/margin", 1.0), largest: -1.0 })
    }
    fn observe(&mut self, x: &TensorView, _: &Call) -> Result<()> {
        if x.dtype() != abi::DETENT_F32 {
            return Err(Error::unsupported("only float32"));
        }
        if x.numel() != 0 {
            self.largest = self.largest.max(largest_of(x)?);
        }
        Ok(())
    }
    fn reset(&mut self) {
        self.largest = -1.0;
    }
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.largest = self.largest.max(other.largest);
        Ok(())
    }
    fn save(&self, out: &mut Writer) -> Result<()> {
        out.f64s(&[self.largest])
    }
    fn load(&mut self, input: &mut Reader) -> Result<()> {
        self.largest = -1.0;
        let largest = input.f64s(1)?[0];
        if !(largest == -1.0 || (largest >= 0.0 && largest.is_finite())) {
            return Err(Error::bad_state("not a state of compat.absmax"));
        }
        self.largest = largest;
        Ok(())
    }
    fn qparams(&self, target: &Target, out: &Sink) -> Result<()> {
        if self.largest < 0.0 {
            return Err(Error::not_ready("no data observed"));
        }
        let m = self.largest * self.margin;
        affine::put_affine(out, target, &[], &[(-m, m)])
    }
}

struct Int8;

impl Quantizer for Int8 {
    const INFO: Info = Info {
        id: "compat.int8",
        version: "1.0.0",
        name: "int8",
        description: "one scale, symmetric",
        vendor: "Detent",
        license: "Apache-2.0",
        flags: abi::DETENT_PLUGIN_DETERMINISTIC,
        ..Info::NONE
    };
    fn new(_: &Config) -> Result<Self> {
        Ok(Int8)
    }
    fn plan(&mut self, tensor: &TensorInfo, planner: &Planner) -> Result<()> {
        if tensor.shape.len() < 2 {
            return planner.decline("not a matrix");
        }
        planner.target(&Target::affine(abi::DETENT_I8, -127, 127).symmetric())?;
        planner.output("qweight", abi::DETENT_I8, tensor.shape)?;
        planner.output("scale", abi::DETENT_F32, &[])?;
        planner.meta("scheme", "\"detent.affine/1\"")
    }
    fn quantize(&mut self, weight: &TensorView, stats: &Source, out: &Sink, _: &Call) -> Result<()> {
        if weight.dtype() != abi::DETENT_F32 {
            return Err(Error::unsupported("only float32"));
        }
        let step = match stats.slice::<f32>("scale", 1) {
            Some(given) => given[0],
            None => positive(largest_of(weight)? / 127.0),
        };
        out.create::<f32>("scale", &[])?[0] = step;
        let mut codes = out.create::<i8>("qweight", weight.shape())?.iter_mut();
        weight.for_each(None, |value, _| {
            let code = affine::round_even(value / f64::from(step)).max(-127.0).min(127.0);
            if let Some(place) = codes.next() {
                *place = code as i8;
            }
        })
    }
    fn dequantize(&mut self, from: &Source, _: &[i64], out: &mut [f32], _: &Call) -> Result<()> {
        match (from.slice::<i8>("qweight", out.len()), from.slice::<f32>("scale", 1)) {
            (Some(codes), Some(scale)) => {
                for (value, code) in out.iter_mut().zip(codes) {
                    *value = f32::from(*code) * scale[0];
                }
                Ok(())
            }
            _ => Err(Error::unsupported("not what compat.int8 made")),
        }
    }
}

detent::library![observer(AbsMax), quantizer(Int8)];
