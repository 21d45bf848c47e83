//! Reads the frames of an HTTP/2 connection in both directions, and computes how many bytes the server may
//! still send. It does not use the client library, so it shows whether the client or the server causes a
//! hanging answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const PREFACE: usize = 24;
const HEAD: usize = 9;
/// The initial window of RFC 9113, for a connection and, without SETTINGS, for a stream.
const DEFAULT_WINDOW: i64 = 65_535;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM_OR_ACK: u8 = 1;
const INITIAL_WINDOW_SIZE: u32 = 4;
/// The longest stored payload: SETTINGS with ten entries.
const MAX_PAYLOAD: usize = 60;

/// The counts of one connection, or of all connections.
#[derive(Debug, Default, Clone)]
pub struct FrameCounts {
    pub connections: u64,
    pub most_streams: usize,
    pub data: u64,
    pub one_byte_data: u64,
    pub window_updates: u64,
    /// How often DATA has used up the window of its stream, or that of the connection.
    pub stream_windows_used_up: u64,
    pub connection_windows_used_up: u64,
    pub negative_windows: u64,
    pub settings: u64,
    pub resets_sent: u64,
    pub resets_received: u64,
    pub goaways: u64,
}

impl FrameCounts {
    pub fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.most_streams = self.most_streams.max(other.most_streams);
        self.data += other.data;
        self.one_byte_data += other.one_byte_data;
        self.window_updates += other.window_updates;
        self.stream_windows_used_up += other.stream_windows_used_up;
        self.connection_windows_used_up += other.connection_windows_used_up;
        self.negative_windows += other.negative_windows;
        self.settings += other.settings;
        self.resets_sent += other.resets_sent;
        self.resets_received += other.resets_received;
        self.goaways += other.goaways;
    }
}

impl std::fmt::Display for FrameCounts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} connections, at most {} streams at a time; {} DATA frames, {} of one byte; windows \
             used up: {} of streams, {} of connections; {} WINDOW_UPDATE and {} SETTINGS sent, {} \
             windows made negative; RST_STREAM: {} sent, {} received; {} GOAWAY",
            self.connections,
            self.most_streams,
            self.data,
            self.one_byte_data,
            self.stream_windows_used_up,
            self.connection_windows_used_up,
            self.window_updates,
            self.settings,
            self.negative_windows,
            self.resets_sent,
            self.resets_received,
            self.goaways
        )
    }
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    length: usize,
    payload: Vec<u8>,
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// Splits the bytes of one direction into frames.
struct Splitter {
    skip: usize,
    kept: Vec<u8>,
    keep: usize,
}

impl Splitter {
    fn new(skip: usize) -> Self {
        Self { skip, kept: Vec::new(), keep: HEAD }
    }

    fn split(&mut self, mut bytes: &[u8], mut each: impl FnMut(&Frame)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (self.keep - self.kept.len()).min(bytes.len());
            self.kept.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.kept.len() < self.keep {
                return;
            }
            let (head, payload) = self.kept.split_at(HEAD);
            let length = number(&head[..3]) as usize;
            let wanted = matches!(head[3], SETTINGS | WINDOW_UPDATE) && length <= MAX_PAYLOAD;
            if wanted && payload.len() < length {
                self.keep = HEAD + length;
                continue;
            }
            each(&Frame {
                kind: head[3],
                flags: head[4],
                stream: number(&head[5..9]) & 0x7FFF_FFFF,
                length,
                payload: payload.to_vec(),
            });
            self.skip = length - payload.len();
            self.kept.clear();
            self.keep = HEAD;
        }
    }
}

struct Windows {
    initial: i64,
    connection: i64,
    streams: BTreeMap<u32, i64>,
    bytes: u64,
    payload: u64,
    counts: FrameCounts,
}

