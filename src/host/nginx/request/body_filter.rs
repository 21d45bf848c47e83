//! The body filter of an `ngx_http_request_t`.

use std::borrow::Cow;
use std::ffi::c_uchar;
use std::ptr;

use http::header::CONTENT_LENGTH;

use super::super::api::NGX_AGAIN;
use super::super::buffers;
use super::{Request, context, slice};
use crate::body::BodyState;
use crate::content_length;
use crate::error::Error;
use crate::host::{BodyFilter, Chunk, ChunkBytes, Host};

impl BodyFilter for Request<'_> {
    fn chunk(&self) -> Result<Chunk<'_>, Error> {
        // Outside the body filter, the module's pointer to the chain dangles. So check the module's own phase here.
        if self.context() != context::BODY_FILTER {
            return Err(Error::Disabled);
        }
        let mut data: *mut c_uchar = ptr::null_mut();
        let mut length = 0;
        // SAFETY: in the body filter of this request, the module's chain is that of this request. Both outputs are
        // writable.
        let (last, code) = unsafe {
            let last = (self.api.body_eof)(self.raw()) == 1;
            (last, (self.api.body_chunk)(self.raw(), &mut data, &mut length))
        };
        let bytes = if code == NGX_AGAIN {
            ChunkBytes::Scattered(length)
        } else {
            // SAFETY: the module has returned pointer and length of the current chunk, which stays valid until Lua
            // sets ngx.arg. For an empty chunk the pointer is null.
            ChunkBytes::Whole(Cow::Borrowed(unsafe { slice(data, length) }))
        };
        Ok(Chunk { last, bytes })
    }

    fn gather(&self, into: &mut Vec<u8>) {
        if let Ok(Chunk { bytes: ChunkBytes::Scattered(length), .. }) = self.chunk() {
            into.reserve(length);
            // SAFETY: `chunk` has checked that this is the body filter. The module copies exactly the length that it
            // has returned, and `reserve` has made space for as many bytes. So they are initialised.
            unsafe {
                let room = into.spare_capacity_mut().as_mut_ptr();
                (self.api.copy_body_chunk)(self.raw(), room.cast());
                into.set_len(into.len() + length);
            }
        }
    }

    fn take_body(&self) -> Option<BodyState> {
        buffers::take(self.request)
    }

    fn keep_body(&self, state: BodyState) -> Result<(), Error> {
        buffers::keep(self.api, self.request, state)
    }

    fn declared_length(&self) -> Option<u64> {
        content_length::parse(&self.upstream_header(&CONTENT_LENGTH)?)
    }
}
