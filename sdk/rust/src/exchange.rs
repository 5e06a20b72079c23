// SPDX-License-Identifier: Apache-2.0
//! Sink and Source exchange named tensors with the host; Writer and Reader are state streams.
use std::ffi::{CStr, CString};
use std::os::raw::c_void;
use std::ptr;

use crate::abi;
use crate::error::{Error, Result};
use crate::tensor::{Element, TensorView};

pub(crate) fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::invalid("a text with a zero byte"))
}

/// Where results go: the host owns the memory.
#[derive(Clone, Copy)]
pub struct Sink<'a>(&'a abi::detent_tensor_sink);

impl<'a> Sink<'a> {
    pub(crate) fn new(sink: &'a abi::detent_tensor_sink) -> Self {
        Sink(sink)
    }
    /// Zeroed room for a result. An error when the host refuses: a name used twice, over budget.
    pub fn create<T: Element>(&self, name: &str, shape: &[i64]) -> Result<&'a mut [T]> {
        let name_c = c_text(name)?;
        let spec = abi::detent_tensor_spec {
            name: name_c.as_ptr(),
            shape: if shape.is_empty() { ptr::null() } else { shape.as_ptr() },
            ndim: shape.len() as i32,
            dtype: T::DTYPE,
        };
        let mut made: abi::detent_tensor = unsafe { std::mem::zeroed() };
        let create = self.0.create.ok_or_else(Error::no_memory)?;
        match unsafe { create(self.0, &spec, &mut made) } {
            abi::DETENT_OK => {}
            code => return Err(Error::new(code, format!("the host gave no room for {}", name))),
        }
        let n = shape.iter().map(|&n| n as usize).product();
        if n == 0 || made.data.is_null() {
            return Ok(&mut []);
        }
        Ok(unsafe { std::slice::from_raw_parts_mut(made.data as *mut T, n) })
    }
    /// Metadata; json is one JSON value.
    pub fn meta(&self, key: &str, json: &str) -> Result<()> {
        let (key, json) = (c_text(key)?, c_text(json)?);
        let set = self.0.set_meta.ok_or_else(Error::no_memory)?;
        match unsafe { set(self.0, key.as_ptr(), json.as_ptr()) } {
            abi::DETENT_OK => Ok(()),
            code => Err(Error::new(code, "the host refused metadata")),
        }
    }
}

/// Named tensors and metadata which the host lends.
#[derive(Clone, Copy)]
pub struct Source<'a>(Option<&'a abi::detent_tensor_source>);

impl<'a> Source<'a> {
    pub(crate) fn new(source: Option<&'a abi::detent_tensor_source>) -> Self {
        Source(source)
    }
    pub fn get(&self, name: &str) -> Option<TensorView<'a>> {
        let source = self.0?;
        let name = CString::new(name).ok()?;
        let found = unsafe { source.get?(source, name.as_ptr()).as_ref() }?;
        Some(unsafe { TensorView::from_raw(found) })
    }
    /// The tensor's elements when it is there, of T's dtype, contiguous, and exactly n of them.
    pub fn slice<T: Element>(&self, name: &str, n: usize) -> Option<&'a [T]> {
        self.get(name)?.as_slice().filter(|values: &&[T]| values.len() == n)
    }
    /// One JSON value.
    pub fn meta(&self, key: &str) -> Option<&'a str> {
        let source = self.0?;
        let key = CString::new(key).ok()?;
        let found = unsafe { source.get_meta?(source, key.as_ptr()) };
        if found.is_null() {
            return None;
        }
        unsafe { CStr::from_ptr(found) }.to_str().ok()
    }
}

/// Numbers are little-endian.
pub struct Writer<'a>(&'a abi::detent_ostream);

impl<'a> Writer<'a> {
    pub(crate) fn new(stream: &'a abi::detent_ostream) -> Self {
        Writer(stream)
    }
    pub fn bytes(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let taken = match self.0.write {
                Some(write) => unsafe { write(self.0, data.as_ptr() as *const c_void, data.len() as u64) },
                None => -1,
            };
            if taken <= 0 || taken as usize > data.len() {
                return Err(Error::new(abi::DETENT_E_IO, "the state could not be written"));
            }
            data = &data[taken as usize..];
        }
        Ok(())
    }
    pub fn u64(&mut self, value: u64) -> Result<()> {
        self.bytes(&value.to_le_bytes())
    }
    pub fn f64s(&mut self, values: &[f64]) -> Result<()> {
        values.iter().try_for_each(|v| self.bytes(&v.to_le_bytes()))
    }
}

/// The bytes are untrusted: check each value that is used as a size.
pub struct Reader<'a> {
    stream: &'a abi::detent_istream,
    failed: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(stream: &'a abi::detent_istream) -> Self {
        Reader { stream, failed: false }
    }
    /// The stream itself, not for want of bytes.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }
    fn some(&mut self, data: &mut [u8]) -> usize {
        let got = match self.stream.read {
            Some(read) => unsafe { read(self.stream, data.as_mut_ptr() as *mut c_void, data.len() as u64) },
            None => -1,
        };
        self.failed = self.failed || got < 0;
        usize::try_from(got).map_or(0, |n| n.min(data.len()))
    }
    /// All of data, or an error.
    pub fn bytes(&mut self, mut data: &mut [u8]) -> Result<()> {
        while !data.is_empty() {
            let got = self.some(data);
            if got == 0 {
                return Err(Error::bad_state("the state ends too early"));
            }
            data = &mut data[got..];
        }
        Ok(())
    }
    pub fn u64(&mut self) -> Result<u64> {
        let mut raw = [0; 8];
        self.bytes(&mut raw)?;
        Ok(u64::from_le_bytes(raw))
    }
    /// Grows with what is really there: an n that lies costs no memory.
    pub fn f64s(&mut self, n: u64) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        let mut piece = [0u8; 8 * 512];
        while (values.len() as u64) < n {
            let step = (n - values.len() as u64).min(512) as usize;
            self.bytes(&mut piece[..8 * step])?;
            values.try_reserve(step)?;
            for raw in piece[..8 * step].chunks_exact(8) {
                let mut one = [0; 8];
                one.copy_from_slice(raw);
                values.push(f64::from_le_bytes(one));
            }
        }
        Ok(values)
    }
    pub fn at_end(&mut self) -> bool {
        self.some(&mut [0]) == 0
    }
}
