//! Sends one request, and checks its answer byte for byte.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use hyper::{Request, Response, Version};

use crate::case::{Case, Ending};
use crate::cut::Meter;
use crate::frames::Frames;
use crate::link::{Body, Sender};
use crate::tally::Tally;

/// The outcome of a request.
pub enum Outcome {
    Right,
    Wrong(String),
    Hanging(String),
    /// The client has hung up, at this point.
    HungUp(&'static str),
    /// The connection has ended before the first byte of the answer.
    Unanswered(String),
    /// nginx has cut off the answer, because it took longer than an old worker lives.
    ShutDown,
}

/// The point at which the client hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    Stay,
    /// The connection breaks off.
    InRequest,
    InAnswer,
    /// The client resets the stream after this time, if no headers have arrived.
    ResetBeforeHead(Duration),
    /// The client resets the stream after this number of bytes of the body.
    ResetAfter(usize),
}

impl Plan {
    pub fn breaks_connection(self) -> bool {
        matches!(self, Self::InRequest | Self::InAnswer)
    }
}

/// The maximum time without new bytes of an answer, in ticks. On a busy machine a tick takes longer, so that
/// this process has time to read. Readers release their bytes within two seconds, so the windows are open.
const TICK: Duration = Duration::from_millis(100);
const TICKS: usize = 300;

/// Waits for the future, and counts the ticks.
async fn patiently<T>(future: impl Future<Output = T>) -> (Option<T>, usize) {
    let mut future = pin!(future);
    for ticks in 0..TICKS {
        if let Ok(done) = tokio::time::timeout(TICK, &mut future).await {
            return (Some(done), ticks);
        }
    }
    (None, TICKS)
}

pub struct Exchange {
    pub sender: Sender,
    pub meter: Arc<Meter>,
    pub frames: Option<Arc<Frames>>,
    pub rng: Rng,
    pub plan: Plan,
    /// The minimum time for which an old worker lives.
    pub shutdown: Duration,
    /// True after the last old worker has ended.
    pub settled: Arc<AtomicBool>,
    pub port: u16,
    pub tally: Arc<Tally>,
}

fn request_of(case: &Case, port: u16) -> Result<Request<Bytes>, String> {
    let host = format!("127.0.0.1:{port}");
    let mut request = Request::builder().method(case.method.clone()).version(case.version);
    request = if case.version == Version::HTTP_2 {
        request.uri(format!("http://{host}{}", case.path))
    } else {
        request.uri(&case.path).header("host", host)
    };
    for (name, value) in &case.headers {
        request = request.header(*name, value);
    }
    if case.version == Version::HTTP_2 && !case.body.is_empty() {
        request = request.header("content-length", case.body.len());
    }
    request.body(case.body.clone()).map_err(|error| error.to_string())
}

/// Returns the error in the status or the headers of an answer.
fn check_head(case: &Case, response: &Response<Body>) -> Result<(), String> {
    let answer = &case.answer;
    if response.status().as_u16() != answer.status {
        return Err(format!("status {} instead of {}", response.status(), answer.status));
    }
    let text = |value: &hyper::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
    };
    let all = response.headers();
    let mut headers: Vec<(String, String)> = all
        .iter()
        .filter(|(name, _)| ["x-", "grpc-"].iter().any(|start| name.as_str().starts_with(start)))
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    headers.sort();
    if headers != answer.headers {
        return Err(format!("headers {headers:?} instead of {:?}", answer.headers));
    }
    let only = |name| {
        let mut values = all.get_all(name).iter().map(text);
        (values.next(), values.next().is_some())
    };
    let expected = answer.content_type.map(str::to_owned);
    let (content_type, more) = only("content-type");
    if more || (expected.is_some() && content_type != expected) {
        return Err(format!("Content-Type {content_type:?} instead of {expected:?}"));
    }
    let expected = answer.content_length.map(|length| length.to_string());
    let (content_length, more) = only("content-length");
    if more || content_length != expected {
        return Err(format!("Content-Length {content_length:?} instead of {expected:?}"));
    }
    Ok(())
}

impl Exchange {
    fn hangs(&self, progress: &str, stream: Option<u32>) -> Outcome {
        let plan = match self.plan {
            Plan::Stay => "",
            _ => " where we should have hung up",
        };
        let windows =
            self.frames.as_ref().map(|frames| frames.describe(stream)).unwrap_or_default();
        Outcome::Hanging(format!("hangs{plan} {progress}; {windows}"))
    }

