//! The upstream. The query decides its answer, and at which point it fails.

use std::io;
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::case::bytes_of;

/// The time for which the upstream keeps a request open that it never answers.
const HANG: Duration = Duration::from_secs(10);
/// The duration of a slow answer, and the number of its pieces.
const DRIP: (Duration, usize) = (Duration::from_secs(8), 16);
/// The approximate number of odd pieces of a long body.
const PIECES: usize = 100;

/// Serves until the process ends.
pub async fn serve(listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // nginx hangs up if its client hangs up.
            tokio::spawn(async move { drop(answer(stream).await) });
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> io::Result<(String, String)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let missing = (end + length.unwrap_or(0)).saturating_sub(bytes.len());
    let mut body = stream.take(missing as u64);
    tokio::io::copy(&mut body, &mut tokio::io::sink()).await?;
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    Ok((method, target))
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (method, target) = read_request(&mut stream).await?;
    let argument = |name: &str| {
        let query = target.split_once('?')?.1;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let number = |name: &str| argument(name).and_then(|text| text.parse::<u64>().ok());
    match argument("die") {
        Some("head") => return Ok(()),
        Some("hang") => {
            // Ends early if nginx closes the connection.
            let mut byte = [0];
            let _ = tokio::time::timeout(HANG, stream.read(&mut byte)).await;
            return Ok(());
        }
        _ => (),
    }
    let seed = number("seed").unwrap_or_default();
    let length = number("length").unwrap_or_default() as usize;
    let chunked = argument("chunked").is_some();
    let framing = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {length}")
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Up: {seed}\r\nX-Removed: 1\r\n\
         {framing}\r\nX-Removed: 2\r\nConnection: close\r\n\r\n"
    );
    let death = number("die").map(|at| at as usize);
    let body = bytes_of(seed, length);
    let body = &body[..death.unwrap_or(length)];
    let mut pieces = Pieces::new(seed, body.len(), argument("drip").is_some());
    let mut output = head.into_bytes();
    if method == "HEAD" || !pieces.with_head {
        pieces.write(&mut stream, &output).await?;
        output.clear();
    }
    if method == "HEAD" {
        return stream.shutdown().await;
    }
    let mut rest = body;
    while !rest.is_empty() {
        let (part, behind) = rest.split_at(pieces.next_size().min(rest.len()));
        rest = behind;
        if chunked {
            output.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        }
        output.extend_from_slice(part);
        if chunked {
            output.extend_from_slice(b"\r\n");
        }
        pieces.write(&mut stream, &output).await?;
        output.clear();
        pieces.pause().await;
    }
    if death.is_none() && chunked {
        output.extend_from_slice(b"0\r\n\r\n");
    }
    pieces.write(&mut stream, &output).await?;
    stream.shutdown().await
}

/// How the upstream cuts a body: into even pieces, or into odd pieces with time for nginx to read between them.
struct Pieces {
    rng: Rng,
    drip: bool,
    odd: bool,
    even: usize,
    longest: usize,
    /// Whether the first piece arrives together with the headers.
    with_head: bool,
}

impl Pieces {
    fn new(seed: u64, length: usize, drip: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let even = if drip { length / DRIP.1 + 1 } else { 1 + (seed % 100_000) as usize };
        let longest = (length / PIECES).max(rng.usize(1..5_000));
        let (odd, with_head) = (!drip && rng.bool(), rng.bool());
        Self { rng, drip, odd, even, longest, with_head }
    }

    fn next_size(&mut self) -> usize {
        if self.odd { self.rng.usize(1..=self.longest) } else { self.even }
    }

    /// Writes the bytes, at once or in two parts.
    async fn write(&mut self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        let parts = bytes.split_at(if self.odd { self.rng.usize(0..=bytes.len()) } else { 0 });
        if !parts.0.is_empty() {
            stream.write_all(parts.0).await?;
            tokio::task::yield_now().await;
        }
        stream.write_all(parts.1).await
    }

    async fn pause(&mut self) {
        if self.drip {
            tokio::time::sleep(DRIP.0 / DRIP.1 as u32).await;
        } else if self.odd && self.rng.u8(0..16) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
