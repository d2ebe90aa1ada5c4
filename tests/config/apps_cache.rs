//! `apps.cache`: the key, the file, and where they make sense.

use rtms_gateway::config;

use crate::files::{Folder, config, line};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn mistakes(apps: &str) -> Vec<String> {
    Folder::new().mistakes(&config(&[("apps", apps)]))
}

/// With the key in a variable.
fn with_key(key: &str) -> Vec<String> {
    let folder = Folder::new();
    let apps = "{ source: mongodb, cache: { path: apps.cache, key: \"${KEY}\" } }";
    let file = folder.write("gateway.yaml", config(&[("apps", apps)]));
    let env = |name: &str| (name == "KEY").then(|| key.to_owned());
    config::load(&file, &env).err().iter().flatten().map(line).collect()
}

#[test]
fn without_it_there_is_no_cache() {
    let settings = Folder::new().load(&config(&[])).unwrap().settings;
    assert!(settings.apps.cache.is_none());
}

#[test]
fn the_file_is_relative_to_the_configuration_and_the_key_is_not_shown() {
    let folder = Folder::new();
    let apps = format!("{{ source: mongodb, cache: {{ path: apps.cache, key: \"{KEY}\" }} }}");
    let settings = folder.load(&config(&[("apps", &apps)])).unwrap().settings;
    assert_eq!(settings.apps.cache.as_ref().unwrap().path, folder.path().join("apps.cache"));
    let shown = format!("{settings:?}");
    assert!(shown.contains("apps.cache") && !shown.contains("AAEC") && !shown.contains("[0, 1, 2"), "{shown}");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["gateway.yaml"], "a check leaves nothing behind");
}

#[test]
fn a_key_is_32_bytes_in_hex_or_base64_and_no_part_of_another_is_shown() {
    let hex = "0123456789abcdef".repeat(4);
    let url_safe = "-__-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGx0";
    for key in [KEY, KEY.trim_end_matches('='), &hex, &hex.to_uppercase(), url_safe] {
        assert_eq!(with_key(key), Vec::<String>::new(), "{key}");
    }
    let problem = "apps.cache.key: is no key; give 32 bytes as `openssl rand -base64 32` prints them";
    for bad in ["hunter2", &hex[2..], &format!("{hex}00"), &KEY[4..], "AAECAwQFBgcICQoLDA0ODw=="] {
        assert_eq!(with_key(bad), [problem], "{bad}");
    }
    assert_eq!(
        with_key(""),
        ["apps.cache.key: `KEY` is not set; set it, or write `${KEY:-default}`"],
        "an empty variable counts as absent"
    );
}

#[test]
fn both_keys_are_needed_and_the_folder_must_be_there_and_writable() {
    let key = |rest: &str| format!("{{ source: mongodb, cache: {{ {rest} }} }}");
    assert_eq!(
        mistakes(&key("")),
        [
            "apps.cache.path: missing; name a file to write to, as in `apps.cache`",
            "apps.cache.key: missing; give 32 bytes as `openssl rand -base64 32` prints them, in a variable",
        ]
    );
    let at = |path: &str| mistakes(&key(&format!("path: {path}, key: \"{KEY}\"")));
    assert_eq!(
        at("absent/apps.cache"),
        ["apps.cache.path: `absent/apps.cache` lies in a folder that doesn't exist; create the folder"]
    );
    assert_eq!(
        at("gateway.yaml"),
        ["apps.cache.path: `gateway.yaml` is no apps cache, and would be lost; name a file of its own"]
    );
    assert_eq!(at("."), ["apps.cache.path: `.` is no file name; name a file"]);
    // Whoever runs this: nobody makes files there.
    assert_eq!(
        at("/proc/apps.cache"),
        [
            "apps.cache.path: `/proc/apps.cache` lies in a folder that can't be written to; let the gateway's user write \
             there"
        ]
    );
}

#[test]
fn an_apps_file_needs_no_cache() {
    let folder = Folder::new();
    folder.write("apps.yaml", "[]");
    let apps = format!("{{ source: file, file: {{ path: apps.yaml }}, cache: {{ path: a, key: \"{KEY}\" }} }}");
    assert_eq!(
        folder.mistakes(&config(&[("apps", &apps)])),
        ["apps.cache: works with `source: mongodb` only: an apps file is on disk already; take it out"]
    );
}
