// SPDX-License-Identifier: Apache-2.0
//! Quantizers. The contract of each function is in `detent/abi/quantizer.h`.
use std::ffi::CStr;
use std::os::raw::c_char;

use crate::abi::{self, detent_quantizer};
use crate::affine::Target;
use crate::boundary::{drop_handle, guard, hand_out};
use crate::call::{Call, Config};
use crate::error::{Error, Result};
use crate::exchange::{c_text, Sink, Source};
use crate::library::{self, Info};
use crate::tensor::TensorView;

/// The tensor that a plan is asked for.
pub struct TensorInfo<'a> {
    pub name: &'a str,
    pub shape: &'a [i64],
    pub dtype: abi::detent_dtype,
    pub layer: &'a str,
    /// "Linear", "Conv2d", ...; empty when unknown.
    pub layer_type: &'a str,
    /// "weight", "bias", ...
    pub param: &'a str,
}

/// What plan fills: either `decline`, or `target` (if scales come from observers) and every output.
pub struct Planner<'a>(&'a abi::detent_plan_sink);

impl<'a> Planner<'a> {
    fn checked(status: Option<i32>) -> Result<()> {
        match status {
            Some(abi::DETENT_OK) => Ok(()),
            Some(code) => Err(Error::new(code, "")),
            None => Err(Error::new(abi::DETENT_E_INTERNAL, "the host has no such function")),
        }
    }
    pub fn target(&self, target: &Target) -> Result<()> {
        Self::checked(self.0.target.map(|f| unsafe { f(self.0, target.raw()) }))
    }
    pub fn output(&self, name: &str, dtype: abi::detent_dtype, shape: &[i64]) -> Result<()> {
        let name = c_text(name)?;
        let shape_at = if shape.is_empty() { std::ptr::null() } else { shape.as_ptr() };
        let spec = abi::detent_tensor_spec { name: name.as_ptr(), shape: shape_at, ndim: shape.len() as i32, dtype };
        Self::checked(self.0.output.map(|f| unsafe { f(self.0, &spec, 0) }))
    }
    pub fn decline(&self, reason: &str) -> Result<()> {
        let reason = c_text(reason)?;
        Self::checked(self.0.decline.map(|f| unsafe { f(self.0, reason.as_ptr()) }))
    }
    /// Stored with the codes; json is one JSON value. "scheme" is needed.
    pub fn meta(&self, key: &str, json: &str) -> Result<()> {
        let (key, json) = (c_text(key)?, c_text(json)?);
        Self::checked(self.0.meta.map(|f| unsafe { f(self.0, key.as_ptr(), json.as_ptr()) }))
    }
}

pub trait Quantizer: Sized + Send + 'static {
    const INFO: Info;
    fn new(config: &Config) -> Result<Self>;
    /// Asked for every floating-point tensor of a layer, without data.
    fn plan(&mut self, tensor: &TensorInfo, planner: &Planner) -> Result<()>;
    /// Creates what was planned. stats has an observer's "scale" and "zero_point" where there is one.
    fn quantize(&mut self, weight: &TensorView, stats: &Source, out: &Sink, call: &Call) -> Result<()>;
    /// Perhaps in another process: everything comes from `quantized`. out is compact, of that shape.
    fn dequantize(&mut self, quantized: &Source, shape: &[i64], out: &mut [f32], call: &Call) -> Result<()>;
}

type CallPtr = *const abi::detent_call;

unsafe fn text<'a>(at: *const c_char) -> &'a str {
    if at.is_null() {
        return "";
    }
    CStr::from_ptr(at).to_str().unwrap_or("")
}

unsafe extern "C" fn create<T: Quantizer>(
    _: *const abi::detent_host,
    call: CallPtr,
    config: *const abi::detent_config,
    out: *mut *mut detent_quantizer,
) -> i32 {
    guard(call, || hand_out(out, T::new(&Config::new(&*config))))
}
unsafe extern "C" fn destroy<T: Quantizer>(q: *mut detent_quantizer) {
    drop_handle::<T, _>(q)
}
unsafe extern "C" fn plan<T: Quantizer>(
    q: *mut detent_quantizer,
    call: CallPtr,
    info: *const abi::detent_tensor_info,
    sink: *const abi::detent_plan_sink,
) -> i32 {
    guard(call, || {
        let (info, spec) = (&*info, &*(*info).tensor);
        let shape: &[i64] = match spec.ndim {
            0 => &[],
            n => std::slice::from_raw_parts(spec.shape, n as usize),
        };
        let tensor = TensorInfo {
            name: text(spec.name),
            shape,
            dtype: spec.dtype,
            layer: text(info.layer),
            layer_type: text(info.layer_type),
            param: text(info.param),
        };
        (*(q as *mut T)).plan(&tensor, &Planner(&*sink))
    })
}
unsafe extern "C" fn quantize<T: Quantizer>(
    q: *mut detent_quantizer,
    call: CallPtr,
    weight: *const abi::detent_tensor,
    stats: *const abi::detent_tensor_source,
    sink: *const abi::detent_tensor_sink,
) -> i32 {
    guard(call, || {
        let (weight, stats) = (TensorView::from_raw(&*weight), Source::new(stats.as_ref()));
        (*(q as *mut T)).quantize(&weight, &stats, &Sink::new(&*sink), &Call::new(call))
    })
}
unsafe extern "C" fn dequantize<T: Quantizer>(
    q: *mut detent_quantizer,
    call: CallPtr,
    quantized: *const abi::detent_tensor_source,
    out: *const abi::detent_tensor,
) -> i32 {
    guard(call, || {
        let to = TensorView::from_raw(&*out);
        let n = to.numel();
        if to.dtype() != abi::DETENT_F32 {
            return Err(Error::unsupported("values are given as float32"));
        }
        let values: &mut [f32] = match n {
            0 => &mut [],
            _ => std::slice::from_raw_parts_mut((*out).data as *mut f32, n),
        };
        let source = Source::new(quantized.as_ref());
        (*(q as *mut T)).dequantize(&source, to.shape(), values, &Call::new(call))
    })
}

#[doc(hidden)]
pub fn describe<T: Quantizer>() -> abi::detent_plugin {
    let vtbl = abi::detent_quantizer_vtbl {
        struct_size: std::mem::size_of::<abi::detent_quantizer_vtbl>() as u64,
        create: Some(create::<T>),
        destroy: Some(destroy::<T>),
        plan: Some(plan::<T>),
        quantize: Some(quantize::<T>),
        dequantize: Some(dequantize::<T>),
        get_extension: None,
    };
    library::describe(abi::DETENT_KIND_QUANTIZER, &T::INFO, vtbl)
}
