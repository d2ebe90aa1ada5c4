//! `rtms-gateway apps` when it fails: the exit codes, the words, and that no secret is among them.

use std::fs::File;
use std::process::Stdio;

use mongodb::bson::doc;
use serde_json::{Value, json};
use tokio::process::Command;

use super::cli::{Done, apps, apps_with, run};
use crate::support::gateway::gateway;
use crate::support::gateway::profiles::{READER, WRITER, call, call_with};
use crate::support::mongo::Mongo;
use crate::support::ports;
use crate::support::upstream::Upstream;

const SECRET: &str = "a-secret-of-at-least-32-bytes-length";

/// It printed no result, and said these words.
fn failed(done: &Done, code: i32, words: &str) {
    assert_eq!((done.code, done.out.as_str()), (Some(code), ""), "{}", done.err);
    assert!(done.err.contains(words), "{words:?} in {}", done.err);
    for secret in [SECRET, WRITER, READER, "too-short"] {
        assert!(!done.err.contains(secret), "{}", done.err);
    }
}

#[tokio::test]
async fn what_the_api_refuses_is_said_in_its_words() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    gateway.called(&call_with("POST", "apps", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 201).await;
    for verb in ["get TR9", "disable TR9", "rotate TR9 --generate", "delete TR9 --yes"] {
        failed(&apps(&gateway, verb).await, 1, "there is no such app (404)\n");
    }
    failed(&apps(&gateway, "create TR1 --generate").await, 1, "another app with this appId");
    let short = apps_with(&gateway, "create TR2 --secret-stdin", b"too-short\n").await;
    failed(&short, 1, "one field can't be written (400)\njwt_secretkey: is too short: 9 bytes; use 32 or more\n");
    let odd = format!("{SECRET}!");
    let odd = apps_with(&gateway, "create TR2 --secret-stdin --secret-encoding base64", odd.as_bytes()).await;
    failed(&odd, 1, "jwt_secretkey: is not base64");
    failed(&apps(&gateway, "rotate TR1 --generate --overlap 9000h").await, 1, "overlap: is over a year");

    let url = format!("http://{}", gateway.profiles());
    for (token, words) in [(READER, "may read apps, not change them (403)"), ("nobody", "Invalid token (401)")] {
        let environment = [("RTMS_PROFILES_URL", url.as_str()), ("RTMS_PROFILES_TOKEN", token)];
        failed(&run(&["apps", "create", "TR3", "--generate"], &environment, b"").await, 1, words);
    }
    // An address of the gateway's that is another one's.
    let admin = format!("http://{}", gateway.admin());
    let elsewhere = run(&["apps", "list", "--url", &admin], &[("RTMS_PROFILES_TOKEN", WRITER)], b"").await;
    failed(&elsewhere, 1, "answered 404, and not as the app profiles API does");
    // Not the loopback's, but it ends there.
    let open = format!("http://0.0.0.0:{}", gateway.profiles().port());
    let warned = run(&["apps", "list", "--url", &open], &[("RTMS_PROFILES_TOKEN", WRITER)], b"").await;
    assert!(warned.err.starts_with("warning: ") && warned.err.contains("isn't encrypted"), "{}", warned.err);
    assert_eq!(warned.code, Some(0));
    // Nothing came of all this.
    assert_eq!(gateway.called(&call("GET", "apps"), 200).await["apps"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn bad_usage_is_told_apart() {
    let nowhere = format!("http://{}", ports::free());
    let url = ("RTMS_PROFILES_URL", nowhere.as_str());
    let token = ("RTMS_PROFILES_TOKEN", WRITER);
    let unreachable = run(&["apps", "create", "TR1", "--generate"], &[url, token], b"").await;
    failed(&unreachable, 1, "gave no answer: Connection refused");
    failed(&run(&["apps", "list"], &[token], b"").await, 2, "Set RTMS_PROFILES_URL");
    failed(&run(&["apps", "list"], &[url], b"").await, 2, "Set RTMS_PROFILES_TOKEN");
    failed(&run(&["apps", "list"], &[url, ("RTMS_PROFILES_TOKEN", "")], b"").await, 2, "Set RTMS_PROFILES_TOKEN");
    let spaced = format!("{WRITER} {READER}");
    failed(&run(&["apps", "list"], &[url, ("RTMS_PROFILES_TOKEN", &spaced)], b"").await, 2, "can't be a token");
    let user = format!("http://me:{SECRET}@127.0.0.1:1");
    failed(&run(&["apps", "list", "--url", &user], &[token], b"").await, 2, "--url holds a user");
    failed(&run(&["apps", "list", "--token-file", "absent"], &[url], b"").await, 2, "can't be read");
    for (args, words) in [
        ("get", "<ID>"),
        ("get TR/1", "1 to 64 characters"),
        ("list --limit 0", "--limit"),
        ("create TR1", "--secret-stdin|--generate|--open"),
        ("create TR1 --generate --open", "cannot be used with"),
        ("rotate TR1 --open", "--open"),
        ("rotate TR1 --generate --overlap soon", "is no duration"),
        ("create TR1 --secret-stdin", "standard input is empty"),
        ("create TR1 --generate --secret-encoding hex", "base64"),
        ("delete TR1", "give --yes"),
        ("disable TR1 --wait 61s", "`60s` at most"),
        ("disable --wait TR1", "stands before `--wait`"),
        ("list --ca ca.pem", "--ca is for an `https` address"),
        ("list --timeout 0s", "is no time at all"),
    ] {
        let args: Vec<&str> = std::iter::once("apps").chain(args.split_whitespace()).collect();
        failed(&run(&args, &[url, token], b"\n").await, 2, words);
    }
    failed(&run(&["apps", "disable", "TR1", "--if-match", ""], &[url, token], b"").await, 2, "is no tag");
    let more = run(&["apps", "create", "TR1", "--secret-stdin"], &[url, token], &vec![b'x'; 70_000]).await;
    failed(&more, 2, "over 64 KiB");
}

#[tokio::test]
async fn a_generated_secret_that_may_be_in_force_is_printed() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::own().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let cut = doc! { "closeConnection": true };
    mongo.fail(&["insert", "findAndModify"], "alwaysOn", &cut).await;
    let unknown = apps(&gateway, "create TR1 --generate").await;
    assert_eq!(unknown.code, Some(1));
    let secret = unknown.out.trim_end();
    assert_eq!(secret.len(), 43, "{}", unknown.out);
    assert!(
        unknown.err.contains("isn't known")
            && unknown.err.contains("\nwarning: the new secret is printed all the same")
    );
    assert!(!unknown.err.contains(secret));
    let json = apps(&gateway, "create TR2 --generate --json").await;
    let printed: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((json.code, &printed["app"]), (Some(1), &json!(null)));
    mongo.heal().await;
    // What the warning says to do.
    let again = apps_with(&gateway, "create TR1 --secret-stdin --wait", secret.as_bytes()).await;
    assert_eq!(again.code, Some(0), "{}", again.err);
}

#[tokio::test]
async fn a_generated_secret_that_can_not_be_printed_is_said_to_be_lost() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let done = Command::new(env!("CARGO_BIN_EXE_rtms-gateway"))
        .args(["apps", "create", "TR1", "--generate"])
        .env("RTMS_PROFILES_URL", format!("http://{}", gateway.profiles()))
        .env("RTMS_PROFILES_TOKEN", WRITER)
        .stdout(File::options().write(true).open("/dev/full").expect("a full device"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the gateway's program");
    let done = done.wait_with_output().await.expect("a child of ours");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("is lost; rotate to another"), "{said}");
    apps(&gateway, "rotate TR1 --generate").await.line();
}
