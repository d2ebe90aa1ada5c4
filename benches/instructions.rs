//! Instructions that judging takes, by its outcome: the same on any machine, so that a slower build shows everywhere.
//!
//! `cargo bench --no-default-features --bench instructions` counts them under valgrind and holds them against
//! `benches/instructions.txt`; one that takes 3 % more fails. `RTMS_BLESS=1` writes the file anew. Valgrind's processor
//! knows no SHA instructions: a signature counts as what it costs without them.
#![allow(missing_docs, reason = "a program, not a library")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench may fail loudly"
)]

#[path = "judge/cases.rs"]
mod cases;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

use cases::{Core, cases};

/// How often a case is judged under valgrind; what starting takes is taken off by counting twice.
const ROUNDS: [u64; 2] = [1000, 3000];
/// Compilers and libraries move this much.
const TOLERATED: f64 = 1.03;

fn main() -> ExitCode {
    let mut given = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    if let Some((case, rounds)) = given.next().zip(given.next()) {
        judge(&case, rounds.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let counted: BTreeMap<&str, u64> = cases().iter().map(|case| (case.name, count(case.name))).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    if std::env::var_os("RTMS_BLESS").is_some() {
        let lines: Vec<String> = counted.iter().map(|(name, count)| format!("{name} {count}")).collect();
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let known: BTreeMap<&str, u64> =
        text.lines().filter_map(|line| line.split_once(' ')).map(|(name, n)| (name, n.parse().unwrap())).collect();
    let mut worse = false;
    println!("| outcome | instructions | before |\n|---|---|---|");
    for (name, count) in &counted {
        let before = known.get(name).copied().unwrap_or_default();
        let more = *count as f64 > before as f64 * TOLERATED;
        worse |= more;
        println!("| {name} | {count} | {before}{} |", if more { ", more than is tolerated" } else { "" });
    }
    if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn judge(name: &str, rounds: u64) {
    let core = Core::new(1000);
    let case = cases().into_iter().find(|case| case.name == name).unwrap();
    let mut scratch = Vec::with_capacity(16 * 1024);
    for _ in 0..rounds {
        assert_eq!(black_box(core.judge(black_box(&case), &mut scratch)), case.outcome);
    }
}

/// Instructions that one judgement takes.
fn count(name: &str) -> u64 {
    let [few, many] = ROUNDS.map(|rounds| {
        let program = std::env::current_exe().unwrap();
        let valgrind = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];
        let output = Command::new("valgrind").args(valgrind).arg(program).args([name, &rounds.to_string()]).output();
        let output = output.unwrap_or_else(|e| panic!("valgrind (Debian: valgrind) doesn't start: {e}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let line = said.lines().find(|line| line.contains("I   refs:") || line.contains("I refs:")).unwrap();
        line.rsplit(' ').next().unwrap().replace(',', "").parse::<u64>().unwrap()
    });
    (many - few) / (ROUNDS[1] - ROUNDS[0])
}
