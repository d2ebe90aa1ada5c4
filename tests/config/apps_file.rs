//! The apps file is read when a configuration is checked: what is wrong with it is told, and keeps nothing from
//! starting.

use crate::files::{Folder, config};

fn warnings(apps: &str, text: &[u8]) -> Vec<String> {
    let folder = Folder::new();
    folder.write("apps.yaml", text);
    folder.write("apps.json", text);
    let loaded = folder.load(&config(&[("apps", apps)])).unwrap();
    let root = format!("{}/", folder.path().display());
    loaded.warnings.iter().map(|mistake| mistake.to_string().replace(&root, "")).collect()
}

const YAML: &str = "{ source: file, file: { path: apps.yaml } }";
const JSON: &str = "{ source: file, file: { path: apps.json } }";

#[test]
fn a_good_file_has_nothing_to_tell() {
    assert_eq!(warnings(YAML, b"- { appId: TR1, jwt_secretkey: short }\n- { appId: AP1 }\n"), Vec::<String>::new());
    assert_eq!(
        warnings(JSON, br#"[{"appId": "TR1", "tokens_valid_after": "2026-01-31T12:00:00Z"}]"#),
        Vec::<String>::new()
    );
    assert_eq!(warnings(YAML, b"[]"), Vec::<String>::new());
}

#[test]
fn a_file_that_is_no_list_is_told_with_its_place() {
    let cases: [(&str, &[u8], &str); 5] = [
        (YAML, b"- a: 1\n- {b: hunter2", "apps.yaml: line 2, column 3: is not well-formed YAML; correct it there"),
        (YAML, b"- { appId: A, appId: B }", "apps.yaml: line 1, column 15: holds a key twice; keep one of them"),
        (YAML, b"apps: []", "apps.yaml: is not a list; write one app document an entry, or `[]` for none"),
        (JSON, b"[{\"appId\": \"A\",}]", "apps.json: line 1, column 16: is not well-formed JSON; correct it there"),
        (YAML, b"- a\n- \xff", "apps.yaml: line 2: is not UTF-8; save the file as UTF-8"),
    ];
    for (apps, text, expected) in cases {
        assert_eq!(warnings(apps, text), [expected]);
    }
}

#[test]
fn unusable_documents_are_told_by_place_and_app() {
    let text = b"\
- { appId: TR1, jwt_secretkey: \"\" }
- { appId: TR2, jwtSecretKey: hunter2 }
- TR3
- { appId: TR1 }
- { appId: 5 }
- { appId: TR6, disabled: yes, jwt_secretkey: hunter2 }
- { appId: TR7, previous_expires_at: tomorrow }
- { appId: TR8, jwt_secretkey: \"hunter2!\" }
";
    assert_eq!(
        warnings("{ source: file, file: { path: apps.yaml } }", text),
        [
            "apps.yaml: [0]: app TR1 is unusable: `jwt_secretkey` is empty; leave the field out to switch JWT off",
            "apps.yaml: [1]: app TR2 is unusable: `jwtSecretKey` looks like `jwt_secretkey` but isn't; rename it",
            "apps.yaml: [2]: is no mapping; an app document has at least an `appId`",
            "apps.yaml: [3]: app TR1 is unusable: two documents have this `appId`, the other one is [0]; keep one",
            "apps.yaml: [4]: `appId` is a number, it must be a string",
            "apps.yaml: [5]: app TR6 is unusable: `disabled` is a string, it must be true or false",
            "apps.yaml: [6]: app TR7 is unusable: `previous_expires_at` is not an RFC 3339 date such as \
             2026-01-31T12:00:00Z",
        ]
    );
    let encoded = Folder::new();
    encoded.write("apps.yaml", text);
    let loaded = encoded.load(&config(&[("apps", YAML), ("auth", "{ secret_encoding: base64 }")])).unwrap();
    assert!(loaded.warnings.to_string().contains("[7]: app TR8 is unusable: `jwt_secretkey` is not base64"));
    assert!(!loaded.warnings.to_string().contains("hunter2"));
}

#[test]
fn what_is_wrong_with_the_apps_file_does_not_hide_behind_other_mistakes() {
    let folder = Folder::new();
    folder.write("apps.yaml", "- 5");
    let lines = folder.mistakes(&config(&[("apps", YAML), ("admin", "{ address: x }")]));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with("[0]: is no mapping"), "{}", lines[1]);
}

#[test]
fn a_file_that_is_not_there_yet_is_told_at_its_key() {
    let folder = Folder::new();
    let loaded = folder.load(&config(&[("apps", "{ source: file, file: { path: absent.yaml } }")])).unwrap();
    let warnings: Vec<&str> = loaded.warnings.iter().map(|m| m.path.as_str()).collect();
    assert_eq!(warnings, ["apps.file.path"]);
    assert_eq!(
        folder.mistakes(&config(&[("apps", "{ source: file, file: { path: . } }")])),
        ["apps.file.path: `.` is no file name; name the apps file"]
    );
}
