//! Flow control of the HTTP/2 clients: their windows, and when they release the bytes that they have read.

use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use h2::RecvStream;

/// The time for which a hoarding reader waits for more data before it releases.
const HOARDS_FOR: Duration = Duration::from_millis(20);
/// The total time for which a reader may wait. It is far less than the time after which an answer counts as
/// hanging.
const MAX_HELD_BACK: Duration = Duration::from_millis(1_500);
/// The maximum number of bytes of a body per byte of the window. Longer bodies would take longer than old
/// workers live.
const BYTES_PER_WINDOW: usize = 600;
const MAX_BODY: usize = 1_000_000;

/// The windows of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    pub stream: u32,
    pub connection: u32,
    /// Whether SETTINGS change the windows while streams are open.
    pub changing: bool,
}

/// The size of a window: one byte or more.
pub fn window(rng: &mut Rng) -> u32 {
    match rng.u8(0..10) {
        0 | 1 => 1,
        2 | 3 => rng.u32(2..16),
        4 | 5 => rng.u32(16..1_000),
        6 | 7 => rng.u32(1_000..65_535),
        8 => 65_535,
        _ => rng.u32(65_536..4_000_000),
    }
}

impl Windows {
    pub fn new(rng: &mut Rng) -> Self {
        // At least one of the two is small.
        let (stream, connection) = match rng.u8(0..3) {
            0 => (window(rng), 1 << 24),
            1 => (1 << 24, window(rng)),
            _ => (window(rng), window(rng)),
        };
        Self { stream, connection, changing: rng.u8(0..3) == 0 }
    }

    /// The maximum length of bodies. With `large`, a tiny window must open a hundred thousand times.
    pub fn longest_body(&self, large: bool) -> usize {
        let window = self.stream.min(self.connection) as usize;
        (window * BYTES_PER_WINDOW).clamp(if large { 100_000 } else { 1_000 }, MAX_BODY)
    }
}

/// When a reader releases the bytes that it has read.
#[derive(Debug, Clone, Copy)]
enum Pace {
    AtOnce,
    /// In steps of this number of bytes.
    InSteps(usize),
    Slowly(Duration),
    /// When nothing more arrives, because the windows are used up.
    Hoard,
}

/// Reads the body of an answer, and releases its bytes at a `Pace`.
pub struct Reader {
    stream: RecvStream,
    pace: Pace,
    held: usize,
    held_back: Duration,
}

impl Reader {
    pub fn new(stream: RecvStream, rng: &mut Rng) -> Self {
        let pace = match rng.u8(0..6) {
            0 | 1 => Pace::AtOnce,
            2 => Pace::InSteps(window(rng) as usize),
            3 => Pace::Slowly(Duration::from_millis(rng.u64(1..30))),
            _ => Pace::Hoard,
        };
        Self { stream, pace, held: 0, held_back: Duration::ZERO }
    }

    pub fn stream_id(&self) -> u32 {
        self.stream.stream_id().as_u32()
    }

    async fn release(&mut self, step: usize) -> Result<(), h2::Error> {
        while self.held > 0 {
            let part = self.held.min(step);
            self.stream.flow_control().release_capacity(part)?;
            self.held -= part;
            if self.held > 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let released = match self.pace {
            Pace::AtOnce => self.release(usize::MAX).await,
            // At most a few hundred steps.
            Pace::InSteps(step) => self.release(step.max(self.held / 100)).await,
            Pace::Slowly(pause) => {
                if self.held > 0 && self.held_back < MAX_HELD_BACK {
                    self.held_back += pause;
                    tokio::time::sleep(pause).await;
                }
                self.release(usize::MAX).await
            }
            Pace::Hoard => {
                if let Ok(data) = tokio::time::timeout(HOARDS_FOR, self.stream.data()).await {
                    return data;
                }
                self.held_back += HOARDS_FOR;
                if self.held_back >= MAX_HELD_BACK {
                    self.pace = Pace::AtOnce;
                }
                self.release(usize::MAX).await
            }
        };
        match released {
            Ok(()) => self.stream.data().await,
            Err(error) => Some(Err(error)),
        }
    }

    pub async fn chunk(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let chunk = self.next().await;
        if let Some(Ok(data)) = &chunk {
            self.held += data.len();
        }
        chunk
    }
}
