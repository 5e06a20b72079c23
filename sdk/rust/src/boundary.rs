// SPDX-License-Identifier: Apache-2.0
//! Where a call of the host enters: panics are caught, errors become a status and a text.
use std::os::raw::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::abi;
use crate::error::{Error, Result};

fn text_of(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_string())
}

/// # Safety
/// `call` is null or the host's.
pub unsafe fn guard(call: *const abi::detent_call, f: impl FnOnce() -> Result<()>) -> i32 {
    let error = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => return abi::DETENT_OK,
        Ok(Err(error)) => error,
        Err(panic) => Error::new(abi::DETENT_E_INTERNAL, text_of(panic)),
    };
    if !call.is_null() && !error.message.is_empty() && crate::has_field!(call, fail) {
        if let Some(fail) = (*call).fail {
            fail(call, error.code, error.message.as_ptr() as *const c_char, error.message.len() as u64);
        }
    }
    error.code
}

/// Puts a new instance where the host wants it, behind the plugin's own pointer.
///
/// # Safety
/// `out` is the host's.
pub unsafe fn hand_out<T, Handle>(out: *mut *mut Handle, made: Result<T>) -> Result<()> {
    *out = Box::into_raw(Box::new(made?)) as *mut Handle;
    Ok(())
}

/// # Safety
/// `handle` is null or what `hand_out` gave, and is not used again.
pub unsafe fn drop_handle<T, Handle>(handle: *mut Handle) {
    if !handle.is_null() {
        // What a destructor panics with has nobody to tell.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(handle as *mut T))));
    }
}
