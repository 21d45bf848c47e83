//! Decides whether a response is one of gRPC, whose clients read the status in headers.

use std::borrow::Cow;

use http::{HeaderName, Version};

use super::parts::Place;
use crate::error::Error;
use crate::host::Host;
use crate::response::grpc;
use crate::response::header::Headers;

pub const CONTENT_TYPE: &[u8] = b"Content-Type";

/// Whether a response is one of gRPC, and of which kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Not a response of gRPC.
    Plain,
    /// The caller gives the body of a gRPC response, in gRPC's own format.
    GrpcOutput,
    /// An answer to a gRPC request, with this Content-Type. The body of the call becomes `grpc-message`.
    GrpcMessage(Vec<u8>),
}

impl Kind {
    /// The kind of a response, after `headers` are set.
    ///
    /// # Errors
    ///
    /// An error of the host.
    pub fn of<H: Host>(host: &H, headers: &Headers, place: Place) -> Result<Self, Error> {
        if let Some(own) = headers.last(CONTENT_TYPE) {
            return Ok(Self::of_type(own));
        }
        let requested = grpc_request(host).map_or(Self::Plain, Self::GrpcMessage);
        if headers.has(CONTENT_TYPE) {
            return Ok(requested);
        }
        let Some(value) = host.header(CONTENT_TYPE)? else {
            return Ok(requested);
        };
        let set = Self::of_type(&value);
        // If both kinds are the same, it does not matter whether a plugin has set the Content-Type.
        let is_plugins = set == requested
            || set_header(host, CONTENT_TYPE, &http::header::CONTENT_TYPE, place)?.is_some();
        Ok(if is_plugins { set } else { requested })
    }

    /// The kind of a response with this Content-Type.
    fn of_type(content_type: &[u8]) -> Self {
        if grpc::is_content_type(content_type) { Self::GrpcOutput } else { Self::Plain }
    }
}

/// The Content-Type for the response to a gRPC request. A request is one of gRPC by its Content-Type, over HTTP/2.
/// For gRPC-Web, the response has the Content-Type of the request.
pub fn grpc_request<H: Host>(host: &H) -> Option<Vec<u8>> {
    let own = host.request_content_type().filter(|value| grpc::is_content_type(value))?;
    if host.http_version() != Some(Version::HTTP_2) {
        return None;
    }
    let is_web = grpc::is_web_content_type(&own);
    Some(if is_web { own.into_owned() } else { grpc::CONTENT_TYPE.as_bytes().to_vec() })
}

/// The Content-Type of a gRPC-Web request, over any version of HTTP.
pub fn grpc_web_request<H: Host>(host: &H) -> Option<Vec<u8>> {
    let own = host.request_content_type().filter(|value| grpc::is_web_content_type(value))?;
    Some(own.into_owned())
}

/// The value of a header that a plugin has set. In the header filter, a value that the upstream has sent does not
/// count. `name` and `upstreams` are the same name.
///
/// # Errors
///
/// An error of the host.
pub fn set_header<'a, H: Host>(
    host: &'a H,
    name: &[u8],
    upstreams: &HeaderName,
    place: Place,
) -> Result<Option<Cow<'a, [u8]>>, Error> {
    let value = host.header(name)?;
    let is_upstreams =
        place.is_filter() && value.is_some() && host.upstream_header(upstreams) == value;
    Ok(value.filter(|_| !is_upstreams))
}

/// Whether the client speaks HTTP/2 or later.
pub fn is_multiplexed<H: Host>(host: &H) -> bool {
    host.protocol().is_some_and(|version| version >= Version::HTTP_2)
}
