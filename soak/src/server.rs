//! Starts, reloads, watches and stops nginx.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The maximum time for nginx to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// The resources of a process.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub at: Duration,
    pub pid: i32,
    pub rss_kb: u64,
    pub files: usize,
}

pub struct Server {
    child: Child,
    dir: PathBuf,
}

fn modules(binary: &str) -> io::Result<String> {
    let output = Command::new(binary).arg("-V").output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // Debian has the Lua module in a package of its own. OpenResty has it built in.
    let folder = text.split("--modules-path=").nth(1).and_then(|rest| rest.split(' ').next());
    let paths = ["ndk_http_module", "ngx_http_lua_module"]
        .map(|name| Path::new(folder.unwrap_or_default()).join(format!("{name}.so")));
    let lines = paths.iter().filter(|path| path.exists());
    Ok(lines.map(|path| format!("load_module {};\n", path.display())).collect())
}

/// The number of open files and connections, without the channels between nginx's own processes: the number of
/// these depends on the processes that exist when a worker starts.
fn files_of(pid: i32) -> Option<usize> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    let connections: Vec<&str> =
        table.lines().filter_map(|line| line.split_whitespace().nth(9)).collect();
    let counts = |link: &Path| {
        let link = link.to_string_lossy();
        let inode = link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.is_none_or(|inode| connections.contains(&inode))
    };
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    Some(links.filter(|link| counts(link)).count())
}

impl Server {
    /// Starts nginx in `dir`, with the values in `soak/nginx.conf` replaced.
    pub fn start(dir: &Path, root: &Path, values: &[(&str, String)]) -> io::Result<Self> {
        let binary = std::env::var("NGINX").unwrap_or_else(|_| "/usr/sbin/nginx".to_owned());
        let mut conf = fs::read_to_string(root.join("soak/nginx.conf"))?;
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let own = [
            ("load_modules", modules(&binary)?),
            ("user", user.to_owned()),
            ("dir", dir.display().to_string()),
            ("root", root.display().to_string()),
        ];
        for (name, value) in own.iter().chain(values) {
            conf = conf.replace(&format!("%{{{name}}}"), value);
        }
        fs::write(dir.join("nginx.conf"), conf)?;
        let child = Command::new(binary)
            .arg("-p")
            .arg(dir)
            .arg("-e")
            .arg(dir.join("error.log"))
            .arg("-c")
            .arg(dir.join("nginx.conf"))
            // nginx would read inherited sockets from this variable.
            .env_remove("NGINX")
            .stdin(Stdio::null())
            .spawn()?;
        let mut server = Self { child, dir: dir.to_owned() };
        let started = Instant::now();
        while server.workers().len() < 2 {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("nginx ended: {status}\n{}", server.log())));
            }
            if started.elapsed() > PATIENCE {
                return Err(io::Error::other("nginx does not start"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It fails only if nginx has ended, and the end of the run finds that.
            let _ = kill_process(pid, signal);
        }
    }

    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    pub fn workers(&self) -> Vec<i32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        children.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    pub fn master(&self) -> i32 {
        self.child.id() as i32
    }

    /// The resources of the process, or `None` after its end.
    pub fn sample(&self, pid: i32, at: Duration) -> Option<Sample> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let rss_kb = rss.split_whitespace().next()?.parse().ok()?;
        let files = files_of(pid)?;
        Some(Sample { at, pid, rss_kb, files })
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("error.log")).unwrap_or_default())
            .into_owned()
    }

    /// Ends nginx. Returns `false` if it must kill nginx.
    pub fn stop(&mut self) -> bool {
        self.signal(Signal::TERM);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for worker in self.workers() {
            if let Some(pid) = Pid::from_raw(worker) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}
