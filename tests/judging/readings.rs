//! Forwarded implies: whoever reads the forwarded target and body, finds the app and the user that the token vouches
//! for, or nobody.
//!
//! A reader is a program that gets one line of JSON a request (`target`, `route`, `body` in hex) and answers with one:
//! the apps and the users it found, in every way in which its language's libraries read such a thing.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::core::Forwarded;
use crate::requests::{self, Request};
use crate::support::{APP, USER};

fn line((request, forwarded): &(Request, Forwarded)) -> String {
    let body: Vec<String> = request.body.iter().map(|byte| format!("{byte:02x}")).collect();
    let target = String::from_utf8_lossy(&forwarded.target);
    json!({ "target": target, "route": forwarded.route, "body": body.concat() }).to_string()
}

/// Names that a reader found: none, or the token's own.
fn wrong(found: &Value, own: &str) -> Option<String> {
    let names: BTreeSet<&str> = found.as_array().expect("a list").iter().map(|n| n.as_str().expect("text")).collect();
    names.into_iter().find(|name| !name.is_empty() && *name != own).map(str::to_owned)
}

/// Checks what a reader answered for each request.
fn check(requests: &[(Request, Forwarded)], answers: &[Value]) {
    assert_eq!(answers.len(), requests.len(), "an answer for each request");
    let mut named = 0;
    for ((request, forwarded), answer) in requests.iter().zip(answers) {
        let apps = answer["apps"].as_array().expect("a list");
        assert!(!apps.is_empty(), "{request:?} {forwarded:?}: no app was found at all");
        let wrong = wrong(&answer["apps"], APP).or_else(|| wrong(&answer["users"], USER));
        assert_eq!(forwarded.user.as_deref(), Some(USER));
        assert!(wrong.is_none(), "{request:?}\n{forwarded:?}\nis read as {wrong:?}: {answer}");
        named += usize::from(answer["users"].as_array().is_some_and(|users| !users.is_empty()));
    }
    println!("{named} of {} name a user", requests.len());
    assert!(named > requests.len() / 10, "hardly any request names a user: the property says nothing");
}

/// Lets a program read what was forwarded.
pub fn read_by(program: &str, script: &str) {
    let requests = requests::forwarded();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judging").join(script);
    let mut child = Command::new(program)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} can't be started ({error}); install it"));
    let input: String = requests.iter().map(|request| line(request) + "\n").collect();
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("an end");
    writer.join().expect("no panic").expect("everything is read");
    assert!(output.status.success(), "{program}: {}", output.status);
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    check(&requests, &answers);
}
