// SPDX-License-Identifier: Apache-2.0
//! The descriptors and the one exported function of a plugin library.
use std::ffi::CString;
use std::os::raw::{c_char, c_void};
use std::panic::catch_unwind;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::Once;

use crate::abi;

/// Who a plugin is; the defaults of the rest are `Info::NONE`.
#[derive(Clone, Copy)]
pub struct Info {
    /// What configurations name: lower case, with a domain of yours in front.
    pub id: &'static str,
    pub version: &'static str,
    pub name: &'static str,
    /// One line.
    pub description: &'static str,
    pub vendor: &'static str,
    /// SPDX.
    pub license: &'static str,
    /// `DETENT_PLUGIN_` promises.
    pub flags: u64,
    /// Of the bytes of `save`; observers only.
    pub state_version: u32,
    /// JSON Schema of the parameters.
    pub schema: &'static str,
    /// JSON: limits of dtype, granularity and so on; empty when none are declared.
    pub capabilities: &'static str,
    pub aliases: &'static [&'static str],
    pub provides: &'static [&'static str],
    pub requirements: &'static [&'static str],
}

impl Info {
    pub const NONE: Info = Info {
        id: "",
        version: "",
        name: "",
        description: "",
        vendor: "",
        license: "",
        flags: 0,
        state_version: 1,
        schema: r#"{"type":"object","additionalProperties":false}"#,
        capabilities: "",
        aliases: &[],
        provides: &[],
        requirements: &[],
    };
}

// Descriptors live from load to unload: they are made once and never freed.
fn lasting_text(text: &str) -> *const c_char {
    CString::new(text).unwrap_or_default().into_raw()
}

fn lasting_list(texts: &[&str]) -> *const *const c_char {
    let list: Vec<*const c_char> =
        texts.iter().map(|t| lasting_text(t)).chain(std::iter::once(ptr::null())).collect();
    Box::leak(list.into_boxed_slice()).as_ptr()
}

pub(crate) fn describe<Vtbl>(kind: u32, info: &Info, vtbl: Vtbl) -> abi::detent_plugin {
    abi::detent_plugin {
        struct_size: std::mem::size_of::<abi::detent_plugin>() as u64,
        kind,
        state_version: info.state_version,
        flags: info.flags,
        id: lasting_text(info.id),
        version: lasting_text(info.version),
        name: lasting_text(info.name),
        description: lasting_text(info.description),
        vendor: lasting_text(info.vendor),
        license: lasting_text(info.license),
        params_schema: lasting_text(info.schema),
        aliases: lasting_list(info.aliases),
        provides: lasting_list(info.provides),
        requires_: lasting_list(info.requirements),
        capabilities: match info.capabilities {
            "" => ptr::null(),
            text => lasting_text(text),
        },
        vtbl: Box::leak(Box::new(vtbl)) as *const Vtbl as *const c_void,
    }
}

static MADE: Once = Once::new();
static LIBRARY: AtomicPtr<abi::detent_library> = AtomicPtr::new(ptr::null_mut());
static PLUGINS: AtomicPtr<Vec<abi::detent_plugin>> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn init(_: *const abi::detent_host, _: *const abi::detent_call) -> i32 {
    abi::DETENT_OK
}
unsafe extern "C" fn deinit() {}
unsafe extern "C" fn plugin_count() -> u64 {
    PLUGINS.load(Ordering::Acquire).as_ref().map_or(0, |all| all.len() as u64)
}
unsafe extern "C" fn plugin_at(i: u64) -> *const abi::detent_plugin {
    let all = PLUGINS.load(Ordering::Acquire).as_ref();
    all.and_then(|all| all.get(i as usize)).map_or(ptr::null(), |p| p as *const _)
}

/// What `detent_entry` gives. `make` is called once.
pub fn entry(abi_major: u32, make: fn() -> Vec<abi::detent_plugin>) -> *const abi::detent_library {
    if abi_major != abi::DETENT_ABI_MAJOR {
        return ptr::null();
    }
    MADE.call_once(|| {
        // Without plugins there is no library; a panic must not leave.
        let plugins = match catch_unwind(make) {
            Ok(plugins) => plugins,
            Err(_) => return,
        };
        PLUGINS.store(Box::into_raw(Box::new(plugins)), Ordering::Release);
        let library = abi::detent_library {
            magic: abi::DETENT_MAGIC,
            abi_major: abi::DETENT_ABI_MAJOR,
            abi_minor: abi::DETENT_ABI_MINOR,
            abi_min_minor: abi::DETENT_ABI_MIN_MINOR,
            struct_size: std::mem::size_of::<abi::detent_library>() as u64,
            build: b"Rust\0".as_ptr() as *const c_char,
            init: Some(init),
            deinit: Some(deinit),
            plugin_count: Some(plugin_count),
            plugin_at: Some(plugin_at),
            get_extension: None,
        };
        LIBRARY.store(Box::into_raw(Box::new(library)), Ordering::Release);
    });
    LIBRARY.load(Ordering::Acquire)
}
