//! Every seed of the fuzz targets, once, through the same checks: what the fuzzer found before stays found, and neither
//! the seeds nor the checks rot between two runs of `make fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]
#![allow(clippy::missing_panics_doc, reason = "to panic is what the checks are for")]

#[path = "../../fuzz/src/lib.rs"]
mod oracles;

use std::path::Path;

/// Runs all files of a target's corpus; there must be some.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut tried = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        if let Err(panic) = std::panic::catch_unwind(|| run(&input)) {
            panic!("{}: {:?}", path.display(), panic.downcast_ref::<String>());
        }
        tried += 1;
    }
    assert!(tried > 10, "{} seeds in {}", tried, folder.display());
}

#[test]
fn token() {
    replay("token", oracles::token::run);
}

#[test]
fn target() {
    replay("target", oracles::target::run);
}

#[test]
fn identities() {
    replay("identities", oracles::identities::run);
}

#[test]
fn proxy_header() {
    replay("proxy_header", oracles::proxy_header::run);
}

#[test]
fn configuration() {
    replay("configuration", oracles::configuration::run);
}
