//! Certificates and keys are read, parsed and matched before anything is bound.

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

use crate::files::{Folder, config};

/// A folder with `server.pem` and `server.key`, their authority `ca.pem`, and files that are no use.
fn folder() -> Folder {
    let folder = Folder::new();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    folder.write("ca.pem", ca.pem());
    folder.write("server.pem", format!("{}{}", cert.pem(), ca.pem()));
    folder.write("server.key", key.serialize_pem());
    folder.write("other.key", KeyPair::generate().unwrap().serialize_pem());
    folder.write("text.pem", "no certificate at all\n");
    folder.write("cut.pem", cert.pem().replace("-----END CERTIFICATE-----", ""));
    let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    folder.write("garbage.pem", format!("{}{empty}", cert.pem()));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    folder.write("encrypted.key", encrypted);
    folder.write("garbage.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    folder
}

fn listener(tls: &str) -> String {
    config(&[("listeners", &format!("[ {{ address: 127.0.0.1:8443, tls: {{ {tls} }} }} ]"))])
}

#[test]
fn a_matching_pair_is_taken_with_its_authorities() {
    let folder = folder();
    let yaml = listener("cert: server.pem, key: server.key, client_auth: { ca: ca.pem }");
    let settings = folder.load(&yaml).unwrap().settings;
    let tls = settings.listeners[0].tls.clone().unwrap();
    assert_eq!((tls.cert, tls.key), (folder.path().join("server.pem"), folder.path().join("server.key")));
    assert!(tls.http2 && tls.client_auth.unwrap().required);
    let yaml = listener("cert: server.pem, key: server.key, http2: false, client_auth: { ca: ca.pem, mode: optional }");
    let tls = folder.load(&yaml).unwrap().settings.listeners[0].tls.clone().unwrap();
    assert!(!tls.http2 && !tls.client_auth.unwrap().required);
}

#[test]
fn every_way_in_which_a_pair_can_be_unusable_has_its_message() {
    let folder = folder();
    let pem = "is no well-formed PEM file; give one of `BEGIN CERTIFICATE` blocks";
    let none = "holds no certificate; give a PEM file of `BEGIN CERTIFICATE` blocks";
    let no_key = "holds no private key; give an unencrypted PEM file with a `BEGIN PRIVATE KEY` block";
    let absent = "can't be read (entity not found); name a readable file, relative to the configuration file";
    let cases = [
        (
            "cert: server.pem, key: other.key",
            vec!["key: does not belong to the certificate `server.pem`; give the key it was issued for".to_owned()],
        ),
        (
            "cert: absent.pem, key: absent.key",
            vec![format!("cert: `absent.pem` {absent}"), format!("key: `absent.key` {absent}")],
        ),
        (
            "cert: text.pem, key: text.pem",
            vec![format!("cert: `text.pem` {none}"), format!("key: `text.pem` {no_key}")],
        ),
        ("cert: cut.pem, key: server.key", vec![format!("cert: `cut.pem` {pem}")]),
        (
            "cert: garbage.pem, key: server.key",
            vec!["cert: certificate 2 in `garbage.pem` is no X.509 certificate; issue it anew".to_owned()],
        ),
        ("cert: server.pem, key: encrypted.key", vec![format!("key: `encrypted.key` {no_key}")]),
        (
            "cert: server.pem, key: garbage.key",
            vec!["key: `garbage.key` holds a key that can't be used; give an RSA, ECDSA or Ed25519 key".to_owned()],
        ),
        ("{}", vec![]),
        (
            "http2: true",
            vec![
                "cert: missing; name the PEM file of the certificate chain".to_owned(),
                "key: missing; name the PEM file of the certificate's private key".to_owned(),
            ],
        ),
        (
            "cert: server.pem, key: server.key, client_auth: {}",
            vec![
                "client_auth.ca: missing; name the PEM file of the authorities that sign client certificates"
                    .to_owned(),
            ],
        ),
        (
            "cert: server.pem, key: server.key, client_auth: { ca: server.key, mode: ask }",
            vec![
                format!("client_auth.ca: `server.key` {none}"),
                "client_auth.mode: unknown word; it must be `require` or `optional`".to_owned(),
            ],
        ),
    ];
    for (tls, expected) in cases.into_iter().filter(|(_, expected)| !expected.is_empty()) {
        let expected: Vec<String> = expected.iter().map(|line| format!("listeners[0].tls.{line}")).collect();
        assert_eq!(folder.mistakes(&listener(tls)), expected, "{tls}");
    }
}

#[test]
fn an_upstream_is_verified_by_a_name_and_by_authorities() {
    let folder = folder();
    let upstream = |tls: &str| {
        config(&[(
            "upstreams",
            &format!("{{ rtms: {{ peers: [ {{ address: \"rtms.internal:443\" }} ], tls: {tls} }} }}"),
        )])
    };
    let tls = |yaml: &str| folder.load(yaml).unwrap().settings.upstreams[0].tls.clone().unwrap();
    let by_default = tls(&upstream("{}"));
    assert_eq!((by_default.sni.as_str(), by_default.ca, by_default.verify), ("rtms.internal", None, true));
    let named = tls(&upstream("{ sni: other.internal, ca: ca.pem }"));
    assert_eq!((named.sni.as_str(), named.ca), ("other.internal", Some(folder.path().join("ca.pem"))));
    assert_eq!(
        folder.mistakes(&upstream("{ ca: text.pem }")),
        ["upstreams.rtms.tls.ca: `text.pem` holds no certificate; give a PEM file of `BEGIN CERTIFICATE` blocks"]
    );
}