impl Windows {
    fn sent(&mut self, frame: &Frame) {
        match frame.kind {
            HEADERS => {
                self.streams.entry(frame.stream).or_insert(self.initial);
                self.counts.most_streams = self.counts.most_streams.max(self.streams.len());
            }
            RST_STREAM => {
                self.counts.resets_sent += 1;
                self.streams.remove(&frame.stream);
            }
            SETTINGS if frame.flags & END_STREAM_OR_ACK == 0 => {
                self.counts.settings += 1;
                for entry in frame.payload.chunks_exact(6) {
                    if number(&entry[..2]) == INITIAL_WINDOW_SIZE {
                        let size = i64::from(number(&entry[2..]));
                        let change = size - self.initial;
                        self.initial = size;
                        self.streams.values_mut().for_each(|window| *window += change);
                        let negative = self.streams.values().filter(|window| **window < 0).count();
                        self.counts.negative_windows += negative as u64;
                    }
                }
            }
            WINDOW_UPDATE => {
                self.counts.window_updates += 1;
                let more = i64::from(number(&frame.payload) & 0x7FFF_FFFF);
                if frame.stream == 0 {
                    self.connection += more;
                } else if let Some(window) = self.streams.get_mut(&frame.stream) {
                    *window += more;
                }
            }
            _ => (),
        }
    }

    fn received(&mut self, frame: &Frame) {
        match frame.kind {
            DATA => {
                self.counts.data += 1;
                self.counts.one_byte_data += u64::from(frame.length == 1);
                self.payload += frame.length as u64;
                let length = frame.length as i64;
                self.connection -= length;
                if self.connection <= 0 && length > 0 {
                    self.counts.connection_windows_used_up += 1;
                }
                if let Some(window) = self.streams.get_mut(&frame.stream) {
                    *window -= length;
                    if *window <= 0 && length > 0 {
                        self.counts.stream_windows_used_up += 1;
                    }
                }
            }
            RST_STREAM => {
                self.counts.resets_received += 1;
                self.streams.remove(&frame.stream);
            }
            GOAWAY => self.counts.goaways += 1,
            _ => (),
        }
        if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM_OR_ACK != 0 {
            self.streams.remove(&frame.stream);
        }
    }
}

/// The frames of a connection.
pub struct Frames {
    opened: Instant,
    state: Mutex<(Splitter, Splitter, Windows)>,
}

impl Frames {
    pub fn new() -> Self {
        let windows = Windows {
            initial: DEFAULT_WINDOW,
            connection: DEFAULT_WINDOW,
            streams: BTreeMap::new(),
            bytes: 0,
            payload: 0,
            counts: FrameCounts { connections: 1, ..FrameCounts::default() },
        };
        Self {
            opened: Instant::now(),
            state: Mutex::new((Splitter::new(PREFACE), Splitter::new(0), windows)),
        }
    }

    fn state(&self) -> MutexGuard<'_, (Splitter, Splitter, Windows)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self, bytes: &[u8]) {
        let (splitter, _, windows) = &mut *self.state();
        windows.bytes += bytes.len() as u64;
        splitter.split(bytes, |frame| windows.sent(frame));
    }

    pub fn received(&self, bytes: &[u8]) {
        let (_, splitter, windows) = &mut *self.state();
        windows.bytes += bytes.len() as u64;
        splitter.split(bytes, |frame| windows.received(frame));
    }

    /// Whether nginx will soon close the connection as a flood. It does so when all bytes exceed eight times
    /// the payload by 8 MB, which one-byte frames achieve.
    pub fn nears_flood(&self) -> bool {
        let state = self.state();
        state.2.bytes > 8 * state.2.payload + 1_000_000
    }

    /// Whether nginx may close the connection without GOAWAY, `shutdown` after a reload. It does so if an old
    /// worker has accepted the connection before the reload, and got the client's first bytes after it.
    pub fn may_be_shut_down(&self, shutdown: Duration) -> bool {
        self.opened.elapsed() >= shutdown && self.state().2.counts.goaways == 0
    }

    pub fn counts(&self) -> FrameCounts {
        self.state().2.counts.clone()
    }

    /// Describes how much the server may still send, also on the stream if its number is known.
    pub fn describe(&self, stream: Option<u32>) -> String {
        let windows = &self.state().2;
        match stream {
            Some(stream) => format!(
                "the window of the connection is {}, that of stream {stream} is {:?}",
                windows.connection,
                windows.streams.get(&stream)
            ),
            None => format!(
                "the window of the connection is {}, those of its streams are {:?}",
                windows.connection, windows.streams
            ),
        }
    }
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.describe(None))
    }
}
