// SPDX-License-Identifier: Apache-2.0
//! The Rust layer of the Detent SDK: implement [`Observer`] or [`Quantizer`], and name the type in
//! [`library!`]. Nothing but the standard library is needed; Rust 1.63 or later.
//!
//! A panic never crosses the boundary: it is caught and becomes `DETENT_E_INTERNAL` with its text. Build
//! with `panic = "unwind"`, the default.

pub mod abi;
pub mod affine;
mod boundary;
mod call;
mod error;
mod exchange;
#[doc(hidden)]
pub mod library;
pub mod observer;
pub mod quantizer;
mod tensor;

pub use affine::{choose_affine, Affine, Target};
pub use call::{Call, Config, Role};
pub use error::{Error, Result};
pub use exchange::{Reader, Sink, Source, Writer};
pub use library::Info;
pub use observer::Observer;
pub use quantizer::{Planner, Quantizer, TensorInfo};
pub use tensor::{is_floating_point, Element, TensorView};

/// Is the field in the struct that the other side filled?
#[doc(hidden)]
#[macro_export]
macro_rules! has_field {
    ($pointer:expr, $field:ident) => {{
        let s = &*$pointer;
        let end = std::ptr::addr_of!(s.$field) as usize + std::mem::size_of_val(&s.$field)
            - std::ptr::addr_of!(*s) as usize;
        s.struct_size >= end as u64
    }};
}

/// The plugins of this library, and the one function that it exports:
/// `detent::library![observer(AbsMax), quantizer(RowCodes)];`
#[macro_export]
macro_rules! library {
    ($($kind:ident($plugin:ty)),+ $(,)?) => {
        /// What a host looks for.
        #[no_mangle]
        pub extern "C" fn detent_entry(abi_major: u32) -> *const $crate::abi::detent_library {
            $crate::library::entry(abi_major, || vec![$($crate::$kind::describe::<$plugin>()),+])
        }
    };
}
