//! The functions of NVML, by the signatures of its header.
//!
//! Each is called with pointers that its caller vouches for, as of the real library; null is told from them, the rest
//! cannot be.

mod device;
mod events;
mod mig;
mod processes;
mod system;

use std::ffi::c_char;

use crate::code::{INSUFFICIENT_SIZE, INVALID_ARGUMENT, SUCCESS};

/// Writes `value` where a caller wants it.
fn put<T>(to: *mut T, value: T) -> u32 {
    if to.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: not null, and the caller of the exported function vouches for what it points to.
    unsafe { to.write(value) };
    SUCCESS
}

/// Writes `text` and a NUL into a buffer of `length`.
fn put_text(to: *mut c_char, length: u32, text: &str) -> u32 {
    if to.is_null() {
        return INVALID_ARGUMENT;
    }
    if text.len() >= length as usize {
        return INSUFFICIENT_SIZE;
    }
    // SAFETY: the caller vouches for `length` bytes at `to`, which text and NUL fit into.
    unsafe {
        to.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
        to.add(text.len()).write(0);
    }
    SUCCESS
}
