//! The table of what came of the faults: printed, and with `RTMS_BLESS=1` written into `docs/feed.md`.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stand::Figures;
use crate::support::flow::Outcome;

const HEAD: &str = "| fault | the gateway | current again | requests | wrong | slowest |\n|---|---|---|---|---|---|\n";

/// One fault.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) figures: Figures,
    text: String,
}

impl Line {
    pub(super) fn new(fault: &str, took: Duration, figures: &Figures, outcome: &Outcome) -> Self {
        let (words, judged, wrong) = (figures.words(), outcome.judged, outcome.wrong.len());
        let (took, slowest) = (seconds(took), outcome.slowest.as_millis());
        let text = format!("| {fault} | {words} | {took} | {judged} | {wrong} | {slowest} ms |\n");
        Self { figures: figures.clone(), text }
    }

    /// A gateway that wasn't ready before the fault was over.
    pub(super) fn starting(fault: &str, took: Duration, figures: &Figures) -> Self {
        let text = format!("| {fault} | {} | {} | not ready before | - | - |\n", figures.words(), seconds(took));
        Self { figures: figures.clone(), text }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Shows the table of one family; `heading` says which.
pub(super) fn show(heading: &str, lines: &[Line]) {
    let table: String = HEAD.chars().chain(lines.iter().flat_map(|line| line.text.chars())).collect();
    let _ = writeln!(std::io::stderr(), "\n### {heading}\n\n{table}");
    if std::env::var_os("RTMS_BLESS").is_some() {
        bless(heading, &table);
    }
}

/// Puts the table under its heading, in the place of the one that stands there.
fn bless(heading: &str, table: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/feed.md");
    let text = std::fs::read_to_string(&page).expect("docs/feed.md");
    let title = format!("### {heading}\n\n");
    let (before, rest) = text.split_once(&title).expect("the heading in docs/feed.md");
    let after = rest.split_once("\n\n").map_or(String::new(), |(_, after)| format!("\n{after}"));
    std::fs::write(page, format!("{before}{title}{table}{after}")).expect("docs/feed.md");
}
