// SPDX-License-Identifier: Apache-2.0
//! The ABI as the headers `detent/abi.h` and `detent/abi/*.h` have it, and nothing else: what crosses the boundary.
//! Made by `tests/abi/write_rust.py`; contracts and reasons are in the headers.
#![allow(non_camel_case_types)]
use std::os::raw::{c_char, c_void};

pub type detent_dtype = u32;

// ---- detent/abi.h

pub const DETENT_KIND_OBSERVER: u32 = 1;
pub const DETENT_KIND_QUANTIZER: u32 = 2;
pub const DETENT_KIND_SERIALIZER: u32 = 3;
pub const DETENT_KIND_VALIDATOR: u32 = 4;
pub const DETENT_PLUGIN_MERGE_EXACT: u64 = 1 << 0;
pub const DETENT_PLUGIN_DETERMINISTIC: u64 = 1 << 1;
pub const DETENT_PLUGIN_WANTS_ISOLATION: u64 = 1 << 2;
pub const DETENT_PLUGIN_ROWWISE: u64 = 1 << 3;
pub const DETENT_ENTRY_SYMBOL: &str = "detent_entry";

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_plugin {
    pub struct_size: u64,
    pub kind: u32,
    pub state_version: u32,
    pub flags: u64,
    pub id: *const c_char,
    pub version: *const c_char,
    pub name: *const c_char,
    pub description: *const c_char,
    pub vendor: *const c_char,
    pub license: *const c_char,
    pub params_schema: *const c_char,
    pub aliases: *const *const c_char,
    pub provides: *const *const c_char,
    pub requires_: *const *const c_char,
    pub capabilities: *const c_char,
    pub vtbl: *const c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_library {
    pub magic: u32,
    pub abi_major: u32,
    pub abi_minor: u32,
    pub abi_min_minor: u32,
    pub struct_size: u64,
    pub build: *const c_char,
    pub init: Option<unsafe extern "C" fn(*const detent_host, *const detent_call) -> i32>,
    pub deinit: Option<unsafe extern "C" fn()>,
    pub plugin_count: Option<unsafe extern "C" fn() -> u64>,
    pub plugin_at: Option<unsafe extern "C" fn(u64) -> *const detent_plugin>,
    pub get_extension: Option<unsafe extern "C" fn(*const c_char) -> *const c_void>,
}

// ---- detent/abi/base.h

pub const DETENT_ABI_MAJOR: u32 = 0;
pub const DETENT_ABI_MINOR: u32 = 9;
pub const DETENT_ABI_FIRST_MINOR: u32 = 9;
pub const DETENT_ABI_MIN_MINOR: u32 = DETENT_ABI_FIRST_MINOR;
pub const DETENT_MAGIC: u32 = 0x544E5444;
pub const DETENT_OK: i32 = 0;
pub const DETENT_E_INTERNAL: i32 = 1;
pub const DETENT_E_INVALID_ARG: i32 = 2;
pub const DETENT_E_UNSUPPORTED: i32 = 3;
pub const DETENT_E_PARAMS: i32 = 4;
pub const DETENT_E_NO_MEMORY: i32 = 5;
pub const DETENT_E_CANCELLED: i32 = 6;
pub const DETENT_E_BAD_STATE: i32 = 7;
pub const DETENT_E_NOT_READY: i32 = 8;
pub const DETENT_E_IO: i32 = 9;
pub const DETENT_E_NUMERIC: i32 = 10;
pub const DETENT_E_NOT_FOUND: i32 = 11;
pub const DETENT_E_CRASHED: i32 = 1000;
pub const DETENT_E_TIMEOUT: i32 = 1001;
pub const DETENT_I4: detent_dtype = 0x10400;
pub const DETENT_I8: detent_dtype = 0x10800;
pub const DETENT_I16: detent_dtype = 0x11000;
pub const DETENT_I32: detent_dtype = 0x12000;
pub const DETENT_I64: detent_dtype = 0x14000;
pub const DETENT_U4: detent_dtype = 0x10401;
pub const DETENT_U8: detent_dtype = 0x10801;
pub const DETENT_U16: detent_dtype = 0x11001;
pub const DETENT_U32: detent_dtype = 0x12001;
pub const DETENT_U64: detent_dtype = 0x14001;
pub const DETENT_F16: detent_dtype = 0x11002;
pub const DETENT_F32: detent_dtype = 0x12002;
pub const DETENT_F64: detent_dtype = 0x14002;
pub const DETENT_BF16: detent_dtype = 0x11004;
pub const DETENT_BOOL: detent_dtype = 0x10806;
pub const DETENT_F8_E4M3FN: detent_dtype = 0x1080a;
pub const DETENT_F8_E4M3FNUZ: detent_dtype = 0x1080b;
pub const DETENT_F8_E5M2: detent_dtype = 0x1080c;
pub const DETENT_F8_E5M2FNUZ: detent_dtype = 0x1080d;
pub const DETENT_F8_E8M0FNU: detent_dtype = 0x1080e;
pub const DETENT_F4_E2M1FN: detent_dtype = 0x10411;
pub const DETENT_DEVICE_CPU: i32 = 1;
pub const DETENT_TENSOR_READ_ONLY: u64 = 1 << 0;
pub const DETENT_PER_TENSOR: i32 = 0;
pub const DETENT_PER_CHANNEL: i32 = 1;
pub const DETENT_PER_GROUP: i32 = 2;
pub const DETENT_PER_BLOCK: i32 = 3;
pub const DETENT_AFFINE_HALF_RANGE: u64 = 1 << 0;
pub const DETENT_AFFINE_ROUND_LO_FIRST: u64 = 1 << 1;
pub const DETENT_AFFINE_FLOAT32: u64 = 1 << 2;
pub const DETENT_AFFINE_FLOOR_ZERO_ONLY: u64 = 1 << 3;
pub const DETENT_AFFINE_ALL: u64 = (1 << 4) - 1;
pub const DETENT_LOG_DEBUG: i32 = 0;
pub const DETENT_LOG_INFO: i32 = 1;
pub const DETENT_LOG_WARN: i32 = 2;
pub const DETENT_LOG_ERROR: i32 = 3;
pub const DETENT_ROLE_NONE: u32 = 0;
pub const DETENT_ROLE_WEIGHT: u32 = 1;
pub const DETENT_ROLE_ACTIVATION: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_tensor {
    pub data: *mut c_void,
    pub device_type: i32,
    pub device_id: i32,
    pub ndim: i32,
    pub dtype: detent_dtype,
    pub shape: *const i64,
    pub strides: *const i64,
    pub byte_offset: u64,
    pub nbytes: u64,
    pub flags: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_tensor_spec {
    pub name: *const c_char,
    pub shape: *const i64,
    pub ndim: i32,
    pub dtype: detent_dtype,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_istream {
    pub ctx: *mut c_void,
    pub read: Option<unsafe extern "C" fn(*const detent_istream, *mut c_void, u64) -> i64>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_ostream {
    pub ctx: *mut c_void,
    pub write: Option<unsafe extern "C" fn(*const detent_ostream, *const c_void, u64) -> i64>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_tensor_sink {
    pub struct_size: u64,
    pub ctx: *mut c_void,
    pub create: Option<unsafe extern "C" fn(*const detent_tensor_sink, *const detent_tensor_spec, *mut detent_tensor) -> i32>,
    pub set_meta: Option<unsafe extern "C" fn(*const detent_tensor_sink, *const c_char, *const c_char) -> i32>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_tensor_source {
    pub struct_size: u64,
    pub ctx: *mut c_void,
    pub get: Option<unsafe extern "C" fn(*const detent_tensor_source, *const c_char) -> *const detent_tensor>,
    pub get_meta: Option<unsafe extern "C" fn(*const detent_tensor_source, *const c_char) -> *const c_char>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_qspec {
    pub struct_size: u64,
    pub qdtype: detent_dtype,
    pub scale_dtype: detent_dtype,
    pub zero_dtype: detent_dtype,
    pub symmetric: u32,
    pub granularity: i32,
    pub axis: i32,
    pub group_size: i64,
    pub block_rows: i64,
    pub qmin: i64,
    pub qmax: i64,
    pub scheme: *const c_char,
    pub min_scale: f64,
    pub affine_rules: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_host {
    pub struct_size: u64,
    pub abi_major: u32,
    pub abi_minor: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub host_data: *mut c_void,
    pub log: Option<unsafe extern "C" fn(*const detent_host, i32, *const c_char, u64)>,
    pub alloc: Option<unsafe extern "C" fn(*const detent_host, u64, u64) -> *mut c_void>,
    pub free: Option<unsafe extern "C" fn(*const detent_host, *mut c_void, u64, u64)>,
    pub get_extension: Option<unsafe extern "C" fn(*const detent_host, *const c_char) -> *const c_void>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_call {
    pub struct_size: u64,
    pub ctx: *mut c_void,
    pub fail: Option<unsafe extern "C" fn(*const detent_call, i32, *const c_char, u64)>,
    pub cancelled: Option<unsafe extern "C" fn(*const detent_call) -> i32>,
    pub progress: Option<unsafe extern "C" fn(*const detent_call, u64, u64)>,
    pub scratch: Option<unsafe extern "C" fn(*const detent_call, u64, u64) -> *mut c_void>,
    pub parallel_for: Option<unsafe extern "C" fn(*const detent_call, u64, Option<unsafe extern "C" fn(*mut c_void, u64)>, *mut c_void)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_params {
    pub struct_size: u64,
    pub ctx: *mut c_void,
    pub get_i64: Option<unsafe extern "C" fn(*const detent_params, *const c_char, *mut i64) -> i32>,
    pub get_f64: Option<unsafe extern "C" fn(*const detent_params, *const c_char, *mut f64) -> i32>,
    pub get_bool: Option<unsafe extern "C" fn(*const detent_params, *const c_char, *mut u32) -> i32>,
    pub get_str: Option<unsafe extern "C" fn(*const detent_params, *const c_char, *mut *const c_char, *mut u64) -> i32>,
    pub array_size: Option<unsafe extern "C" fn(*const detent_params, *const c_char, *mut u64) -> i32>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_config {
    pub struct_size: u64,
    pub params: *const detent_params,
    pub params_json: *const c_char,
    pub params_len: u64,
    pub target: *const c_char,
    pub qspec: *const detent_qspec,
    pub role: u32,
    pub reserved: u32,
}

// ---- detent/abi/observer.h

#[repr(C)]
pub struct detent_observer {
    _private: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_observer_vtbl {
    pub struct_size: u64,
    pub create: Option<unsafe extern "C" fn(*const detent_host, *const detent_call, *const detent_config, *mut *mut detent_observer) -> i32>,
    pub destroy: Option<unsafe extern "C" fn(*mut detent_observer)>,
    pub observe: Option<unsafe extern "C" fn(*mut detent_observer, *const detent_call, *const detent_tensor) -> i32>,
    pub reset: Option<unsafe extern "C" fn(*mut detent_observer, *const detent_call) -> i32>,
    pub merge: Option<unsafe extern "C" fn(*mut detent_observer, *const detent_call, *const detent_observer) -> i32>,
    pub save_state: Option<unsafe extern "C" fn(*const detent_observer, *const detent_call, *const detent_ostream) -> i32>,
    pub load_state: Option<unsafe extern "C" fn(*mut detent_observer, *const detent_call, *const detent_istream) -> i32>,
    pub compute_qparams: Option<unsafe extern "C" fn(*const detent_observer, *const detent_call, *const detent_qspec, *const detent_tensor_sink) -> i32>,
    pub compute_stat: Option<unsafe extern "C" fn(*const detent_observer, *const detent_call, *const c_char, *const detent_tensor_sink) -> i32>,
    pub get_extension: Option<unsafe extern "C" fn(*const detent_observer, *const c_char) -> *const c_void>,
    pub observe_weighted: Option<unsafe extern "C" fn(*mut detent_observer, *const detent_call, *const detent_tensor, *const detent_tensor) -> i32>,
}

// ---- detent/abi/program.h

pub const DETENT_EXT_PROGRAM_WRITER: &str = "detent.program-writer/1";
pub const DETENT_NEEDS_PROGRAM: &str = "model:program/1";
pub const DETENT_ACTIVATION_FLOAT: u32 = 0;
pub const DETENT_ACTIVATION_STATIC: u32 = 1;
pub const DETENT_ACTIVATION_DYNAMIC: u32 = 2;
pub const DETENT_ARG_OPERAND: u32 = 0;
pub const DETENT_ARG_TENSOR: u32 = 1;
pub const DETENT_ARG_INT: u32 = 2;
pub const DETENT_ARG_FLOAT: u32 = 3;
pub const DETENT_ARG_BOOL: u32 = 4;
pub const DETENT_ARG_PREPARED: u32 = 5;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_program_activation {
    pub mode: u64,
    pub qspec: *const detent_qspec,
    pub scale: *const c_char,
    pub zero_point: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_program_use {
    pub struct_size: u64,
    pub op: *const c_char,
    pub weight: *const c_char,
    pub site: *const c_char,
    pub input: *const detent_program_activation,
    pub output: *const detent_program_activation,
    pub replaceable: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_program_tensor {
    pub struct_size: u64,
    pub original: *const detent_tensor_spec,
    pub scheme: *const c_char,
    pub qspec: *const detent_qspec,
    pub meta: *const detent_tensor_source,
    pub n_stored: u64,
    pub stored: *const detent_tensor_spec,
    pub outputs: *const *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_program_arg {
    pub kind: u64,
    pub i: i64,
    pub f: f64,
    pub text: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_program {
    pub struct_size: u64,
    pub ctx: *mut c_void,
    pub runtime: *const c_char,
    pub n_uses: u64,
    pub n_tensors: u64,
    pub use_at: Option<unsafe extern "C" fn(*const detent_program, u64, *mut *const detent_program_use) -> i32>,
    pub tensor_at: Option<unsafe extern "C" fn(*const detent_program, u64, *mut *const detent_program_tensor) -> i32>,
    pub define: Option<unsafe extern "C" fn(*const detent_program, *const c_char) -> i32>,
    pub prepare: Option<unsafe extern "C" fn(*const detent_program, *const c_char, *const c_char, *const detent_program_arg, u64) -> i32>,
    pub set_tensor: Option<unsafe extern "C" fn(*const detent_program, *const c_char, *const detent_tensor) -> i32>,
    pub replace_operand: Option<unsafe extern "C" fn(*const detent_program, u64, u64, *const c_char, *const detent_program_arg, u64) -> i32>,
    pub replace_use: Option<unsafe extern "C" fn(*const detent_program, u64, *const c_char, *const detent_program_arg, u64) -> i32>,
    pub replace_result: Option<unsafe extern "C" fn(*const detent_program, u64, *const c_char, *const detent_program_arg, u64) -> i32>,
    pub replace_reads: Option<unsafe extern "C" fn(*const detent_program, *const c_char, *const c_char, *const detent_program_arg, u64) -> i32>,
    pub set_extra_file: Option<unsafe extern "C" fn(*const detent_program, *const c_char, *const c_char, u64) -> i32>,
    pub warn: Option<unsafe extern "C" fn(*const detent_program, *const c_char, *const c_char) -> i32>,
    pub write: Option<unsafe extern "C" fn(*const detent_program, *const detent_file) -> i32>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_program_writer {
    pub struct_size: u64,
    pub use_program: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const detent_program) -> i32>,
}

// ---- detent/abi/quantizer.h

#[repr(C)]
pub struct detent_quantizer {
    _private: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_tensor_info {
    pub struct_size: u64,
    pub tensor: *const detent_tensor_spec,
    pub layer: *const c_char,
    pub layer_type: *const c_char,
    pub param: *const c_char,
    pub layer_params: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_plan_sink {
    pub struct_size: u64,
    pub ctx: *mut c_void,
    pub target: Option<unsafe extern "C" fn(*const detent_plan_sink, *const detent_qspec) -> i32>,
    pub output: Option<unsafe extern "C" fn(*const detent_plan_sink, *const detent_tensor_spec, u32) -> i32>,
    pub decline: Option<unsafe extern "C" fn(*const detent_plan_sink, *const c_char) -> i32>,
    pub require_stat: Option<unsafe extern "C" fn(*const detent_plan_sink, *const c_char, *const c_char) -> i32>,
    pub memory: Option<unsafe extern "C" fn(*const detent_plan_sink, u64) -> i32>,
    pub warn: Option<unsafe extern "C" fn(*const detent_plan_sink, *const c_char, *const c_char) -> i32>,
    pub meta: Option<unsafe extern "C" fn(*const detent_plan_sink, *const c_char, *const c_char) -> i32>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_quantizer_vtbl {
    pub struct_size: u64,
    pub create: Option<unsafe extern "C" fn(*const detent_host, *const detent_call, *const detent_config, *mut *mut detent_quantizer) -> i32>,
    pub destroy: Option<unsafe extern "C" fn(*mut detent_quantizer)>,
    pub plan: Option<unsafe extern "C" fn(*mut detent_quantizer, *const detent_call, *const detent_tensor_info, *const detent_plan_sink) -> i32>,
    pub quantize: Option<unsafe extern "C" fn(*mut detent_quantizer, *const detent_call, *const detent_tensor, *const detent_tensor_source, *const detent_tensor_sink) -> i32>,
    pub dequantize: Option<unsafe extern "C" fn(*mut detent_quantizer, *const detent_call, *const detent_tensor_source, *const detent_tensor) -> i32>,
    pub get_extension: Option<unsafe extern "C" fn(*const detent_quantizer, *const c_char) -> *const c_void>,
}

// ---- detent/abi/serializer.h

#[repr(C)]
pub struct detent_serializer {
    _private: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_file {
    pub ctx: *mut c_void,
    pub pread: Option<unsafe extern "C" fn(*const detent_file, u64, *mut c_void, u64) -> i64>,
    pub pwrite: Option<unsafe extern "C" fn(*const detent_file, u64, *const c_void, u64) -> i64>,
    pub size: Option<unsafe extern "C" fn(*const detent_file) -> u64>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_folder {
    pub struct_size: u64,
    pub ctx: *mut c_void,
    pub open: Option<unsafe extern "C" fn(*const detent_folder, *const c_char, *mut *const detent_file) -> i32>,
    pub count: Option<unsafe extern "C" fn(*const detent_folder) -> u64>,
    pub name: Option<unsafe extern "C" fn(*const detent_folder, u64) -> *const c_char>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_serializer_vtbl {
    pub struct_size: u64,
    pub create: Option<unsafe extern "C" fn(*const detent_host, *const detent_call, *const detent_config, *mut *mut detent_serializer) -> i32>,
    pub destroy: Option<unsafe extern "C" fn(*mut detent_serializer)>,
    pub begin: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const detent_folder, *const c_char) -> i32>,
    pub declare: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const detent_tensor_spec) -> i32>,
    pub set_metadata: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const c_char, *const c_char) -> i32>,
    pub add_tensor: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const c_char, *const detent_tensor) -> i32>,
    pub finish: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call) -> i32>,
    pub abort: Option<unsafe extern "C" fn(*mut detent_serializer)>,
    pub open: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const detent_folder, *const c_char, *mut u64) -> i32>,
    pub tensor_at: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, u64, *mut detent_tensor_spec) -> i32>,
    pub read_tensor: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, u64, *const detent_tensor) -> i32>,
    pub read_metadata: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const detent_tensor_sink) -> i32>,
    pub close: Option<unsafe extern "C" fn(*mut detent_serializer)>,
    pub get_extension: Option<unsafe extern "C" fn(*const detent_serializer, *const c_char) -> *const c_void>,
    pub declare_alias: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const c_char, *const c_char) -> i32>,
    pub add_rows: Option<unsafe extern "C" fn(*mut detent_serializer, *const detent_call, *const c_char, u64, *const detent_tensor) -> i32>,
}

// ---- detent/abi/validator.h

pub const DETENT_NEEDS_ORIGINAL: &str = "data:original";
pub const DETENT_NEEDS_DEQUANTIZED: &str = "data:dequantized";
pub const DETENT_NEEDS_STORED: &str = "data:stored";
pub const DETENT_FINDING_INFO: i32 = 0;
pub const DETENT_FINDING_WARN: i32 = 1;
pub const DETENT_FINDING_FAIL: i32 = 2;
pub const DETENT_OUTPUT_NONE: u32 = 0;
pub const DETENT_OUTPUT_SIMULATED: u32 = 1;
pub const DETENT_OUTPUT_ARTIFACT: u32 = 2;
pub const DETENT_OUTPUT_FAILED: u32 = 3;

#[repr(C)]
pub struct detent_validator {
    _private: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_finding {
    pub struct_size: u64,
    pub target: *const c_char,
    pub metric: *const c_char,
    pub value: f64,
    pub threshold: f64,
    pub severity: i32,
    pub reserved: u32,
    pub message: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_finding_sink {
    pub struct_size: u64,
    pub ctx: *mut c_void,
    pub report: Option<unsafe extern "C" fn(*const detent_finding_sink, *const detent_finding) -> i32>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_metrics {
    pub sqnr_db: f64,
    pub max_abs_error: f64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub original_non_finite: u64,
    pub dequantized_non_finite: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_stored_tensor {
    pub name: *const c_char,
    pub data: *const detent_tensor,
    pub digest_intended: *const c_char,
    pub digest_found: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_check_input {
    pub struct_size: u64,
    pub target: *const c_char,
    pub tensor: *const detent_tensor_spec,
    pub original: *const detent_tensor,
    pub dequantized: *const detent_tensor,
    pub quantized: *const detent_tensor_source,
    pub qspec: *const detent_qspec,
    pub stored: *const detent_stored_tensor,
    pub n_stored: u64,
    pub metrics: *const detent_metrics,
    pub first_row: u64,
    pub last: u32,
    pub is_quantized: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_output_input {
    pub struct_size: u64,
    pub how: u32,
    pub exact: u32,
    pub why: *const c_char,
    pub samples: u64,
    pub judged: u64,
    pub output_sqnr_db: f64,
    pub max_abs_error: f64,
    pub cosine_mean: f64,
    pub cosine_min: f64,
    pub top1_agreement: f64,
    pub accuracy_before: f64,
    pub accuracy_after: f64,
    pub non_finite: u64,
    pub intended_samples: u64,
    pub intended_sqnr_db: f64,
    pub intended_mismatch: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_run_summary {
    pub struct_size: u64,
    pub tensors: u64,
    pub tensors_quantized: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub file_bytes_before: u64,
    pub file_bytes_after: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct detent_validator_vtbl {
    pub struct_size: u64,
    pub create: Option<unsafe extern "C" fn(*const detent_host, *const detent_call, *const detent_config, *mut *mut detent_validator) -> i32>,
    pub destroy: Option<unsafe extern "C" fn(*mut detent_validator)>,
    pub check: Option<unsafe extern "C" fn(*mut detent_validator, *const detent_call, *const detent_check_input, *const detent_finding_sink) -> i32>,
    pub finish: Option<unsafe extern "C" fn(*mut detent_validator, *const detent_call, *const detent_run_summary, *const detent_finding_sink) -> i32>,
    pub get_extension: Option<unsafe extern "C" fn(*const detent_validator, *const c_char) -> *const c_void>,
    pub check_output: Option<unsafe extern "C" fn(*mut detent_validator, *const detent_call, *const detent_output_input, *const detent_finding_sink) -> i32>,
}
