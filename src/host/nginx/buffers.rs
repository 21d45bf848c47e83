//! The states of bodies between two chunks, in a map of the worker by request.
//!
//! When a request ends for any reason, nginx calls a cleanup handler, which removes the state. So if a client hangs
//! up, the buffer is freed at once, and not when Lua's collector runs.
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
    /// The states by the request's address. `None` if the cleanup handler is set, but there is no state.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

type Buffers = HashMap<usize, Option<BodyState>, BuildHasherDefault<AddressHasher>>;

/// Takes the state of a request's body.
pub fn take(request: NonNull<NgxRequest>) -> Option<BodyState> {
    BUFFERS.with_borrow_mut(|all| all.get_mut(&key(request))?.take())
}

/// Stores the state of a request's body until it is taken or the request ends.
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

/// The cleanup handler for the request at address `data`, which has ended.
unsafe extern "C" fn forget(data: *mut c_void) {
    // A panic must not unwind into nginx. When the thread ends, the map may already be dropped, with all states.
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
