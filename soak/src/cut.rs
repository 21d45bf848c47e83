//! A connection that breaks off after a number of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::frames::Frames;

const NEVER: u64 = u64::MAX;

/// The bytes that have passed, and the bytes that may still pass.
#[derive(Debug)]
pub struct Meter {
    written: AtomicU64,
    read: AtomicU64,
    write_up_to: AtomicU64,
    read_up_to: AtomicU64,
}

impl Meter {
    pub fn new() -> Arc<Self> {
        let counter = |value| AtomicU64::new(value);
        Arc::new(Self {
            written: counter(0),
            read: counter(0),
            write_up_to: counter(NEVER),
            read_up_to: counter(NEVER),
        })
    }

    /// Breaks off after `bytes` more written bytes.
    pub fn cut_writing(&self, bytes: u64) {
        self.write_up_to.store(self.written.load(Ordering::SeqCst) + bytes, Ordering::SeqCst);
    }

    /// Breaks off after `bytes` more read bytes.
    pub fn cut_reading(&self, bytes: u64) {
        self.read_up_to.store(self.read.load(Ordering::SeqCst) + bytes, Ordering::SeqCst);
    }

    pub fn read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }
}

/// The connection.
#[derive(Debug)]
pub struct Cut {
    stream: TcpStream,
    meter: Arc<Meter>,
    /// Only with HTTP/2.
    frames: Option<Arc<Frames>>,
}

impl Cut {
    pub fn new(stream: TcpStream, meter: Arc<Meter>, frames: Option<Arc<Frames>>) -> Self {
        Self { stream, meter, frames }
    }
}

fn hung_up() -> io::Error {
    io::Error::other("hung up")
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = self.meter.read.load(Ordering::SeqCst);
        let left = self.meter.read_up_to.load(Ordering::SeqCst).saturating_sub(done);
        if left == 0 {
            return Poll::Ready(Err(hung_up()));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
        let count = part.filled().len();
        if let Some(frames) = &self.frames {
            frames.received(part.filled());
        }
        buffer.advance(count);
        self.meter.read.fetch_add(count as u64, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cut {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = self.meter.written.load(Ordering::SeqCst);
        let left = self.meter.write_up_to.load(Ordering::SeqCst).saturating_sub(done);
        if left == 0 {
            return Poll::Ready(Err(hung_up()));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let count =
            std::task::ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..most]))?;
        if let Some(frames) = &self.frames {
            frames.sent(&bytes[..count]);
        }
        self.meter.written.fetch_add(count as u64, Ordering::SeqCst);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
