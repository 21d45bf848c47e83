//! The counts of a run.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::Version;

use crate::case::Case;
use crate::frames::FrameCounts;

/// The maximum number of mistakes in the report.
const SHOWN: usize = 20;

#[derive(Debug, Default)]
pub struct Counts {
    pub sent: BTreeMap<&'static str, u64>,
    pub right: BTreeMap<String, u64>,
    pub deaths: BTreeMap<&'static str, u64>,
    pub hung_up: BTreeMap<&'static str, u64>,
    /// The reasons why requests got no answer.
    pub unanswered: BTreeMap<String, u64>,
    pub shut_down: u64,
    pub frames: FrameCounts,
    /// The longest time without new bytes of an answer, and its case.
    pub longest_wait: (Duration, String),
    pub bytes: u64,
    pub wrong: u64,
    pub hanging: u64,
    pub shown: Vec<String>,
}

#[derive(Debug)]
pub struct Tally {
    started: Instant,
    counts: Mutex<Counts>,
}

impl Tally {
    pub fn new() -> Self {
        Self { started: Instant::now(), counts: Mutex::default() }
    }

    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self, case: &Case) {
        let version = match case.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_11 => "HTTP/1.1",
            _ => "HTTP/2",
        };
        let mut counts = self.counts();
        *counts.sent.entry(version).or_default() += 1;
        if let Some(death) = case.death {
            *counts.deaths.entry(death).or_default() += 1;
        }
    }

    pub fn right(&self, case: &Case) {
        let mut counts = self.counts();
        counts.bytes += case.answer.body.len() as u64;
        *counts.right.entry(case.kind.clone()).or_default() += 1;
    }

    pub fn hung_up(&self, place: &'static str) {
        *self.counts().hung_up.entry(place).or_default() += 1;
    }

    pub fn unanswered(&self, why: &str) {
        *self.counts().unanswered.entry(why.to_owned()).or_default() += 1;
    }

    pub fn shut_down(&self) {
        self.counts().shut_down += 1;
    }

    pub fn frames(&self, counts: &FrameCounts) {
        self.counts().frames.add(counts);
    }

    pub fn wrong(&self, case: &Case, why: &str) {
        self.counts().wrong += 1;
        self.show(case, why);
    }

    pub fn hanging(&self, case: &Case, how: &str) {
        self.counts().hanging += 1;
        self.show(case, how);
    }

    pub fn waited(&self, time: Duration, case: &Case, place: &str) {
        let mut counts = self.counts();
        if time > counts.longest_wait.0 {
            counts.longest_wait = (time, format!("{} {} {place}", case.method, case.path));
        }
    }

    fn show(&self, case: &Case, why: &str) {
        let mut counts = self.counts();
        if counts.shown.len() < SHOWN {
            let Case { method, version, path, headers, body, .. } = case;
            let (length, at) = (body.len(), self.started.elapsed().as_secs_f64());
            counts.shown.push(format!(
                "at {at:.0} s: {method} {path} {version:?} {headers:?}, {length} bytes: {why}"
            ));
        }
    }
}
