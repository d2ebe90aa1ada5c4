//! Origins: as browsers send them, or a star.

use rtms_gateway::config::settings::Cors;

use crate::files::{Folder, config, run};

fn cors(sections: &[(&str, &str)]) -> Option<Cors> {
    Folder::new().load(&config(sections)).unwrap_or_else(|mistakes| panic!("{mistakes}")).settings.cors
}

#[test]
fn an_origin_must_be_what_a_browser_sends() {
    const MISSING: &str =
        "cors.allowed_origins: missing; list origins, as in `https://example.com`, or take the section out";
    run(&[
        ("cors", "{}", &[MISSING]),
        ("cors", "{ allowed_origins: [] }", &[MISSING]),
        ("cors", "{ allowed_origins: \"*\" }", &["cors.allowed_origins: is a string; it must be a list"]),
        (
            "cors",
            "{ allowed_origins: [ \"https://Example.com:443/\", example.com, \"https://good.example\" ] }",
            &[
                "cors.allowed_origins[0]: `https://Example.com:443/` is never sent by a browser; write \
                 `https://example.com`",
                "cors.allowed_origins[1]: `example.com` is no origin; write scheme and host, as in \
                 `https://example.com`, or `*`",
            ],
        ),
        (
            "cors",
            "{ allowed_origins: [ \"https://good.example\", \"*\" ] }",
            &["cors.allowed_origins[1]: `*` allows every origin, so the others say nothing; write `*` alone, or take \
               it out"],
        ),
    ]);
}

#[test]
fn origins_are_kept_as_they_are_written_and_a_star_stands_for_all() {
    let listed = |origins: &str| cors(&[("cors", &format!("{{ allowed_origins: {origins} }}"))]);
    assert_eq!(listed("[\"*\"]"), Some(Cors::Any));
    let only = Cors::Only(vec!["https://a.example".into(), "http://localhost:3000".into()]);
    assert_eq!(listed("[ https://a.example, \"http://localhost:3000\" ]"), Some(only));
    assert_eq!(cors(&[]), None);
}
