//! Functions that nginx calls when a request ends.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use super::api::{Api, NgxRequest};

/// Makes nginx call `handler` with the address of the request when the request ends for any reason. Returns false if
/// there is no memory.
///
/// nginx calls the handler once, before it reuses the memory of the request.
pub fn add(
    api: &Api,
    request: NonNull<NgxRequest>,
    handler: unsafe extern "C" fn(*mut c_void),
) -> bool {
    // SAFETY: the request is from a `Request`, so it is alive during the call. nginx returns null or a cleanup of
    // that request. For the size 0, nginx does not set `data`.
    unsafe {
        let Some(cleanup) = (api.cleanup_add)(request.as_ptr(), 0).as_mut() else { return false };
        cleanup.data = request.as_ptr().cast();
        cleanup.handler = Some(handler);
    }
    true
}
