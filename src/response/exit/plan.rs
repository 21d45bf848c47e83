//! The plan of a response: all decisions of `exit`, and how they are applied.

use http::{HeaderName, StatusCode};

use super::framing::{Facts, Framing, Length, exit_code};
use super::kind::{CONTENT_TYPE, Kind, set_header};
use super::parts::{Body, Payload, Place, Sent};
use crate::error::Error;
use crate::host::{Host, Level, Write};
use crate::response::grpc;
use crate::response::header::Headers;

const CONTENT_LENGTH: &[u8] = b"Content-Length";
const CONTENT_RANGE: &[u8] = b"Content-Range";
const LAST_MODIFIED: &[u8] = b"Last-Modified";
const GRPC_STATUS: &str = "grpc-status";
const GRPC_MESSAGE: &str = "grpc-message";
const JSON: &[u8] = b"application/json; charset=utf-8";

/// The headers that describe the body of a response. They are removed when `exit` replaces the body.
const DESCRIBING_THE_BODY: [&[u8]; 10] = [
    b"Content-Encoding",
    CONTENT_RANGE,
    b"Accept-Ranges",
    b"ETag",
    LAST_MODIFIED,
    b"Content-MD5",
    b"Digest",
    b"Content-Digest",
    b"Repr-Digest",
    b"Trailer",
];

/// The same for a gRPC response.
const DESCRIBING_A_GRPC_BODY: [&[u8]; 2] = [b"grpc-encoding", b"grpc-status-details-bin"];

/// The warning for a 206 whose body is not a part of another one.
const WHOLE_BODY_OF_206: &str = "status 206 is sent with a whole body and no Content-Range";

/// A response before it is applied to the host.
#[derive(Debug)]
pub struct Plan<'a> {
    status: StatusCode,
    headers: &'a Headers,
    place: Place,
    kind: Kind,
    is_json: bool,
    framing: Framing,
    grpc_status: Option<grpc::Status>,
    grpc_message: Message,
    warnings: Vec<String>,
}

/// The change of `grpc-message`.
#[derive(Debug)]
enum Message {
    /// Keep the one that the call or a plugin has set.
    Unchanged,
    /// Remove the one of the upstream.
    Absent,
    /// Set this value.
    Text(Vec<u8>),
}

impl<'a> Plan<'a> {
    /// Makes the plan. Changes nothing.
    ///
    /// A status below 200 becomes 500, because it ends no response (RFC 9110 section 15.2). In access,
    /// nginx would send nothing, and read a request body that no code has read as the next request on
    /// the connection. In the header filter, a client would read the body after the head as a response.
    ///
    /// # Errors
    ///
    /// As [`send`](super::send).
    pub fn of<H: Host>(
        host: &H,
        status: StatusCode,
        body: Body<'_>,
        headers: &'a Headers,
        place: Place,
    ) -> Result<Self, Error> {
        let kind = Kind::of(host, headers, place)?;
        let mut warnings = Vec::new();
        let status = if status.is_informational() && !host.is_subrequest() {
            warnings.push(format!("status {} ends no response: 500 is sent", status.as_u16()));
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            status
        };
        let given_bytes = if let Body::Bytes(bytes) = &body { bytes.len() } else { 0 };
        let Content { mut payload, is_json, warning } = Content::of(body, &kind)?;
        warnings.extend(warning.map(str::to_owned));

        let text = match (&kind, &mut payload) {
            (Kind::GrpcMessage(_), Payload::Bytes(text)) => Some(std::mem::take(text)),
            _ => None,
        };
        // The body of the call becomes grpc-message, so the Content-Length of the call no longer applies.
        let given_length = if text.is_some() { None } else { headers.content_length() };
        let framing =
            Facts { host, status, place, kind: &kind, given_bytes, given_length }.frame(payload);
        warnings.extend(framing.correction.clone());

        let mut plan = Self {
            status,
            headers,
            place,
            kind,
            is_json,
            framing,
            grpc_status: None,
            grpc_message: Message::Unchanged,
            warnings,
        };
        if plan.kind != Kind::Plain {
            plan.decide_grpc(host, text)?;
        }
        if plan.replaces_body()
            && status == StatusCode::PARTIAL_CONTENT
            && headers.last(CONTENT_RANGE).is_none()
        {
            plan.warnings.push(WHOLE_BODY_OF_206.to_owned());
        }
        Ok(plan)
    }

