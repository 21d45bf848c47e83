//! Calls the check of each fuzz target with the files of its corpus.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use kong_response_fuzz::{accept, decode, error_page, headers, json, number, sequence};

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the target has a corpus")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{} files in {}", files.len(), folder.display());
    let fails = |path: &&std::path::PathBuf| {
        let bytes = fs::read(path).expect("the file can be read");
        catch_unwind(AssertUnwindSafe(|| check(&bytes))).is_err()
    };
    let failed: Vec<_> = files.iter().filter(fails).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

macro_rules! targets {
    ($($target:ident),*) => {
        $(#[test] fn $target() { replay(stringify!($target), $target::check); })*
    };
}

targets!(accept, decode, error_page, headers, json, number, sequence);
