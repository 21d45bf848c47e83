//! Connections. hyper speaks HTTP/1.x and HTTP/2; h2 speaks HTTP/2 and leaves the windows to its caller.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use h2::SendStream;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::cut::{Cut, Meter};
use crate::frames::Frames;
use crate::pace::{Reader, Windows, window};

/// The number of reset streams that the client remembers, because frames for them still arrive.
const RESETS: usize = 10_000;

/// The version of HTTP, the crate that speaks it, and its windows.
#[derive(Debug, Clone, Copy)]
pub enum Protocol {
    Http1,
    Hyper(Option<Windows>),
    H2(Windows),
}

#[derive(Clone)]
pub enum Sender {
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>>),
    Hyper(http2::SendRequest<Full<Bytes>>),
    H2(h2::client::SendRequest<Bytes>),
}

/// A task that ends when its owner is dropped.
pub struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of an answer. Dropping it before its end resets the stream.
pub enum Body {
    Hyper(Incoming),
    H2 { reader: Reader, _upload: Option<Task> },
}

fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    format!("{error} {:?}", error.source())
}

impl Body {
    /// The number of its stream, which hyper does not provide.
    pub fn stream_id(&self) -> Option<u32> {
        match self {
            Self::Hyper(_) => None,
            Self::H2 { reader, .. } => Some(reader.stream_id()),
        }
    }

    /// The next bytes.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, String>> {
        match self {
            Self::Hyper(body) => loop {
                match body.frame().await? {
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => return Some(Ok(data)),
                        Err(_) => continue,
                    },
                    Err(error) => return Some(Err(text_of(&error))),
                }
            },
            Self::H2 { reader, .. } => {
                Some(reader.chunk().await?.map_err(|error| format!("{error:?}")))
            }
        }
    }
}

/// Sends the body of a request in pieces of at most `step` bytes.
async fn upload(mut stream: SendStream<Bytes>, mut body: Bytes, step: usize) {
    while !body.is_empty() {
        stream.reserve_capacity(step.min(body.len()));
        let granted = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        // If the stream has ended, the answer has the reason.
        let Some(Ok(granted)) = granted else { return };
        let part = body.split_to(granted.min(body.len()));
        if stream.send_data(part, body.is_empty()).is_err() {
            return;
        }
    }
}

impl Sender {
    pub async fn send(
        &mut self,
        request: Request<Bytes>,
        rng: &mut Rng,
    ) -> Result<Response<Body>, String> {
        let failed = |error: h2::Error| format!("{error:?}");
        match self {
            Self::Http1(sender) => {
                let sent = sender.lock().await.send_request(request.map(Full::new)).await;
                sent.map(|response| response.map(Body::Hyper)).map_err(|error| text_of(&error))
            }
            Self::Hyper(sender) => {
                let sent = sender.send_request(request.map(Full::new)).await;
                sent.map(|response| response.map(Body::Hyper)).map_err(|error| text_of(&error))
            }
            Self::H2(sender) => {
                let mut sender = sender.clone().ready().await.map_err(failed)?;
                let (parts, body) = request.into_parts();
                let head = Request::from_parts(parts, ());
                let (response, stream) =
                    sender.send_request(head, body.is_empty()).map_err(failed)?;
                let step = (window(rng) as usize).max(body.len() / 300);
                let upload =
                    (!body.is_empty()).then(|| Task(tokio::spawn(upload(stream, body, step))));
                let response = response.await.map_err(failed)?;
                let body = |stream| Body::H2 { reader: Reader::new(stream, rng), _upload: upload };
                Ok(response.map(body))
            }
        }
    }

    async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.lock().await.ready().await.is_ok(),
            Self::Hyper(sender) => sender.ready().await.is_ok(),
            Self::H2(sender) => sender.clone().ready().await.is_ok(),
        }
    }
}

pub struct Link {
    pub sender: Sender,
    pub meter: Arc<Meter>,
    /// Only with HTTP/2.
    pub frames: Option<Arc<Frames>>,
    pub protocol: Protocol,
    // Dropping it closes the connection in any state.
    _driver: Task,
}

/// Drives the connection, and changes its windows while streams are open.
async fn drive(mut connection: h2::client::Connection<Cut, Bytes>, windows: Windows, mut rng: Rng) {
    if !windows.changing {
        drop(connection.await);
        return;
    }
    loop {
        let pause = tokio::time::sleep(Duration::from_millis(rng.u64(1..200)));
        tokio::select! {
            _ = &mut connection => return,
            () = pause => {
                // h2 refuses a change until nginx has acknowledged the last one.
                let _ = connection.set_initial_window_size(near(&mut rng, windows.stream));
                connection.set_target_window_size(near(&mut rng, windows.connection));
            }
        }
    }
}

/// A window from 0 to twice `size`. A stream with a window of 0 waits for the next change.
fn near(rng: &mut Rng, size: u32) -> u32 {
    rng.u32(0..=size.saturating_mul(2))
}

impl Link {
    pub async fn open(
        port: u16,
        protocol: Protocol,
        abrupt: bool,
        rng: &mut Rng,
    ) -> Result<Self, String> {
        let open = async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            if abrupt {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            }
            Ok::<_, io::Error>(stream)
        };
        let stream = open.await.map_err(|error| format!("no connection: {error}"))?;
        let meter = Meter::new();
        let frames = (!matches!(protocol, Protocol::Http1)).then(|| Arc::new(Frames::new()));
        let io = Cut::new(stream, meter.clone(), frames.clone());
        let failed = |error| format!("no connection: {error}");
        let (sender, driver) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) =
                    http1::handshake(TokioIo::new(io)).await.map_err(failed)?;
                let sender = Arc::new(tokio::sync::Mutex::new(sender));
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::Hyper(windows) => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.max_concurrent_reset_streams(RESETS);
                if let Some(windows) = windows {
                    builder.initial_stream_window_size(windows.stream);
                    builder.initial_connection_window_size(windows.connection);
                }
                let (sender, connection) =
                    builder.handshake(TokioIo::new(io)).await.map_err(failed)?;
                (Sender::Hyper(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::H2(windows) => {
                let (sender, connection) = h2::client::Builder::new()
                    .enable_push(false)
                    .max_concurrent_reset_streams(RESETS)
                    // Windows of one byte cause frames of one byte. By default, h2 refuses many of these.
                    .data_frame_budget(usize::MAX)
                    .initial_window_size(windows.stream)
                    .initial_connection_window_size(windows.connection)
                    .handshake(io)
                    .await
                    .map_err(|error| format!("no connection: {error:?}"))?;
                (Sender::H2(sender), tokio::spawn(drive(connection, windows, rng.fork())))
            }
        };
        Ok(Self { sender, meter, frames, protocol, _driver: Task(driver) })
    }

    /// Whether another request can be sent.
    pub async fn is_usable(&mut self) -> bool {
        let flooding = self.frames.as_ref().is_some_and(|frames| frames.nears_flood());
        !flooding && self.sender.is_ready().await
    }
}
