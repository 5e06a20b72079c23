// SPDX-License-Identifier: Apache-2.0
//! From the ranges that an observer found to the "scale" and "zero_point" that it owes: the arithmetic of
//! `detent/c/affine.h`, bit for bit.
use std::os::raw::c_char;

use crate::abi::*;
use crate::error::{Error, Result};
use crate::exchange::Sink;

/// The quantization target: which codes a range of real numbers has to be mapped to, and how.
#[derive(Clone, Copy)]
pub struct Target(detent_qspec);

// Its only pointer is null, or to a static text.
unsafe impl Send for Target {}
unsafe impl Sync for Target {}

impl Target {
    /// The scheme "detent.affine/1" with codes qmin..=qmax, asymmetric, one scale for the tensor.
    pub fn affine(qdtype: detent_dtype, qmin: i64, qmax: i64) -> Self {
        let mut q: detent_qspec = unsafe { std::mem::zeroed() };
        q.struct_size = std::mem::size_of::<detent_qspec>() as u64;
        q.qdtype = qdtype;
        q.zero_dtype = qdtype;
        q.scale_dtype = DETENT_F32;
        q.qmin = qmin;
        q.qmax = qmax;
        q.scheme = b"detent.affine/1\0".as_ptr() as *const c_char;
        Target(q)
    }
    pub fn symmetric(mut self) -> Self {
        self.0.symmetric = 1;
        self
    }
    pub fn per_channel(mut self, axis: i32) -> Self {
        self.0.granularity = DETENT_PER_CHANNEL;
        self.0.axis = axis;
        self
    }
    /// Only what the other side's struct has is taken from it.
    pub(crate) fn from_raw(q: &detent_qspec) -> Self {
        let mut copy: detent_qspec = unsafe { std::mem::zeroed() };
        let size = std::mem::size_of::<detent_qspec>().min(q.struct_size as usize);
        unsafe {
            std::ptr::copy_nonoverlapping(
                q as *const detent_qspec as *const u8,
                &mut copy as *mut detent_qspec as *mut u8,
                size,
            );
        }
        copy.scheme = std::ptr::null(); // lent for the call; a Target may be kept
        Target(copy)
    }
    /// `DETENT_PER_TENSOR`, `DETENT_PER_CHANNEL`, ...
    pub fn granularity(&self) -> i32 {
        self.0.granularity
    }
    /// Of the channels, when there is a scale for each.
    pub fn channel_axis(&self) -> Option<usize> {
        (self.0.granularity == DETENT_PER_CHANNEL).then(|| self.0.axis as usize)
    }
    pub fn raw(&self) -> &detent_qspec {
        &self.0
    }
    fn has_rule(&self, flag: u64) -> bool {
        self.0.affine_rules & flag != 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    pub scale: f32,
    pub zero_point: i64,
}

/// To the nearest integer, ties to even. A number of 2^52 or more has no fraction.
pub fn round_even(x: f64) -> f64 {
    let shift = 4_503_599_627_370_496.0_f64.copysign(x); // 2^52
    if x.abs() < 4_503_599_627_370_496.0 {
        (x + shift) - shift
    } else {
        x
    }
}

/// What a step gives: as it is, or rounded to float32. Of +, -, * and / both give the bits of float32.
fn step(is_float: bool, x: f64) -> f64 {
    if is_float {
        f64::from(x as f32)
    } else {
        x
    }
}

fn range_scale(lo: f64, hi: f64, divisor: f64, symmetric: bool, f: bool) -> f64 {
    let width = step(f, hi - lo);
    if symmetric {
        step(f, (-lo).max(hi) / divisor)
    } else if width.is_finite() {
        step(f, width / divisor)
    } else {
        step(f, step(f, hi / divisor) - step(f, lo / divisor))
    }
}

/// An infinite end counts as the largest number. Requires qmin < qmax and qmax > 0.
pub fn choose_affine(lo: f64, hi: f64, target: &Target) -> Affine {
    let q = target.raw();
    let f = target.has_rule(DETENT_AFFINE_FLOAT32);
    let largest = if f { f64::from(f32::MAX) } else { f64::MAX };
    let (qmin, qmax, symmetric) = (q.qmin as f64, q.qmax as f64, q.symmetric != 0);
    let middle = if qmin < 0.0 { 0.0 } else { qmin + ((qmax - qmin + 1.0) / 2.0).floor() };
    let least = step(f, q.min_scale);
    let lo = step(f, lo.min(0.0).max(-largest));
    let hi = step(f, hi.max(0.0).min(largest));
    let divisor = match (symmetric, target.has_rule(DETENT_AFFINE_HALF_RANGE)) {
        (true, true) => (qmax - qmin) / 2.0,
        (true, false) => qmax - middle,
        (false, _) => qmax - qmin,
    };
    let mut scale = range_scale(lo, hi, divisor, symmetric, f);
    if !target.has_rule(DETENT_AFFINE_FLOOR_ZERO_ONLY) {
        scale = scale.max(least);
    }
    let mut zero = middle;
    if scale < f64::from(f32::MIN_POSITIVE) {
        if !symmetric {
            zero = 0f64.max(qmin).min(qmax);
        }
        scale = if q.min_scale > 0.0 { least } else { 1.0 };
    } else if !symmetric {
        let steps = step(f, lo / scale);
        zero = if target.has_rule(DETENT_AFFINE_ROUND_LO_FIRST) {
            step(f, qmin - round_even(steps))
        } else {
            round_even(step(f, qmin - steps))
        };
        zero = zero.max(qmin).min(qmax);
    }
    // A little less than the largest f32: a scale rounded upwards must not exceed it.
    let most = f64::from(f32::MAX) * (1.0 - 1.0 / 8_388_608.0) / (qmax - zero).max(zero - qmin);
    Affine { scale: scale.min(most) as f32, zero_point: zero as i64 }
}

fn refuse(target: &Target) -> Result<()> {
    let q = target.raw();
    let limit = 1 << 24; // f32 holds every code exactly
    if q.qmin >= q.qmax || q.qmax <= 0 || q.qmin < -limit || q.qmax > limit {
        return Err(Error::invalid("the target's codes cannot hold an affine mapping"));
    }
    if q.scale_dtype != DETENT_F32 {
        return Err(Error::unsupported("scales are f32"));
    }
    if target.has_rule(!DETENT_AFFINE_ALL) {
        return Err(Error::unsupported("the target has rules for its scales that are not known here"));
    }
    Ok(())
}

fn put_zero_points(out: &Sink, dtype: detent_dtype, shape: &[i64], zeros: &[i64]) -> Result<()> {
    fn put<T: crate::Element + TryFrom<i64>>(out: &Sink, shape: &[i64], zeros: &[i64]) -> Result<()> {
        let made = out.create::<T>("zero_point", shape)?;
        for (to, &zero) in made.iter_mut().zip(zeros) {
            *to = T::try_from(zero)
                .map_err(|_| Error::invalid("a zero point does not fit the zero_dtype of the target"))?;
        }
        Ok(())
    }
    match dtype {
        DETENT_I8 => put::<i8>(out, shape, zeros),
        DETENT_U8 => put::<u8>(out, shape, zeros),
        DETENT_I32 => put::<i32>(out, shape, zeros),
        DETENT_I64 => put::<i64>(out, shape, zeros),
        _ => Err(Error::unsupported("zero points are int8, uint8, int32 or int64")),
    }
}

/// One scale and, unless the target is symmetric and signed, one zero point for each (lo, hi).
pub fn put_affine(out: &Sink, target: &Target, shape: &[i64], ranges: &[(f64, f64)]) -> Result<()> {
    refuse(target)?;
    let scale = out.create::<f32>("scale", shape)?;
    let mut zeros = Vec::new();
    zeros.try_reserve(ranges.len())?;
    for (to, &(lo, hi)) in scale.iter_mut().zip(ranges) {
        let affine = choose_affine(lo, hi, target);
        *to = affine.scale;
        zeros.push(affine.zero_point);
    }
    let q = target.raw();
    if q.symmetric != 0 && q.qmin < 0 {
        return Ok(());
    }
    put_zero_points(out, q.zero_dtype, shape, &zeros)
}
