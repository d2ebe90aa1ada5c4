//! `telemetry`: counters of single apps, and the access log's form.

use rtms_gateway::config;
use rtms_gateway::config::settings::CountedApps;
use rtms_gateway::telemetry::{Format, ShownUser};

use crate::files::{Folder, config, line};

#[test]
fn by_default_lines_are_json_and_tell_neither_users_nor_single_apps() {
    let telemetry = Folder::new().load(&config(&[])).unwrap().settings.telemetry;
    assert_eq!((telemetry.per_app.apps, telemetry.per_app.max), (CountedApps::Off, 100));
    assert_eq!((telemetry.access_log.format, telemetry.access_log.user), (Format::Json, ShownUser::Off));
    assert!((telemetry.access_log.sample_rejections - 1.0).abs() < f64::EPSILON);
}

#[test]
fn rejections_are_sampled_like_the_rest_unless_it_is_said_otherwise() {
    for (log, expected) in [("{ sample: 0.25 }", 0.25), ("{ sample: 0.25, sample_rejections: 1 }", 1.0)] {
        let log = format!("{{ access_log: {log} }}");
        let settings = Folder::new().load(&config(&[("telemetry", &log)])).unwrap().settings;
        let share = settings.telemetry.access_log.sample_rejections;
        assert!((share - expected).abs() < f64::EPSILON, "{log}: {share}");
    }
}

#[test]
fn every_mistake_says_what_would_be_right() {
    let format = |format: &str| format!("{{ access_log: {{ format: '{format}' }} }}");
    let cases = [
        ("{ per_app: some }".to_owned(), "per_app: unknown word; it must be `off`, `rejections` or `all`"),
        ("{ per_app_max: 0 }".to_owned(), "per_app_max: is out of range; write a number from 1 to 1000"),
        ("{ per_app_max: 1001 }".to_owned(), "per_app_max: is out of range; write a number from 1 to 1000"),
        (format("jsno"), "access_log.format: names no field; did you mean `json`?"),
        (
            format("common log"),
            "access_log.format: names no field; write `json`, `combined`, or a text with fields in braces, as in \
             `{client} {status}`",
        ),
        (format("{statsu} {path}"), "access_log.format: `{statsu}` is no field; did you mean `{status}`?"),
        (
            format("{status"),
            "access_log.format: has a brace without its counterpart; write fields as `{status}`, and `{{` or `}}` for \
             a brace",
        ),
        (
            "{ access_log: { format: \"{status}\\n\" } }".to_owned(),
            "access_log.format: holds a control character; write one line, without its end",
        ),
        (
            "{ access_log: { sample_rejections: 2 } }".to_owned(),
            "access_log.sample_rejections: is no share; write a number from 0 to 1",
        ),
        (
            "{ access_log: { user: hashed, user_hash_key: short } }".to_owned(),
            "access_log.user_hash_key: is too short to keep anything from anybody; give 16 bytes or more",
        ),
        (
            "{ access_log: { user_hash_key: 0123456789abcdef } }".to_owned(),
            "access_log.user_hash_key: has no use without `user: hashed`; write that, or take the key out",
        ),
    ];
    for (telemetry, mistake) in cases {
        let found = Folder::new().mistakes(&config(&[("telemetry", &telemetry)]));
        assert_eq!(found, [format!("telemetry.{mistake}")], "{telemetry}");
    }
}

#[test]
fn a_format_from_the_environment_is_not_shown_nor_is_a_key() {
    let folder = Folder::new();
    let telemetry = "{ access_log: { format: \"${FORMAT}\", user: hashed, user_hash_key: \"${KEY}\" } }";
    let file = folder.write("gateway.yaml", config(&[("telemetry", telemetry)]));
    let with = |format: &'static str, key: &'static str| {
        let env = move |name: &str| match name {
            "FORMAT" => Some(format.to_owned()),
            "KEY" => Some(key.to_owned()),
            _ => None,
        };
        config::load(&file, &env)
    };
    let good = with("{status}", "a-key-that-is-long-enough").unwrap();
    assert!(!format!("{:?}", good.settings).contains("long-enough"));
    let mistakes: Vec<String> = with("{s3cret-thing}", "s3cret").err().iter().flatten().map(line).collect();
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes.iter().all(|mistake| !mistake.contains("s3cret")), "{mistakes:?}");
}