    /// Decides on `grpc-status` and `grpc-message`. `text` is a body that becomes `grpc-message`.
    fn decide_grpc<H: Host>(&mut self, host: &H, text: Option<Vec<u8>>) -> Result<(), Error> {
        let is_set = |name: &'static str| {
            Ok::<_, Error>(match self.headers.has(name.as_bytes()) {
                true => self.headers.last(name.as_bytes()).is_some(),
                false => {
                    let upstreams = HeaderName::from_static(name);
                    set_header(host, name.as_bytes(), &upstreams, self.place)?.is_some()
                }
            })
        };
        let has_status = is_set(GRPC_STATUS)?;
        let has_message = is_set(GRPC_MESSAGE)?;
        self.grpc_status = (!has_status).then(|| grpc::Status::of(self.status));
        self.grpc_message = match (text, self.grpc_status) {
            (Some(text), _) if !text.is_empty() => Message::Text(grpc::encode_message(&text)),
            (None, Some(status)) if !has_message => Message::Text(status.name().into()),
            _ if has_message => Message::Unchanged,
            _ => Message::Absent,
        };
        Ok(())
    }

    /// Whether a body of the call replaces that of the upstream. A 304 describes the body of the upstream.
    fn replaces_body(&self) -> bool {
        self.place.is_filter()
            && self.framing.payload != Payload::None
            && self.status != StatusCode::NOT_MODIFIED
    }

    /// Sets status and headers.
    ///
    /// # Errors
    ///
    /// An error of the host.
    pub fn apply<H: Host>(self, host: &mut H) -> Result<Sent, Error> {
        for warning in &self.warnings {
            host.log(Level::Warn, warning.as_bytes());
        }
        host.set_status(self.status)?;
        if self.replaces_body() {
            self.remove_headers_of_replaced_body(host)?;
        }
        self.headers.apply(host, self.framing.length == Length::Given)?;
        self.apply_grpc(host)?;
        if self.is_json && self.headers.last(CONTENT_TYPE).is_none() {
            set(host, CONTENT_TYPE, JSON)?;
        }
        match self.framing.length {
            Length::Given | Length::Unchanged => (),
            Length::Absent => host.write_header(CONTENT_LENGTH, &[], Write::Set)?,
            Length::Body(bytes) => {
                set(host, CONTENT_LENGTH, itoa::Buffer::new().format(bytes).as_bytes())?;
            }
        }
        let code = match self.place {
            Place::HeaderFilter { .. } => Sent::OK,
            _ => exit_code(self.status, &self.framing.payload).into(),
        };
        Ok(Sent { payload: self.framing.payload, code })
    }

    fn remove_headers_of_replaced_body<H: Host>(&self, host: &mut H) -> Result<(), Error> {
        let grpc: &[&[u8]] = if self.kind == Kind::Plain { &[] } else { &DESCRIBING_A_GRPC_BODY };
        for name in DESCRIBING_THE_BODY.iter().chain(grpc) {
            // The server's getter does not find a Last-Modified that is not a date.
            let may_be_there = *name == LAST_MODIFIED || host.header(name)?.is_some();
            if may_be_there && !self.headers.has(name) {
                host.write_header(name, &[], Write::Set)?;
            }
        }
        Ok(())
    }

    fn apply_grpc<H: Host>(&self, host: &mut H) -> Result<(), Error> {
        if let Some(status) = self.grpc_status {
            set(
                host,
                GRPC_STATUS.as_bytes(),
                itoa::Buffer::new().format(status.number()).as_bytes(),
            )?;
        }
        if let Kind::GrpcMessage(content_type) = &self.kind {
            set(host, CONTENT_TYPE, content_type)?;
        }
        match &self.grpc_message {
            Message::Unchanged => Ok(()),
            Message::Absent if host.header(GRPC_MESSAGE.as_bytes())?.is_none() => Ok(()),
            Message::Absent => host.write_header(GRPC_MESSAGE.as_bytes(), &[], Write::Set),
            Message::Text(text) => set(host, GRPC_MESSAGE.as_bytes(), text),
        }
    }
}

/// The body of a call, encoded if it is a table.
struct Content {
    payload: Payload,
    is_json: bool,
    warning: Option<&'static str>,
}

impl Content {
    fn of(body: Body<'_>, kind: &Kind) -> Result<Self, Error> {
        let bytes = |bytes| Self { payload: Payload::Bytes(bytes), is_json: false, warning: None };
        Ok(match (body, kind) {
            (Body::None, _) => Self { payload: Payload::None, is_json: false, warning: None },
            (Body::Bytes(text), Kind::GrpcMessage(_)) => bytes(text.to_vec()),
            (Body::Bytes(_), _) => Self { payload: Payload::Given, is_json: false, warning: None },
            (Body::Table(table), Kind::Plain) => {
                Self { is_json: true, ..bytes(table.encode().map_err(Error::BodyEncoding)?) }
            }
            (Body::Table(_), Kind::GrpcOutput) => return Err(Error::GrpcTableBody),
            (Body::Table(table), Kind::GrpcMessage(_)) => {
                match table.message().map_err(Error::BodyEncoding)? {
                    Some(message) => bytes(message),
                    None => Self {
                        payload: Payload::None,
                        is_json: false,
                        warning: Some(
                            "body was removed because table body encoding with gRPC is not \
                             supported",
                        ),
                    },
                }
            }
        })
    }
}

fn set<H: Host>(host: &mut H, name: &[u8], value: &[u8]) -> Result<(), Error> {
    host.write_header(name, &[value], Write::Set)
}
