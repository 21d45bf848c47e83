//! Clients: each sends one case after the other, checks the answers byte for byte, and hangs up on some.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, Version, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

use crate::case::{Case, Ending};
use crate::cut::{Cut, Meter};
use crate::tally::Tally;

/// An answer that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a request is sent that no one has answered.
const TRIES: usize = 5;
/// How many requests share a connection of HTTP/2 at a time.
const STREAMS: usize = 4;

/// What became of a request.
enum Outcome {
    Right,
    Wrong(String),
    Hanging(String),
    /// We hung up, here.
    HungUp(&'static str),
    /// The connection ended before a byte of the answer.
    Unanswered(String),
    /// The answer took longer than nginx lets old workers live, and was cut off.
    ShutDown,
}

#[derive(Clone)]
enum Sender {
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => sender.lock().await.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }

    async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.lock().await.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

struct Link {
    sender: Sender,
    meter: Arc<Meter>,
    driver: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Closes the connection, whatever state it is in.
        self.driver.abort();
    }
}

impl Link {
    async fn open(port: u16, http2: bool, abrupt: bool) -> Result<Self, String> {
        let open = async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            if abrupt {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            }
            Ok::<_, std::io::Error>(stream)
        };
        let stream = open.await.map_err(|error| format!("no connection: {error}"))?;
        let meter = Meter::new();
        let io = TokioIo::new(Cut::new(stream, meter.clone()));
        let failed = |error| format!("no connection: {error}");
        let (sender, driver) = if http2 {
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.map_err(failed)?;
            (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(failed)?;
            let sender = Arc::new(tokio::sync::Mutex::new(sender));
            (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
        };
        Ok(Self { sender, meter, driver })
    }
}

/// Where the client hangs up.
#[derive(Clone, Copy)]
enum Plan {
    Stay,
    InRequest,
    InAnswer,
}

struct Exchange {
    sender: Sender,
    meter: Arc<Meter>,
    plan: Plan,
    shutdown: Duration,
    port: u16,
    /// How far it has come.
    progress: String,
}

fn request_of(case: &Case, port: u16) -> Result<Request<Full<Bytes>>, String> {
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
    request.body(Full::new(case.body.clone())).map_err(|error| error.to_string())
}

/// What is wrong with the head of an answer.
fn check_head(case: &Case, response: &Response<Incoming>) -> Result<(), String> {
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
    async fn run(mut self, case: &Case) -> Outcome {
        let started = Instant::now();
        match tokio::time::timeout(PATIENCE, self.talk(case, started)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Hanging(match self.plan {
                Plan::Stay => format!("hangs {}", self.progress),
                _ => format!("hangs where we should have hung up, {}", self.progress),
            }),
        }
    }

    /// What a failure of the connection means.
    fn broken_off(&self, case: &Case, started: Instant, at: &'static str, why: &str) -> Outcome {
        match self.plan {
            Plan::InRequest => return Outcome::HungUp("in the request"),
            Plan::InAnswer => return Outcome::HungUp(at),
            Plan::Stay => (),
        }
        if case.answer.ending != Ending::Whole {
            Outcome::Right
        } else if started.elapsed() >= self.shutdown {
            Outcome::ShutDown
        } else {
            Outcome::Wrong(format!("breaks off {at}: {why}"))
        }
    }

    async fn talk(&mut self, case: &Case, started: Instant) -> Outcome {
        let request = match request_of(case, self.port) {
            Ok(request) => request,
            Err(error) => return Outcome::Wrong(error),
        };
        let read_before = self.meter.read();
        let response = match self.sender.send(request).await {
            Ok(response) => response,
            Err(error) => {
                let why = format!("{error} {:?}", std::error::Error::source(&error));
                let is_http1 = case.version != Version::HTTP_2;
                let silent = !is_http1 || self.meter.read() == read_before;
                return match self.plan {
                    Plan::Stay
                        if silent
                            && case.answer.ending == Ending::Whole
                            && started.elapsed() < self.shutdown =>
                    {
                        Outcome::Unanswered(why)
                    }
                    _ => self.broken_off(case, started, "in the head", &why),
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
            self.progress = format!("after {at} of {} bytes", expected.len());
            let Some(frame) = body.frame().await else { break };
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    let why = format!("{error} after {at} of {} bytes", expected.len());
                    return self.broken_off(case, started, "in the body", &why);
                }
            };
            let Ok(data) = frame.into_data() else { continue };
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
            Ending::Whole if started.elapsed() >= self.shutdown => Outcome::ShutDown,
            Ending::Whole => Outcome::Wrong(format!("ends after {at} of {} bytes", expected.len())),
        }
    }
}

/// A client: until `stop`, over HTTP/1.x or over HTTP/2.
pub struct Client {
    pub port: u16,
    pub http2: bool,
    pub shutdown: Duration,
    pub rng: Rng,
    pub tally: Arc<Tally>,
    pub stop: Arc<AtomicBool>,
    /// Set when the last reload is long over: nothing closes connections any more.
    pub settled: Arc<AtomicBool>,
    /// Whether some answers drip.
    pub drips: bool,
}

impl Client {
    pub async fn run(mut self) {
        let mut link = None;
        while !self.stop.load(Ordering::Relaxed) {
            let count = if self.http2 { self.rng.usize(1..=STREAMS) } else { 1 };
            let mut cases: Vec<Arc<Case>> = (0..count)
                .map(|_| {
                    let version = match self.rng.u8(0..4) {
                        _ if self.http2 => Version::HTTP_2,
                        0 => Version::HTTP_10,
                        _ => Version::HTTP_11,
                    };
                    Arc::new(Case::new(&mut self.rng, version, self.drips))
                })
                .collect();
            for attempt in 1..=TRIES {
                cases = self.send(&mut link, cases, attempt).await;
                if cases.is_empty() {
                    break;
                }
            }
        }
    }

