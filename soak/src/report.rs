//! The figures of a run, and its verdict.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use crate::server::Sample;
use crate::tally::Tally;

/// The maximum growth of a worker's memory from the first half of the steady part to its end. Bodies of several
/// megabytes fragment the heap by this much.
const MOST_GROWTH_KB: f64 = 24_000.0;
/// A shorter steady part shows nothing about memory.
const SHORTEST_STEADY: Duration = Duration::from_secs(60);

/// The observations of nginx.
#[derive(Debug, Default)]
pub struct Watched {
    pub reloads: u64,
    /// The time at which the last reload was over.
    pub steady_from: Duration,
    pub master: Vec<Sample>,
    pub workers: Vec<Sample>,
    pub idle_files: Vec<usize>,
    pub files_at_end: Vec<usize>,
    pub clients_ended: bool,
    pub stopped: bool,
}

impl Watched {
    pub fn most_idle_files(&self) -> usize {
        self.idle_files.iter().copied().max().unwrap_or_default()
    }
}

fn list<K: Display, V: Display>(counts: &BTreeMap<K, V>) -> String {
    let items: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    items.join(", ")
}

fn mean(values: impl Iterator<Item = u64> + Clone) -> f64 {
    let count = values.clone().count().max(1);
    values.sum::<u64>() as f64 / count as f64
}

/// The growth in kilobytes per minute, by least squares.
fn slope(samples: &[&Sample]) -> f64 {
    let n = samples.len() as f64;
    let minutes = |sample: &Sample| sample.at.as_secs_f64() / 60.0;
    let at = samples.iter().map(|s| minutes(s)).sum::<f64>() / n;
    let rss = samples.iter().map(|s| s.rss_kb as f64).sum::<f64>() / n;
    let (mut above, mut below) = (0.0, 0.0);
    for sample in samples {
        above += (minutes(sample) - at) * (sample.rss_kb as f64 - rss);
        below += (minutes(sample) - at).powi(2);
    }
    if below == 0.0 { 0.0 } else { above / below }
}

/// The lines of the log that show a defect.
fn alarms(log: &str) -> Vec<&str> {
    const WORDS: [&str; 8] = [
        "[alert]",
        "[emerg]",
        "[crit]",
        "exited on signal",
        "panicked",
        "internal error",
        "unknown reason",
        ".lua:",
    ];
    log.lines().filter(|line| WORDS.iter().any(|word| line.contains(word))).collect()
}

/// Prints the report. Returns whether nothing is wrong.
pub fn print(tally: &Tally, watched: &Watched, log: &str, took: Duration) -> bool {
    let counts = tally.counts();
    let requests: u64 = counts.sent.values().sum();
    println!("{requests} requests in {:.0} s: {}", took.as_secs_f64(), list(&counts.sent));
    println!("correct responses: {}", list(&counts.right));
    println!("{} MB of bodies compared", counts.bytes / 1_000_000);
    let hung_up: u64 = counts.hung_up.values().sum();
    println!("{hung_up} clients disconnected: {}", list(&counts.hung_up));
    let deaths: u64 = counts.deaths.values().sum();
    println!("{deaths} upstreams failed: {}", list(&counts.deaths));
    let unanswered: u64 = counts.unanswered.values().sum();
    println!(
        "{} reloads; {} responses cut off by worker_shutdown_timeout; {unanswered} requests sent \
         again, because a reload closed the connection",
        watched.reloads, counts.shut_down
    );
    for (why, count) in &counts.unanswered {
        println!("  {count} times: {why}");
    }

    let frames = &counts.frames;
    if frames.connections > 0 {
        println!("HTTP/2: {frames}");
    }

    let (wait, case) = &counts.longest_wait;
    println!("longest wait for more of a response: {:.1} s, {case}", wait.as_secs_f64());

    let mut well = counts.wrong == 0 && counts.hanging == 0;
    well &= memory(watched);
    println!(
        "files and connections open in a worker: {:?} before, {:?} after",
        watched.idle_files, watched.files_at_end
    );
    well &= watched.files_at_end.iter().all(|files| *files <= watched.most_idle_files());
    well &= watched.files_at_end.len() == watched.idle_files.len();
    well &= watched.clients_ended && watched.stopped;

    let alarms = alarms(log);
    well &= alarms.is_empty();
    println!(
        "wrong: {}; hanging: {}; alarms in the log: {}",
        counts.wrong,
        counts.hanging,
        alarms.len()
    );
    counts.shown.iter().for_each(|line| println!("  {line}"));
    alarms.iter().take(20).for_each(|line| println!("  {line}"));
    println!("{}", if well { "passed" } else { "FAILED" });
    well
}

/// Prints the memory of the workers. Returns whether it does not grow.
fn memory(watched: &Watched) -> bool {
    let kb =
        |samples: &[Sample]| samples.first().zip(samples.last()).map(|(a, b)| (a.rss_kb, b.rss_kb));
    if let Some((first, last)) = kb(&watched.master) {
        println!("memory of the master: {first} kB, and {last} kB after all reloads");
    }
    let mut by_pid: BTreeMap<i32, Vec<&Sample>> = BTreeMap::new();
    for sample in &watched.workers {
        by_pid.entry(sample.pid).or_default().push(sample);
    }
    let end = watched.workers.last().map_or(Duration::ZERO, |sample| sample.at);
    let steady = end.saturating_sub(watched.steady_from);
    if steady < SHORTEST_STEADY {
        return true;
    }
    let mut flat = true;
    for (pid, samples) in by_pid {
        if samples.last().is_none_or(|last| last.at != end) {
            continue;
        }
        // The first quarter fills caches and the heap.
        let from = |part: f64| watched.steady_from + steady.mul_f64(part);
        let settled: Vec<&Sample> =
            samples.iter().copied().filter(|sample| sample.at >= from(0.25)).collect();
        let rss = |a: f64, b: f64| {
            mean(settled.iter().filter(|s| s.at >= from(a) && s.at < from(b)).map(|s| s.rss_kb))
        };
        let (early, late) = (rss(0.25, 0.625), rss(0.625, 1.0));
        println!(
            "memory of worker {pid}, without a reload for {:.0} s: {early:.0} kB, then {late:.0} kB; \
             slope {:+.0} kB a minute; {} files at most",
            steady.as_secs_f64(),
            slope(&settled),
            samples.iter().map(|sample| sample.files).max().unwrap_or_default(),
        );
        flat &= late - early <= MOST_GROWTH_KB;
    }
    flat
}
