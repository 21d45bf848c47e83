//! The states of bodies between two chunks: a map of the worker, by request.
//!
//! nginx calls a cleanup handler when a request ends, however it ends, and that removes the state. So the
//! buffer of a client that hangs up is freed at once, and not when Lua's collector runs.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr::NonNull;

use super::api::{Api, NgxRequest};
use super::cleanup;
use crate::body::BodyState;
use crate::error::Error;

thread_local! {
    /// By the request's address; `None` where the cleanup handler is set and no state is kept.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

type Buffers = HashMap<usize, Option<BodyState>, BuildHasherDefault<AddressHasher>>;

/// Takes the state of a request's body.
pub fn take(request: NonNull<NgxRequest>) -> Option<BodyState> {
    BUFFERS.with_borrow_mut(|all| all.get_mut(&key(request))?.take())
}

/// Keeps the state of a request's body until it is taken or the request ends.
///
/// # Errors
///
/// `no memory`
pub fn keep(api: &Api, request: NonNull<NgxRequest>, state: BodyState) -> Result<(), Error> {
    BUFFERS.with_borrow_mut(|all| {
        if let Some(slot) = all.get_mut(&key(request)) {
            *slot = Some(state);
            return Ok(());
        }
        if !cleanup::add(api, request, forget) {
            return Err(Error::Host("no memory".to_owned()));
        }
        all.insert(key(request), Some(state));
        Ok(())
    })
}

fn key(request: NonNull<NgxRequest>) -> usize {
    request.as_ptr().addr()
}

/// nginx's cleanup handler: the request that `data` points to has ended.
unsafe extern "C" fn forget(data: *mut c_void) {
    // No panic may unwind into nginx. While the thread ends, the map is gone, and with it the state.
    let _ = BUFFERS.try_with(|all| all.try_borrow_mut().ok()?.remove(&data.addr()));
}

/// A hasher for addresses of requests. No client chooses them, so a multiplication is enough.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("an address is a number")
    }

    fn write_usize(&mut self, address: usize) {
        // The map uses the highest bits and the lowest. Only the high bits of a product are mixed well.
        self.0 = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}
