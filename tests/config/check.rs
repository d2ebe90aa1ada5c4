//! `rtms-gateway check`: the exit codes, and the lines an operator reads.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::files::{Folder, config};
use crate::shipped;

/// Exit code and everything printed.
fn check(file: &Path, env: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtms-gateway"));
    command.arg("check").arg("-c").arg(file).env_clear().envs(env.iter().copied());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn every_shipped_configuration_is_good() {
    for file in shipped::complete() {
        let (code, text) = check(&file, &[]);
        assert_eq!(code, Some(0), "{text}");
    }
}

#[test]
fn every_mistake_is_one_line_with_file_path_and_remedy() {
    let folder = Folder::new();
    let file = folder
        .write("bad.yaml", config(&[("auth", "{ leway: 5s, rejection: html }"), ("telemetry", "{ tracing: {} }")]));
    let (code, text) = check(&file, &[]);
    assert_eq!(code, Some(2), "{text}");
    let file = file.display();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            format!("{file}: auth.leway: unknown key; did you mean `leeway`?"),
            format!("{file}: auth.rejection: unknown word; it must be `standard` or `sdk`"),
            format!(
                "{file}: telemetry.tracing.otlp_endpoint: missing; write the collector's URL, as in `http://127.0.0.1:4317`"
            ),
        ]
    );
}

#[test]
fn variables_come_from_the_environment() {
    let folder = Folder::new();
    let file = folder.write("env.yaml", config(&[("admin", "{ address: \"${ADMIN}\" }")]));
    assert_eq!(check(&file, &[("ADMIN", "127.0.0.1:9901")]).0, Some(0));
    for env in [&[][..], &[("ADMIN", "")]] {
        let (code, text) = check(&file, env);
        assert_eq!(code, Some(2));
        assert!(text.contains("admin.address: `ADMIN` is not set"), "{text}");
    }
}

#[test]
fn an_unusable_app_is_a_mistake_of_its_file() {
    let folder = Folder::new();
    let apps = folder.write("apps.yaml", "- { appId: TR1, jwt_secretkey: 5 }\n");
    let file = folder.write("file.yaml", config(&[("apps", "{ source: file, file: { path: apps.yaml } }")]));
    let (code, text) = check(&file, &[]);
    assert_eq!(code, Some(2));
    let expected = "[0]: app TR1 is unusable: `jwt_secretkey` is a number, it must be a string";
    assert_eq!(text.trim_end(), format!("{}: {expected}", apps.display()));
}

#[test]
fn an_absent_file_and_bad_usage_are_refused_alike() {
    let (code, text) = check(Path::new("absent.yaml"), &[]);
    assert_eq!((code, text.trim_end()), (Some(2), "absent.yaml: can't be read (entity not found); name a YAML file"));
    let usage = Command::new(env!("CARGO_BIN_EXE_rtms-gateway")).arg("check").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn what_would_change_is_told_with_its_path_and_without_its_value() {
    let folder = Folder::new();
    let before = folder.write("before.yaml", config(&[("auth", "{ leeway: 1s }")]));
    let reloadable =
        folder.write("after.yaml", config(&[("auth", "{ leeway: 2s }"), ("limits", "{ client_idle: 5s }")]));
    let restart = folder.write("restart.yaml", config(&[("server", "{ drain: 1s }"), ("auth", "{ leeway: 1s }")]));
    let diff = |file: &Path| {
        let arguments =
            [OsStr::new("check"), OsStr::new("-c"), file.as_os_str(), OsStr::new("--diff"), before.as_os_str()];
        let output = Command::new(env!("CARGO_BIN_EXE_rtms-gateway")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(
        diff(&reloadable),
        (Some(0), "auth.leeway: changed\nlimits: added\na reload puts it in force\n".to_owned())
    );
    let expected = "server: added  (restart_needed)\na reload is refused: restart\n".to_owned();
    assert_eq!(diff(&restart), (Some(0), expected));
    assert_eq!(diff(&before), (Some(0), "nothing would change\n".to_owned()));
    let bad = folder.write("bad.yaml", config(&[("auth", "{ leeway: 5 }")]));
    assert_eq!(diff(&bad).0, Some(2));
}
