// SPDX-License-Identifier: Apache-2.0
//! Errors of a plugin: a status and a text. The first line says what is wrong, a second one what to do.
use crate::abi;

#[derive(Debug, Clone)]
pub struct Error {
    pub code: i32,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Error { code, message: message.into() }
    }
    /// The caller broke the contract.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(abi::DETENT_E_INVALID_ARG, message)
    }
    /// A dtype, shape or target that the plugin does not take.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(abi::DETENT_E_UNSUPPORTED, message)
    }
    pub fn params(message: impl Into<String>) -> Self {
        Self::new(abi::DETENT_E_PARAMS, message)
    }
    /// Before any data.
    pub fn not_ready(message: impl Into<String>) -> Self {
        Self::new(abi::DETENT_E_NOT_READY, message)
    }
    /// NaN or infinity where the plugin cannot go on.
    pub fn numeric(message: impl Into<String>) -> Self {
        Self::new(abi::DETENT_E_NUMERIC, message)
    }
    /// Bytes that are no state of the plugin.
    pub fn bad_state(message: impl Into<String>) -> Self {
        Self::new(abi::DETENT_E_BAD_STATE, message)
    }
    pub fn cancelled() -> Self {
        Self::new(abi::DETENT_E_CANCELLED, "")
    }
    pub fn no_memory() -> Self {
        Self::new(abi::DETENT_E_NO_MEMORY, "")
    }
}

impl From<std::collections::TryReserveError> for Error {
    fn from(_: std::collections::TryReserveError) -> Self {
        Error::no_memory()
    }
}
