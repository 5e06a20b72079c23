// SPDX-License-Identifier: Apache-2.0
//! What the host lends for one call, and what create is given.
use std::ffi::{CStr, CString};

use crate::abi;
use crate::affine::Target;

#[derive(Clone, Copy)]
pub struct Call(*const abi::detent_call);

impl Call {
    pub(crate) fn new(call: *const abi::detent_call) -> Self {
        Call(call)
    }
    /// An error once the host wants the call to end.
    pub fn check(&self) -> crate::Result<()> {
        match self.cancelled() {
            true => Err(crate::Error::cancelled()),
            false => Ok(()),
        }
    }
    /// Ask at least every 50 ms; when true, clean up and return `Error::cancelled()`.
    pub fn cancelled(&self) -> bool {
        unsafe {
            if self.0.is_null() || !crate::has_field!(self.0, cancelled) {
                return false;
            }
            (*self.0).cancelled.map_or(false, |f| f(self.0) != 0)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    None,
    Weight,
    Activation,
}

/// Parameters were checked by the host against the plugin's schema. `at` is a JSON Pointer: "/margin".
pub struct Config<'a>(&'a abi::detent_config);

impl<'a> Config<'a> {
    pub(crate) fn new(config: &'a abi::detent_config) -> Self {
        Config(config)
    }
    /// Observers: the target that they aim at. None for the other kinds.
    pub fn target(&self) -> Option<Target> {
        unsafe { self.0.qspec.as_ref() }.map(Target::from_raw)
    }
    pub fn role(&self) -> Role {
        let known = crate::has_field!(self.0, role);
        match (known, self.0.role) {
            (true, abi::DETENT_ROLE_WEIGHT) => Role::Weight,
            (true, abi::DETENT_ROLE_ACTIVATION) => Role::Activation,
            _ => Role::None,
        }
    }
    pub fn f64(&self, at: &str, fallback: f64) -> f64 {
        self.get(at, fallback, |p, at, out| unsafe { (*p).get_f64.map(|f| f(p, at.as_ptr(), out)) })
    }
    pub fn i64(&self, at: &str, fallback: i64) -> i64 {
        self.get(at, fallback, |p, at, out| unsafe { (*p).get_i64.map(|f| f(p, at.as_ptr(), out)) })
    }
    pub fn bool(&self, at: &str, fallback: bool) -> bool {
        let read = |p: *const abi::detent_params, at: &CStr, out: *mut u32| unsafe {
            (*p).get_bool.map(|f| f(p, at.as_ptr(), out))
        };
        self.get(at, u32::from(fallback), read) != 0
    }

    fn get<T: Copy>(
        &self,
        at: &str,
        fallback: T,
        read: impl Fn(*const abi::detent_params, &CStr, *mut T) -> Option<i32>,
    ) -> T {
        let mut value = fallback;
        let name = CString::new(at).unwrap_or_default();
        match read(self.0.params, &name, &mut value) {
            Some(abi::DETENT_OK) => value,
            _ => fallback,
        }
    }
}
