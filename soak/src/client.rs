//! Clients. Each sends one case after the other, and hangs up during some of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use hyper::Version;
use tokio::task::JoinSet;

use crate::case::{Case, Ending};
use crate::cut::Meter;
use crate::exchange::{Exchange, Outcome, Plan};
use crate::link::{Link, Protocol};
use crate::pace::Windows;
use crate::tally::Tally;

/// How often a client sends a request that gets no answer.
const TRIES: usize = 5;
/// The numbers of concurrent requests on a connection of hyper's HTTP/2, and on one of h2's.
const STREAMS: usize = 4;
const MANY_STREAMS: usize = 40;

/// The protocol of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http1,
    /// HTTP/2 with hyper and its own windows.
    Hyper,
    /// HTTP/2 with hyper and windows of any size.
    SmallWindows,
    /// HTTP/2 with h2: windows of any size, slow readers, and many streams, some of which it resets.
    ManyStreams,
}

/// Runs a client until `stop`.
pub struct Client {
    pub port: u16,
    pub kind: Kind,
    pub shutdown: Duration,
    pub rng: Rng,
    pub tally: Arc<Tally>,
    pub stop: Arc<AtomicBool>,
    /// True after the last reload and a waiting time: from then on, nothing closes connections.
    pub settled: Arc<AtomicBool>,
    /// Whether the upstream sends some answers slowly.
    pub drips: bool,
}

impl Client {
    fn protocol(&mut self) -> Protocol {
        let windows = Windows::new(&mut self.rng);
        match self.kind {
            Kind::Http1 => Protocol::Http1,
            Kind::Hyper => Protocol::Hyper(None),
            Kind::SmallWindows => Protocol::Hyper(Some(windows)),
            Kind::ManyStreams => Protocol::H2(windows),
        }
    }

    /// The cases that the client sends at the same time.
    fn cases(&mut self, protocol: Protocol) -> Vec<Arc<Case>> {
        let (count, windows) = match protocol {
            Protocol::Http1 => (1, None),
            Protocol::Hyper(windows) => (self.rng.usize(1..=STREAMS), windows),
            Protocol::H2(windows) => (self.rng.usize(1..=MANY_STREAMS), Some(windows)),
        };
        let mut large = self.rng.u8(0..8) == 0;
        let mut cases = Vec::with_capacity(count);
        for _ in 0..count {
            let version = match self.rng.u8(0..4) {
                _ if self.kind != Kind::Http1 => Version::HTTP_2,
                0 => Version::HTTP_10,
                _ => Version::HTTP_11,
            };
            let longest = windows.map_or(usize::MAX, |windows| windows.longest_body(large));
            large = false;
            cases.push(Arc::new(Case::new(&mut self.rng, version, self.drips, longest)));
        }
        cases
    }

    pub async fn run(mut self) {
        let mut link = None;
        while !self.stop.load(Ordering::Relaxed) {
            let protocol = match &link {
                Some(Link { protocol, .. }) => *protocol,
                None => self.protocol(),
            };
            let mut cases = self.cases(protocol);
            for attempt in 1..=TRIES {
                cases = self.send(&mut link, protocol, cases, attempt).await;
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

    /// The client resets some streams, while the others continue.
    fn plan_of_stream(&mut self, case: &Case) -> Plan {
        match self.rng.u8(0..16) {
            0 => Plan::ResetBeforeHead(Duration::from_micros(self.rng.u64(0..20_000))),
            1 | 2 => Plan::ResetAfter(self.rng.usize(0..=case.answer.body.len())),
            _ => Plan::Stay,
        }
    }

    /// Sends the cases. Returns those without an answer, which it must send again.
    async fn send(
        &mut self,
        link: &mut Option<Link>,
        protocol: Protocol,
        cases: Vec<Arc<Case>>,
        attempt: usize,
    ) -> Vec<Arc<Case>> {
        if let Some(open) = link
            && !open.is_usable().await
        {
            self.leave(link);
        }
        if link.is_none() {
            let abrupt = self.rng.bool();
            match Link::open(self.port, protocol, abrupt, &mut self.rng).await {
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
            let plan = match plan {
                Plan::Stay if self.kind == Kind::ManyStreams => self.plan_of_stream(&case),
                plan => plan,
            };
            let exchange = Exchange {
                sender: open.sender.clone(),
                meter: open.meter.clone(),
                frames: open.frames.clone(),
                rng: self.rng.fork(),
                plan,
                shutdown: self.shutdown,
                settled: self.settled.clone(),
                port: self.port,
                tally: self.tally.clone(),
            };
            running.spawn(async move {
                let outcome = exchange.run(&case).await;
                (case, outcome)
            });
        }
        let (mut again, mut keep) = (Vec::new(), plan == Plan::Stay);
        while let Some(done) = running.join_next().await {
            let Ok((case, outcome)) = done else { continue };
            self.tally.sent(&case);
            match outcome {
                Outcome::Right => {
                    self.tally.right(&case);
                    keep &= case.answer.ending == Ending::Whole || self.kind != Kind::Http1;
                    continue;
                }
                Outcome::Wrong(why) => self.tally.wrong(&case, &why),
                Outcome::Hanging(how) => self.tally.hanging(&case, &how),
                Outcome::HungUp(place) => {
                    self.tally.hung_up(place);
                    continue;
                }
                Outcome::ShutDown => self.tally.shut_down(),
                Outcome::Unanswered(why) => {
                    self.tally.unanswered(&why);
                    // In HTTP/2, nginx announces the end after a thousand requests on a connection.
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
            self.leave(link);
        }
        again
    }

    /// Closes the connection.
    fn leave(&self, link: &mut Option<Link>) {
        if let Some(frames) = link.take().and_then(|link| link.frames.clone()) {
            self.tally.frames(&frames.counts());
        }
    }
}