    /// Whether `worker_shutdown_timeout` may have cut off an answer that began at `started`.
    fn may_be_shut_down(&self, started: Instant) -> bool {
        let untold = self.frames.as_ref().is_some_and(|it| it.may_be_shut_down(self.shutdown));
        !self.settled.load(Ordering::Relaxed) && (started.elapsed() >= self.shutdown || untold)
    }

    /// The outcome of a failed connection.
    fn broken_off(&self, case: &Case, started: Instant, at: &'static str, why: &str) -> Outcome {
        match self.plan {
            Plan::InRequest => return Outcome::HungUp("in the request"),
            Plan::InAnswer => return Outcome::HungUp(at),
            _ => (),
        }
        if case.answer.ending != Ending::Whole {
            Outcome::Right
        } else if self.may_be_shut_down(started) {
            Outcome::ShutDown
        } else {
            Outcome::Wrong(format!("breaks off {at}: {why}"))
        }
    }

    pub async fn run(mut self, case: &Case) -> Outcome {
        let started = Instant::now();
        let request = match request_of(case, self.port) {
            Ok(request) => request,
            Err(error) => return Outcome::Wrong(error),
        };
        let read_before = self.meter.read();
        let sending = self.sender.send(request, &mut self.rng);
        let sent = match self.plan {
            Plan::ResetBeforeHead(after) => match tokio::time::timeout(after, sending).await {
                Ok(sent) => sent,
                Err(_) => return Outcome::HungUp("by RST_STREAM, before the head"),
            },
            _ => {
                let (sent, ticks) = patiently(sending).await;
                self.tally.waited(TICK * ticks as u32, case, "before its head");
                match sent {
                    Some(sent) => sent,
                    None => return self.hangs("before its head", None),
                }
            }
        };
        let response = match sent {
            Ok(response) => response,
            Err(why) => {
                let is_http1 = case.version != Version::HTTP_2;
                let silent = !is_http1 || self.meter.read() == read_before;
                let unanswered = !self.plan.breaks_connection()
                    && silent
                    && case.answer.ending == Ending::Whole
                    && !self.may_be_shut_down(started);
                return match unanswered {
                    true => Outcome::Unanswered(why),
                    false => self.broken_off(case, started, "in the head", &why),
                };
            }
        };
        if let Err(wrong) = check_head(case, &response) {
            return Outcome::Wrong(wrong);
        }

        let expected = &case.answer.body;
        let mut body = response.into_body();
        let mut at = 0;
        loop {
            if matches!(self.plan, Plan::ResetAfter(bytes) if at >= bytes) {
                return Outcome::HungUp("by RST_STREAM, in the body");
            }
            let progress = || format!("after {at} of {} bytes", expected.len());
            let (chunk, ticks) = patiently(body.chunk()).await;
            if ticks > 0 {
                self.tally.waited(TICK * ticks as u32, case, &progress());
            }
            let Some(chunk) = chunk else {
                return self.hangs(&progress(), body.stream_id());
            };
            let data = match chunk {
                None => break,
                Some(Ok(data)) => data,
                Some(Err(error)) => {
                    let why = format!("{error} {}", progress());
                    return self.broken_off(case, started, "in the body", &why);
                }
            };
            if expected.get(at..at + data.len()) != Some(&data[..]) {
                let differs = data.iter().zip(&expected[at.min(expected.len())..]);
                let same = differs.take_while(|(got, wanted)| got == wanted).count();
                return Outcome::Wrong(format!(
                    "the body differs at {} of {} bytes: {:?}",
                    at + same,
                    expected.len(),
                    String::from_utf8_lossy(&data[same..data.len().min(same + 40)])
                ));
            }
            at += data.len();
        }
        match case.answer.ending {
            Ending::Either => Outcome::Right,
            Ending::Broken => Outcome::Wrong(format!("ends as if it were whole, after {at} bytes")),
            Ending::Whole if at == expected.len() => Outcome::Right,
            Ending::Whole if self.may_be_shut_down(started) => Outcome::ShutDown,
            Ending::Whole => Outcome::Wrong(format!("ends after {at} of {} bytes", expected.len())),
        }
    }
}
