//! What listeners may be beside each other's keys and other sections.

use crate::files::{Folder, config, mistakes, run};

#[test]
fn a_proxy_header_needs_somebody_to_believe() {
    const NOBODY: &str = "listeners[0].proxy_protocol: is believed from `server.trusted_proxies` alone, and there are \
                          none; list the balancers' addresses there";
    let yaml = |proxies: &str| {
        let listeners = ("listeners", "[ { address: 127.0.0.1:80, proxy_protocol: true } ]");
        config(&[listeners, ("server", &format!("{{ trusted_proxies: {proxies} }}"))])
    };
    assert_eq!(mistakes(&yaml("[]")), [NOBODY]);
    assert!(Folder::new().load(&yaml("[10.0.0.0/8]")).unwrap().settings.listeners[0].proxy_protocol);
    run(&[("listeners", "[ { address: 127.0.0.1:80, proxy_protocol: true } ]", &[NOBODY])]);
    // One that is wrong is a mistake of its own, and enough.
    let wrong = mistakes(&yaml("[balancer]"));
    assert!(wrong.len() == 1 && wrong[0].starts_with("server.trusted_proxies[0]: "), "{wrong:?}");
}

#[test]
fn cleartext_http_2_is_for_listeners_without_tls() {
    let tls = "[ { address: 127.0.0.1:80, h2c: true, tls: { cert: no.pem, key: no.key } } ]";
    let all = mistakes(&config(&[("listeners", tls)]));
    assert_eq!(
        all.first().map(String::as_str),
        Some("listeners[0].h2c: is for listeners without TLS; take it out, `tls.http2` offers HTTP/2 here"),
        "{all:?}"
    );
    let loaded = Folder::new().load(&config(&[("listeners", "[ { address: 127.0.0.1:80, h2c: true } ]")])).unwrap();
    assert!(loaded.settings.listeners[0].h2c && !loaded.settings.listeners[0].proxy_protocol);
}
