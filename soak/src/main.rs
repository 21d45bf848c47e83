//! `kong-response-soak SECONDS [SEED [2]]` runs nginx with the library under load and faults. Clients hang up,
//! upstreams fail, and nginx reloads. It checks every answer, and exits with 1 if anything is wrong.

mod case;
mod client;
mod cut;
mod exchange;
mod frames;
mod link;
mod pace;
mod report;
mod server;
mod tally;
mod upstream;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};

use client::{Client, Kind};
use report::Watched;
use server::Server;
use tally::Tally;

/// The number of clients of each kind, and the numbers if all speak HTTP/2.
const CLIENTS: [(Kind, usize); 4] =
    [(Kind::Http1, 32), (Kind::Hyper, 8), (Kind::SmallWindows, 4), (Kind::ManyStreams, 2)];
const HTTP2_CLIENTS: [(Kind, usize); 3] =
    [(Kind::Hyper, 2), (Kind::SmallWindows, 10), (Kind::ManyStreams, 16)];
/// The time after which nginx ends old workers.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// An old worker still accepts requests until its client has read that the connection ends.
const LATE_REQUESTS: Duration = Duration::from_secs(1);
const RELOAD_EVERY: Duration = Duration::from_secs(3);
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);
/// The part of the run with reloads. After it, the workers stay, which shows whether their memory grows.
const RELOADING: f64 = 0.6;
/// Only longer runs have answers that take longer than an old worker lives.
const SHORTEST_WITH_DRIPS: Duration = Duration::from_secs(30);
/// The maximum time for the last answers, and for the last connections.
const SETTLE: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (seconds, seed, clients) = match words[..] {
        [seconds] => (seconds.parse(), Ok(1), &CLIENTS[..]),
        [seconds, seed] => (seconds.parse(), seed.parse(), &CLIENTS[..]),
        [seconds, seed, "2"] => (seconds.parse(), seed.parse(), &HTTP2_CLIENTS[..]),
        _ => ("".parse(), Ok(0), &[][..]),
    };
    let (Ok(seconds), Ok(seed)) = (seconds, seed) else {
        eprintln!("kong-response-soak SECONDS [SEED [2]]");
        return ExitCode::from(2);
    };
    let dir = std::env::temp_dir().join(format!("kong-response-soak.{}", std::process::id()));
    let done = soak(&dir, Duration::from_secs(seconds), seed, clients).await;
    let _ = std::fs::remove_dir_all(&dir);
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn soak(
    dir: &Path,
    time: Duration,
    seed: u64,
    kinds: &[(Kind, usize)],
) -> std::io::Result<bool> {
    std::fs::create_dir_all(dir)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;

    let upstream = TcpListener::bind("127.0.0.1:0").await?;
    // A bound port on which nothing listens refuses connections.
    let refuses = TcpSocket::new_v4()?;
    refuses.bind(([127, 0, 0, 1], 0).into())?;
    let (port, h2_port) = (free_port()?, free_port()?);
    let mut server = Server::start(
        dir,
        &root,
        &[
            ("port", port.to_string()),
            ("h2_port", h2_port.to_string()),
            ("upstream_port", upstream.local_addr()?.port().to_string()),
            ("refused_port", refuses.local_addr()?.port().to_string()),
            ("shutdown_seconds", SHUTDOWN.as_secs().to_string()),
        ],
    )?;
    tokio::spawn(upstream::serve(upstream));

    let tally = Arc::new(Tally::new());
    let (stop, settled) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let started = Instant::now();
    let idle_files = files_of(&server, started);
    let mut clients = tokio::task::JoinSet::new();
    let kinds = kinds.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
    for (number, kind) in (0..).zip(kinds) {
        let client = Client {
            port: if kind == Kind::Http1 { port } else { h2_port },
            kind,
            shutdown: SHUTDOWN - LATE_REQUESTS,
            rng: fastrand::Rng::with_seed(seed.wrapping_mul(1000).wrapping_add(number)),
            tally: tally.clone(),
            stop: stop.clone(),
            settled: settled.clone(),
            drips: time >= SHORTEST_WITH_DRIPS,
        };
        clients.spawn(client.run());
    }

    let mut watched = Watched { steady_from: time.mul_f64(RELOADING), ..Watched::default() };
    let reload_every = RELOAD_EVERY.min(watched.steady_from / 3);
    let (mut reloaded, mut sampled) = (started, started);
    while started.elapsed() < time {
        tokio::time::sleep(TICK).await;
        if reloaded.elapsed() >= reload_every && started.elapsed() < watched.steady_from {
            server.reload();
            watched.reloads += 1;
            reloaded = Instant::now();
        }
        let now = started.elapsed();
        settled.store(now > watched.steady_from + 2 * SHUTDOWN, Ordering::Relaxed);
        if sampled.elapsed() < SAMPLE_EVERY {
            continue;
        }
        sampled = Instant::now();
        watched.master.extend(server.sample(server.master(), now));
        let workers = server.workers();
        watched.workers.extend(workers.iter().filter_map(|pid| server.sample(*pid, now)));
    }

    stop.store(true, Ordering::Relaxed);
    let ended =
        tokio::time::timeout(SETTLE, async { while clients.join_next().await.is_some() {} });
    watched.clients_ended = ended.await.is_ok();
    watched.idle_files = idle_files;
    let settling = Instant::now();
    loop {
        watched.files_at_end = files_of(&server, started);
        let flat = watched.files_at_end.len() == 2
            && watched.files_at_end.iter().all(|files| *files <= watched.most_idle_files());
        if flat || settling.elapsed() > SETTLE {
            break;
        }
        tokio::time::sleep(TICK).await;
    }
    watched.stopped = server.stop();
    Ok(report::print(&tally, &watched, &server.log(), started.elapsed()))
}

fn files_of(server: &Server, started: Instant) -> Vec<usize> {
    let workers = server.workers();
    let samples = workers.iter().filter_map(|pid| server.sample(*pid, started.elapsed()));
    samples.map(|sample| sample.files).collect()
}
