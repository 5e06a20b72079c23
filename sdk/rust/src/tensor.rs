// SPDX-License-Identifier: Apache-2.0
//! TensorView: a tensor lent by the host, of any dtype and strides, for reading.
use std::marker::PhantomData;

use crate::abi;
use crate::error::{Error, Result};

/// A Rust type that is an ABI dtype.
///
/// # Safety
/// Every pattern of bits is a value of the type, whose size is that of the dtype.
pub unsafe trait Element: Copy + 'static {
    const DTYPE: abi::detent_dtype;
}
macro_rules! elements {
    ($($rust:ty, $dtype:ident);+) => { $(unsafe impl Element for $rust { const DTYPE: abi::detent_dtype = abi::$dtype; })+ };
}
elements!(f32, DETENT_F32; f64, DETENT_F64; i8, DETENT_I8; u8, DETENT_U8; i32, DETENT_I32; i64, DETENT_I64; u64, DETENT_U64);

pub fn is_floating_point(dtype: abi::detent_dtype) -> bool {
    matches!(dtype, abi::DETENT_F32 | abi::DETENT_F64 | abi::DETENT_F16 | abi::DETENT_BF16)
}

/// IEEE binary16 to binary32, exact.
pub fn half_to_float(h: u16) -> f32 {
    let sign = u32::from(h & 0x8000) << 16;
    let exponent = u32::from(h >> 10) & 31;
    let mantissa = u32::from(h & 1023);
    match exponent {
        31 => f32::from_bits(sign | 0x7F80_0000 | mantissa << 13),
        0 => f32::from_bits(sign | (mantissa as f32 * 5.960_464_5e-8).to_bits()), // 2^-24
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    t: abi::detent_tensor,
    lent: PhantomData<&'a abi::detent_tensor>,
}

impl<'a> TensorView<'a> {
    /// # Safety
    /// `t` describes memory that is there for as long as the view.
    pub unsafe fn from_raw(t: &'a abi::detent_tensor) -> Self {
        TensorView { t: *t, lent: PhantomData }
    }
    pub fn dtype(&self) -> abi::detent_dtype {
        self.t.dtype
    }
    pub fn ndim(&self) -> usize {
        usize::try_from(self.t.ndim).unwrap_or(0)
    }
    pub fn shape(&self) -> &'a [i64] {
        self.extents(self.t.shape)
    }
    fn strides(&self) -> &'a [i64] {
        self.extents(self.t.strides)
    }
    fn extents(&self, at: *const i64) -> &'a [i64] {
        match self.ndim() {
            0 => &[],
            n => unsafe { std::slice::from_raw_parts(at, n) },
        }
    }
    pub fn size(&self, dimension: usize) -> usize {
        self.shape()[dimension] as usize
    }
    pub fn numel(&self) -> usize {
        self.shape().iter().map(|&n| n as usize).product()
    }
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape().iter().zip(self.strides()).rev().all(|(&n, &stride)| {
            let fits = n == 1 || stride == expected;
            expected *= n;
            fits
        })
    }
    fn bytes(&self) -> *const u8 {
        (self.t.data as *const u8).wrapping_add(self.t.byte_offset as usize)
    }
    fn element_bytes(&self) -> usize {
        (self.t.dtype >> 8 & 0xFF) as usize / 8
    }
    /// The elements, when the tensor is contiguous, aligned, and of T's dtype.
    pub fn as_slice<T: Element>(&self) -> Option<&'a [T]> {
        let at = self.bytes() as *const T;
        match self.numel() {
            0 => Some(&[]),
            n if self.t.dtype == T::DTYPE && self.is_contiguous() && at as usize % std::mem::align_of::<T>() == 0 => {
                Some(unsafe { std::slice::from_raw_parts(at, n) })
            }
            _ => None,
        }
    }
    /// Index r of dimension 0, as a tensor of one dimension less.
    pub fn row(&self, r: usize) -> TensorView<'a> {
        assert!(r < self.size(0), "there is no row {}", r);
        let step = self.strides()[0] * self.element_bytes() as i64;
        let mut t = self.t;
        t.byte_offset = t.byte_offset.wrapping_add((r as i64 * step) as u64);
        t.ndim -= 1;
        t.shape = t.shape.wrapping_add(1);
        t.strides = t.strides.wrapping_add(1);
        TensorView { t, lent: PhantomData }
    }
    /// f(value, index along the axis) for each element in row-major order; the index is 0 without an
    /// axis. Every value of f32, f64, f16, bf16 and of integers up to 32 bits is exact.
    pub fn for_each(&self, axis: Option<usize>, mut f: impl FnMut(f64, usize)) -> Result<()> {
        self.try_for_each(axis, |value, index| {
            f(value, index);
            Ok(())
        })
    }
    /// The same until f gives an error: a call that takes long asks `call.cancelled()` now and then.
    pub fn try_for_each(&self, axis: Option<usize>, f: impl FnMut(f64, usize) -> Result<()>) -> Result<()> {
        match self.t.dtype {
            abi::DETENT_F32 => self.walk(axis, |v: f32| f64::from(v), f),
            abi::DETENT_F64 => self.walk(axis, |v: f64| v, f),
            abi::DETENT_F16 => self.walk(axis, |v: u16| f64::from(half_to_float(v)), f),
            abi::DETENT_BF16 => self.walk(axis, |v: u16| f64::from(f32::from_bits(u32::from(v) << 16)), f),
            abi::DETENT_I8 => self.walk(axis, |v: i8| f64::from(v), f),
            abi::DETENT_U8 => self.walk(axis, |v: u8| f64::from(v), f),
            abi::DETENT_I16 => self.walk(axis, |v: i16| f64::from(v), f),
            abi::DETENT_U16 => self.walk(axis, |v: u16| f64::from(v), f),
            abi::DETENT_I32 => self.walk(axis, |v: i32| f64::from(v), f),
            abi::DETENT_U32 => self.walk(axis, |v: u32| f64::from(v), f),
            other => Err(Error::unsupported(format!("elements of dtype {:#x} cannot be read", other))),
        }
    }

    fn walk<T: Copy>(
        &self,
        axis: Option<usize>,
        value: impl Fn(T) -> f64,
        mut f: impl FnMut(f64, usize) -> Result<()>,
    ) -> Result<()> {
        let (shape, strides, total) = (self.shape(), self.strides(), self.numel());
        let mut index = vec![0i64; shape.len()];
        let mut at = self.bytes();
        for _ in 0..total {
            // Aligned to the element only as far as the host's memory is.
            let element = unsafe { (at as *const T).read_unaligned() };
            f(value(element), axis.map_or(0, |a| index[a] as usize))?;
            for d in (0..shape.len()).rev() {
                let step = strides[d] as isize * std::mem::size_of::<T>() as isize;
                at = at.wrapping_offset(step);
                index[d] += 1;
                if index[d] < shape[d] {
                    break;
                }
                at = at.wrapping_offset(-step * shape[d] as isize);
                index[d] = 0;
            }
        }
        Ok(())
    }
}
