//! Where the bodies that are being buffered live between two chunks: with the worker, under their
//! request, until nginx frees it.
//!
//! nginx calls a cleanup handler when a request ends, however it ends, so a client that hangs up
//! costs no memory until Lua's collector comes by.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::NonNull;

use super::api::{Api, NgxRequest};
use super::cleanup;
use crate::error::Error;
use crate::response::body::{self, Held};

thread_local! {
    /// By request; `None` where the handler is set up and nothing is held at the moment.
    static BUFFERS: RefCell<HashMap<usize, Option<Held>>> = RefCell::default();
}

/// Takes what is held of a request's body.
pub fn take(request: NonNull<NgxRequest>) -> Option<Held> {
    BUFFERS.with_borrow_mut(|all| all.get_mut(&key(request))?.take())
}

/// Keeps what is held of a request's body until it is taken or the request ends.
pub fn keep(api: &Api, request: NonNull<NgxRequest>, held: Held) -> Result<(), Error> {
    BUFFERS.with_borrow_mut(|all| {
        if let Some(slot) = all.get_mut(&key(request)) {
            *slot = Some(held);
            return Ok(());
        }
        if !cleanup::add(api, request, forget) {
            return Err(Error::Host("no memory".to_owned()));
        }
        all.insert(key(request), Some(held));
        Ok(())
    })
}

fn key(request: NonNull<NgxRequest>) -> usize {
    request.as_ptr().addr()
}

/// nginx's cleanup handler: the request that `data` points to has ended.
unsafe extern "C" fn forget(data: *mut c_void) {
    // Nothing here panics but a destroyed thread-local, and then the buffers are gone anyway.
    let slot = BUFFERS.try_with(|all| all.try_borrow_mut().ok()?.remove(&data.addr()));
    if let Ok(Some(Some(Held::Buffer(abandoned)))) = slot {
        let is_large = abandoned.capacity() >= LARGE;
        let is_kept = body::recycle(abandoned.into_bytes());
        if is_large && !is_kept {
            give_back();
        }
    }
}

/// An abandoned buffer from this size on is worth a walk over the heap.
const LARGE: usize = 1 << 20;

/// Gives freed memory back to the system. glibc keeps up to 64 MB of it at the top of the heap once it
/// has seen large blocks, and a client that hangs up must not cost that.
fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
