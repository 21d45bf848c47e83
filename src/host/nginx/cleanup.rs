//! What is to be done when nginx frees a request.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use super::api::{Api, NgxRequest};

/// Has nginx call `handler` with the address of the request when that ends, however it ends; says
/// whether there was memory for that.
///
/// The handler runs once, before the request's memory is reused.
pub fn add(
    api: &Api,
    request: NonNull<NgxRequest>,
    handler: unsafe extern "C" fn(*mut c_void),
) -> bool {
    // SAFETY: `Request` holds the request, which is alive during its call. nginx returns null or a cleanup of that
    // request, and leaves `data` to the caller where the size is 0.
    unsafe {
        let Some(cleanup) = (api.cleanup_add)(request.as_ptr(), 0).as_mut() else { return false };
        cleanup.data = request.as_ptr().cast();
        cleanup.handler = Some(handler);
    }
    true
}
