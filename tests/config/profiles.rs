//! `profiles`: who may use the API, and where it listens.

use rtms_gateway::profiles::{Digest, Scope};

use crate::files::{Folder, config, run};

/// The SHA-256 of `abc`, FIPS 180-2.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn tokens_are_given_as_they_are_or_by_their_hash() {
    let profiles = format!(
        "{{ address: 127.0.0.1:9902, tokens: [ {{ name: ci, token: secret, scope: write }}, \
         {{ name: audit, sha256: {ABC}, scope: read }} ] }}"
    );
    let settings = Folder::new().load(&config(&[("profiles", &profiles)])).unwrap().settings;
    let profiles = settings.profiles.unwrap();
    assert_eq!((profiles.address.to_string().as_str(), profiles.min_secret_bytes), ("127.0.0.1:9902", 32));
    let tokens: Vec<_> = profiles.tokens.iter().map(|t| (t.name.as_str(), t.digest, t.scope)).collect();
    assert_eq!(tokens, [("ci", Digest::of(b"secret"), Scope::Write), ("audit", Digest::of(b"abc"), Scope::Read)]);
    assert!(!format!("{:?}", profiles.tokens).contains("secret"));
}

#[test]
fn every_mistake_is_named_with_the_remedy() {
    run(&[
        (
            "profiles",
            "{}",
            &[
                "profiles.address: missing; say where to listen, as in `127.0.0.1:9902`, or take the section out",
                "profiles.tokens: missing; list at least one, as in `- { name: ci, token: \"${RTMS_PROFILES_TOKEN}\", \
                 scope: write }`",
            ],
        ),
        (
            "profiles",
            "{ address: 127.0.0.1:9902, tokens: [ {} ] }",
            &[
                "profiles.tokens[0].name: missing; name whose token it is, as in `ci`",
                "profiles.tokens[0].scope: missing; write `read` or `write`",
                "profiles.tokens[0].token: missing; give the token in a variable, or its `sha256`",
            ],
        ),
        (
            "profiles",
            "{ address: 127.0.0.1:9902, min_secret_bytes: 2000, tokens: [ \
               { name: a b, token: a b, scope: write }, { name: c, sha256: 12, scope: all } ] }",
            &[
                "profiles.min_secret_bytes: is more than any secret has; write 1024 or less",
                "profiles.tokens[0].name: `a b` is no name; write 1 to 64 of A-Z a-z 0-9 . _ - @",
                "profiles.tokens[0].token: can't be sent as a bearer token; use letters, digits and `-._~+/=` \
                 (RFC 6750 section 2.1)",
                "profiles.tokens[1].sha256: is a number; it must be a string",
                "profiles.tokens[1].scope: unknown word; it must be `read` or `write`",
            ],
        ),
    ]);
}

#[test]
fn names_and_tokens_stand_once_and_addresses_do_not_clash() {
    run(&[
        (
            "profiles",
            "{ address: 127.0.0.1:8080, tokens: [ { name: a, token: x, scope: read }, \
               { name: a, token: y, scope: read }, { name: b, token: x, scope: write } ] }",
            &[
                "profiles.address: can't be bound beside the listener 127.0.0.1:8080; give it another port",
                "profiles.tokens[1].name: is another token's name too; the audit log could not tell them apart",
                "profiles.tokens[2]: is the same token as one above; give each name its own",
            ],
        ),
        (
            "profiles",
            "{ address: 127.0.0.1:9902, tokens: [ { name: a, token: x, sha256: x, scope: read } ] }",
            &["profiles.tokens[0]: has both `token` and `sha256`; keep one of them"],
        ),
    ]);
}

#[test]
fn a_token_out_of_a_variable_is_never_shown() {
    let env = |name: &str| (name == "T").then(|| "hunter2 with spaces".to_owned());
    let folder = Folder::new();
    let profiles = "{ address: 127.0.0.1:9902, tokens: [ { name: \"${T}\", token: \"${T}\", scope: read } ] }";
    let file = folder.write("gateway.yaml", config(&[("profiles", profiles)]));
    let mistakes = rtms_gateway::config::load(&file, &env).unwrap_err().to_string();
    assert!(mistakes.contains("tokens[0].token: can't be sent") && !mistakes.contains("hunter2"), "{mistakes}");
}
