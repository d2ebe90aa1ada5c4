//! How peers are chosen, checked and taken out.

use std::time::Duration;

use rtms_gateway::config::settings::{Balance, Ejection, HealthCheck, Upstream};

use crate::files::{Folder, config};

fn yaml(keys: &str) -> String {
    config(&[("upstreams", &format!("{{ rtms: {{ peers: [ {{ address: \"a:1\" }} ], {keys} }} }}"))])
}

fn upstream(keys: &str) -> Upstream {
    let yaml = yaml(keys);
    let loaded = Folder::new().load(&yaml).unwrap_or_else(|mistakes| panic!("{yaml}\n{mistakes}"));
    loaded.settings.upstreams[0].clone()
}

fn mistakes(keys: &str) -> Vec<String> {
    Folder::new().mistakes(&yaml(keys))
}

#[test]
fn requests_are_spread_as_asked_for() {
    assert_eq!(upstream("").balance, Balance::RoundRobin);
    assert_eq!(upstream("balance: least_connections").balance, Balance::LeastConnections);
    assert_eq!(upstream("balance: hash").balance, Balance::Hash);
    assert_eq!(
        mistakes("balance: random"),
        ["upstreams.rtms.balance: unknown word; it must be `round_robin`, `least_connections` or `hash`"]
    );
}

#[test]
fn peers_are_checked_as_asked_for_and_not_by_default() {
    assert_eq!(upstream("").health_check, None);
    let s = Duration::from_secs;
    let defaults =
        HealthCheck { path: "/health".into(), interval: s(2), timeout: s(1), healthy_after: 1, unhealthy_after: 3 };
    assert_eq!(upstream("health_check: {}").health_check, Some(defaults));
    let all = "{ path: /up?x=1, interval: 5s, timeout: 500ms, healthy_after: 2, unhealthy_after: 4 }";
    let expected = HealthCheck {
        path: "/up?x=1".into(),
        interval: s(5),
        timeout: Duration::from_millis(500),
        healthy_after: 2,
        unhealthy_after: 4,
    };
    assert_eq!(upstream(&format!("health_check: {all}")).health_check, Some(expected));
}

#[test]
fn checks_that_could_not_work_are_refused() {
    let wrong = "{ path: up, interval: 0s, timeout: 0s, healthy_after: 0, unhealthy_after: 1001, pathh: / }";
    let at = "upstreams.rtms.health_check";
    assert_eq!(
        mistakes(&format!("health_check: {wrong}")),
        [
            format!("{at}.path: `up` is no path; write one as in `/health`, percent-encoded"),
            format!("{at}.interval: is no time at all; write more than `0s`"),
            format!("{at}.timeout: is no time at all; write more than `0s`"),
            format!("{at}.healthy_after: is out of range; write a number from 1 to 1000"),
            format!("{at}.unhealthy_after: is out of range; write a number from 1 to 1000"),
            format!("{at}.pathh: unknown key; did you mean `path`?"),
        ]
    );
}

#[test]
fn peers_are_ejected_as_asked_for_and_not_by_default() {
    let of = |ejection: &str| upstream(&format!("ejection: {ejection}")).ejection;
    assert_eq!(upstream("").ejection, None);
    let defaults = Ejection { consecutive_failures: 5, time: Duration::from_secs(10), max_ejected: 50 };
    assert_eq!(of("{}"), Some(defaults));
    let all = Ejection { consecutive_failures: 3, time: Duration::from_secs(30), max_ejected: 100 };
    assert_eq!(of("{ consecutive_failures: 3, for: 30s, max_ejected: 100% }"), Some(all));
}

#[test]
fn ejections_that_could_not_work_are_refused() {
    let at = "upstreams.rtms.ejection";
    assert_eq!(
        mistakes("ejection: { consecutive_failures: 0, for: 0s, max_ejected: 0% }"),
        [
            format!("{at}.consecutive_failures: is out of range; write a number from 1 to 1000"),
            format!("{at}.for: is no time at all; write more than `0s`"),
            format!("{at}.max_ejected: is out of range; write from `1%` to `100%`"),
        ]
    );
    for share in ["0.5", "50", "half"] {
        let lines = mistakes(&format!("ejection: {{ max_ejected: {share} }}"));
        assert_eq!(lines.len(), 1, "{share}");
        assert!(lines[0].starts_with(&format!("{at}.max_ejected: ")) && lines[0].contains("50%"), "{lines:?}");
    }
}

#[test]
fn a_client_certificate_needs_its_key_and_the_key_its_certificate() {
    let at = "upstreams.rtms.tls";
    assert_eq!(
        mistakes("tls: { cert: a.pem }"),
        [format!("{at}.key: missing; name the private key of the certificate")]
    );
    assert_eq!(
        mistakes("tls: { key: a.key }"),
        [format!("{at}.cert: missing; name the certificate that the key belongs to")]
    );
    let both = mistakes("tls: { cert: a.pem, key: a.key }");
    assert!(both.len() == 2 && both.iter().all(|line| line.contains("can't be read")), "{both:?}");
    assert_eq!(upstream("tls: {}").tls.unwrap().identity, None);
}

#[test]
fn name_servers_are_asked_where_some_are_named() {
    assert_eq!(upstream("").resolver, []);
    let servers = ["10.0.0.2:5353", "10.0.0.3:53", "[fd00::2]:53", "[fd00::3]:5353"].map(|s| s.parse().unwrap());
    let written = r#"resolver: [ "10.0.0.2:5353", 10.0.0.3, "fd00::2", "[fd00::3]:5353" ]"#;
    assert_eq!(upstream(written).resolver, servers);
}

#[test]
fn name_servers_that_could_not_be_asked_are_refused() {
    let at = "upstreams.rtms.resolver";
    let form = "is no IP address, with or without a port; write it as in `10.0.0.2:53`";
    assert_eq!(
        mistakes("resolver: []"),
        [format!(
            "{at}: lists nobody to ask; name at least one as in `10.0.0.2:53`, or take it out: the system is asked"
        )]
    );
    assert_eq!(
        mistakes(
            r#"resolver: [ "dns.internal:53", 10.0.0.2, "10.0.0.2:0", "10.0.0.2:53", 0.0.0.0, "udp://10.0.0.2" ]"#
        ),
        [
            format!("{at}[0]: `dns.internal:53` {form}"),
            format!("{at}[2]: `10.0.0.2:0` {form}"),
            format!("{at}[3]: is the same as resolver[1]; list it once"),
            format!("{at}[4]: `0.0.0.0` {form}"),
            format!("{at}[5]: `udp://10.0.0.2` {form}"),
        ]
    );
}