    fn plan(&mut self, meter: &Meter, cases: &[Arc<Case>]) -> Plan {
        let sizes = cases.iter().map(|case| (case.body.len(), case.answer.body.len()));
        let (sent, answered) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        match self.rng.u8(0..16) {
            0 => {
                meter.cut_writing(self.rng.u64(0..300 + sent as u64));
                Plan::InRequest
            }
            1 => {
                meter.cut_reading(self.rng.u64(0..300 + answered as u64));
                Plan::InAnswer
            }
            _ => Plan::Stay,
        }
    }

    /// Sends the cases; returns those that got no answer and are to be sent again.
    async fn send(
        &mut self,
        link: &mut Option<Link>,
        cases: Vec<Arc<Case>>,
        attempt: usize,
    ) -> Vec<Arc<Case>> {
        if let Some(open) = link
            && !open.sender.is_ready().await
        {
            *link = None;
        }
        if link.is_none() {
            match Link::open(self.port, self.http2, self.rng.bool()).await {
                Ok(open) => *link = Some(open),
                Err(error) => {
                    self.tally.unanswered(&error);
                    if attempt == TRIES {
                        self.tally.wrong(&cases[0], &error);
                    }
                    return cases;
                }
            }
        }
        let Some(open) = link.as_ref() else { return cases };
        let plan = self.plan(&open.meter, &cases);
        let mut running = JoinSet::new();
        for case in cases {
            let exchange = Exchange {
                sender: open.sender.clone(),
                meter: open.meter.clone(),
                plan,
                shutdown: self.shutdown,
                port: self.port,
                progress: "before its head".to_owned(),
            };
            running.spawn(async move {
                let outcome = exchange.run(&case).await;
                (case, outcome)
            });
        }
        let (mut again, mut keep) = (Vec::new(), matches!(plan, Plan::Stay));
        while let Some(done) = running.join_next().await {
            let Ok((case, outcome)) = done else { continue };
            self.tally.sent(&case);
            match outcome {
                Outcome::Right => {
                    self.tally.right(&case);
                    keep &= case.answer.ending == Ending::Whole || self.http2;
                    continue;
                }
                Outcome::Wrong(why) => self.tally.wrong(&case, &why),
                Outcome::Hanging(how) => self.tally.hanging(&case, &how),
                Outcome::HungUp(place) => self.tally.hung_up(place),
                Outcome::ShutDown => self.tally.shut_down(),
                Outcome::Unanswered(why) => {
                    self.tally.unanswered(&why);
                    // In HTTP/2 nginx says so when a connection has served its thousand requests.
                    let no_reason = self.settled.load(Ordering::Relaxed) && !why.contains("GoAway");
                    if attempt == TRIES || no_reason {
                        self.tally.wrong(&case, &format!("no answer: {why}"));
                    }
                    again.push(case);
                }
            }
            keep = false;
        }
        if !keep {
            *link = None;
        }
        again
    }
}
