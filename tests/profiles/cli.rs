//! `rtms-gateway apps`: the built program against a gateway on a real database.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::gateway::profiles::{WRITER, call, call_with};
use crate::support::gateway::{Gateway, gateway};
use crate::support::mongo::Mongo;
use crate::support::upstream::Upstream;
use crate::support::{USER, tokens};

const SECRET: &str = "a-secret-of-at-least-32-bytes-length";

/// How the program ended, and what it printed.
pub struct Done {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Done {
    /// What it printed, after it did what it should.
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// The JSON that it printed.
    pub fn json(self) -> Value {
        serde_json::from_str(&self.good()).expect("JSON")
    }

    /// The one line that it printed.
    pub fn line(self) -> String {
        let out = self.good();
        let line = out.strip_suffix('\n').expect("a line");
        assert!(!line.contains('\n'), "one line: {out}");
        line.to_owned()
    }
}

/// Runs the program with this input in this environment and no other.
pub async fn run(args: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Done {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rtms-gateway"))
        .args(args)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the gateway's program");
    // Errors: it doesn't want to read.
    let _ = child.stdin.take().expect("a pipe").write_all(input).await;
    let done = child.wait_with_output().await.expect("a child of ours");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

/// Runs `apps` with the token that may write, and this input.
pub async fn apps_with(gateway: &Gateway, args: &str, input: &[u8]) -> Done {
    let url = format!("http://{}", gateway.profiles());
    let args: Vec<&str> = std::iter::once("apps").chain(args.split_whitespace()).collect();
    run(&args, &[("RTMS_PROFILES_URL", &url), ("RTMS_PROFILES_TOKEN", WRITER)], input).await
}

/// Runs `apps` with the token that may write.
pub async fn apps(gateway: &Gateway, args: &str) -> Done {
    apps_with(gateway, args, b"").await
}

/// A token as `rtms-gateway token` prints it.
async fn minted(secret: &str, more: &[&str]) -> String {
    let args = [&["token", "--app", "TR1", "--user", USER, "--secret-env", "SECRET"], more].concat();
    run(&args, &[("SECRET", secret)], b"").await.line()
}

#[tokio::test]
async fn a_generated_secret_is_printed_alone_and_its_tokens_are_good() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let good = (200, "0".to_owned());
    let created = apps(&gateway, "create TR1 --name Shop --generate --wait").await;
    assert!(created.err.contains("appName") && created.err.contains("Shop"), "{}", created.err);
    assert!(!created.err.contains(created.out.trim()), "the secret once");
    let old = created.line();
    assert_eq!(gateway.verdict("TR1", &minted(&old, &[]).await).await, good);

    let rotated = apps(&gateway, "rotate TR1 --generate --wait 5s --overlap 1h --json").await.json();
    assert_eq!(rotated["app"], gateway.called(&call("GET", "apps/TR1"), 200).await);
    let new = rotated["secret"].as_str().expect("a secret");
    for secret in [old.as_str(), new] {
        assert_eq!(gateway.verdict("TR1", &minted(secret, &[]).await).await, good);
    }
    let third = apps(&gateway, "rotate TR1 --generate --wait --overlap 0s").await;
    assert!(third.err.contains("threw out a secret that would have been good until"), "{}", third.err);
    let third = third.line();
    assert_eq!(gateway.verdict("TR1", &minted(&third, &[]).await).await, good);
    assert_eq!(gateway.verdict("TR1", &minted(new, &[]).await).await, (401, "38".to_owned()));
}

#[tokio::test]
async fn a_generated_secret_is_encoded_as_the_app_s_are() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    let made = apps(&gateway, "create TR1 --generate --secret-encoding base64 --wait --json").await.json();
    assert_eq!((&made["app"]["secret_encoding"], &made["app"]["key_length"]), (&json!("base64"), &json!(32)));
    let rotated = apps(&gateway, "rotate TR1 --generate --wait").await.line();
    assert_eq!(rotated.len(), 44, "32 bytes, padded");
    for secret in [made["secret"].as_str().expect("a secret"), &rotated] {
        let token = minted(secret, &["--base64"]).await;
        assert_eq!(gateway.verdict("TR1", &token).await, (200, "0".to_owned()));
    }
}

#[tokio::test]
async fn a_secret_on_standard_input_loses_one_newline() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    for (app, end, more) in [("TR1", "", 0), ("TR2", "\n", 0), ("TR3", "\r\n", 0), ("TR4", "\n\n", 1)] {
        let input = format!("{SECRET}{end}");
        let args = format!("create {app} --secret-stdin --wait --json");
        let profile = apps_with(&gateway, &args, input.as_bytes()).await.json();
        assert_eq!(profile["key_length"], SECRET.len() + more, "{end:?}");
        assert_eq!(gateway.verdict(app, &tokens::of(app, USER, SECRET)).await.0, if more == 0 { 200 } else { 401 });
    }
    let again = apps_with(&gateway, "create TR1 --secret-stdin", SECRET.as_bytes()).await;
    assert!(again.err.contains("TR1: the same app stood there already"), "{}", again.err);
    assert!(again.good().starts_with("appId "));
    let next = "another-secret-of-at-least-32-bytes\n";
    apps_with(&gateway, "rotate TR1 --secret-stdin --wait --overlap 0s", next.as_bytes()).await.good();
    assert_eq!(gateway.verdict("TR1", &tokens::of("TR1", USER, SECRET)).await.0, 401);
    assert_eq!(gateway.verdict("TR1", &tokens::of("TR1", USER, next.trim())).await.0, 200);
}

