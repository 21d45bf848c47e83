//! Where the bodies that are being buffered live between two chunks: with the worker, under their
//! request, until nginx frees it.
//!
//! nginx calls a cleanup handler when a request ends, however it ends, so a client that hangs up
//! costs no memory until Lua's collector comes by.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr::NonNull;

use super::api::{Api, NgxRequest};
use super::cleanup;
use crate::error::Error;
use crate::response::body::Held;

thread_local! {
    /// By request; `None` where the handler is set up and nothing is held at the moment.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

type Buffers = HashMap<usize, Option<Held>, BuildHasherDefault<AddressHasher>>;

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
    let _ = BUFFERS.try_with(|all| all.try_borrow_mut().ok()?.remove(&data.addr()));
}

/// A hasher for addresses of requests, which nobody outside chooses: a multiplication spreads them.
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
        // The map looks at the highest bits and at the lowest. Those of a product are good and bad.
        self.0 = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}