#[tokio::test]
async fn changes_are_made_and_shown() {
    let upstream = Upstream::start().await;
    let mongo = Mongo::start().await;
    let gateway = gateway(&upstream).mongo(&mongo).profiles().start_indexed().await;
    gateway
        .called(&call_with("POST", "apps?wait=applied", &json!({"appId": "TR1", "jwt_secretkey": SECRET})), 201)
        .await;
    let token = tokens::of("TR1", USER, SECRET);
    let verdict = async || gateway.verdict("TR1", &token).await;

    let shown = apps(&gateway, "disable TR1 --wait").await.good();
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["disabled", "true"])), "{shown}");
    assert_eq!(verdict().await, (401, "38".into()));
    apps(&gateway, "enable --wait 5s TR1").await.good();
    assert_eq!(verdict().await, (200, "0".into()));

    let shown = apps(&gateway, "get TR1").await.good();
    let field = |shown: &str, name: &str| {
        let fields = |line: &str| line.split_once("  ").map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        shown.lines().filter_map(fields).find(|(n, _)| n == name).map(|(_, value)| value).expect("a field")
    };
    let tag = field(&shown, "tag");
    assert_eq!((field(&shown, "state"), field(&shown, "key_length")), ("jwt".into(), SECRET.len().to_string()));
    let revoked = apps(&gateway, &format!("revoke TR1 --wait --if-match {tag}")).await.good();
    assert_ne!(field(&revoked, "tag"), tag);
    assert_eq!(verdict().await, (401, "38".into()), "it has no `iat`");
    let late = apps(&gateway, &format!("delete TR1 --yes --if-match {tag}")).await;
    assert_eq!((late.code, late.err.trim()), (Some(1), "the app was changed since; read it again (412)"));

    let raw = gateway.call(&call("GET", "apps/TR1")).await;
    assert_eq!(apps(&gateway, "get TR1 --json").await.good(), raw.text() + "\n");
    let gone = apps(&gateway, "delete TR1 --yes --wait").await;
    assert_eq!((gone.code, gone.out.as_str(), gone.err.as_str()), (Some(0), "", "TR1: deleted\n"));
    gateway.called(&call("GET", "apps/TR1"), 404).await;

    apps(&gateway, "create TR2 --open --wait").await.good();
    assert_eq!(gateway.verdict("TR2", "nothing").await, (200, "0".into()));
}

#[tokio::test]
async fn lists_are_followed_page_after_page() {
    let upstream = Upstream::start().await;
    let mut builder = gateway(&upstream).profiles();
    for n in 0..1200 {
        builder = builder.document(json!({"appId": format!("TR{n:04}"), "jwt_secretkey": SECRET}));
    }
    let gateway = builder.start().await;
    let ids = |list: &Value| -> Vec<String> {
        list["apps"].as_array().expect("apps").iter().map(|app| app["appId"].as_str().expect("an id").into()).collect()
    };
    let all: Vec<String> = (0..1200).map(|n| format!("TR{n:04}")).collect();
    let list = apps(&gateway, "list --json").await.json();
    assert_eq!((ids(&list), &list["next"]), (all.clone(), &json!(null)));
    let part = apps(&gateway, "list --after TR0099 --limit 1050 --json").await.json();
    assert_eq!((ids(&part), &part["next"]), (all[100..1150].to_vec(), &json!("TR1149")));

    let table = apps(&gateway, "list").await.good();
    let head: Vec<&str> = table.lines().next().expect("a head").split_whitespace().collect();
    assert_eq!(head[..4], ["APP", "NAME", "STATE", "KEY"]);
    assert_eq!(table.lines().count(), 1201);
    assert!(table.lines().nth(1).is_some_and(|row| row.starts_with("TR0000  -     jwt    36 ")), "{table}");
    let two = apps(&gateway, "list --limit 2").await;
    assert_eq!((two.err.clone().as_str(), two.good().lines().count()), ("there are more: --after TR0001\n", 3));
}
