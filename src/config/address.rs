//! Addresses: what this process binds, and what it connects to.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads an address to listen on.
///
/// # Errors
/// Anything but `IP:PORT`; the text isn't repeated.
pub fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "is no IP address with a port; write it as in `127.0.0.1:8080` or `[::1]:8080`")
}

/// Whether two listening addresses can't be bound side by side.
#[must_use]
pub fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let (x, y) = (a.ip().to_canonical(), b.ip().to_canonical());
    let one_is_all = x.is_ipv4() == y.is_ipv4() && (x.is_unspecified() || y.is_unspecified());
    // Port 0 is another port each time.
    a.port() == b.port() && a.port() != 0 && (x == y || one_is_all)
}

/// The host of an address to connect to, without brackets; the address must be `host:port` or `[v6]:port`.
///
/// # Errors
/// Anything else; the text isn't repeated.
pub fn peer_host(text: &str) -> Result<&str, &'static str> {
    const FORM: &str = "is no peer address; write it as in `10.0.0.11:8080`, `rtms.internal:8080` or `[::1]:8080`";
    if text.contains("://") {
        return Err("is a URL; write the host and the port alone, as in `rtms.internal:8080`");
    }
    let (host, port) = text.rsplit_once(':').ok_or("has no port; write it as in `rtms.internal:8080`")?;
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || !port.parse::<u16>().is_ok_and(|p| p != 0) {
        return Err("has no usable port; write a number from 1 to 65535 after the last colon");
    }
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().map(|_| inner).map_err(|_| FORM);
    }
    if host.contains(':') {
        return Err("is an IPv6 address without brackets; write it as in `[::1]:8080`");
    }
    if host_name(host) { Ok(host) } else { Err(FORM) }
}

/// Whether a text can be a host name or an IPv4 address.
fn host_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let label =
        |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(plain) && !l.starts_with('-') && !l.ends_with('-');
    let numeric = host.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    host.len() <= 253 && host.split('.').all(label) && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_needs_an_ip_address_and_a_port() {
        for good in ["0.0.0.0:8080", "[::]:0", "127.0.0.1:65535"] {
            assert!(listen(good).is_ok(), "{good}");
        }
        for bad in
            ["localhost:80", ":80", "80", "0.0.0.0", "::1:80", "1.2.3.4:65536", "1.2.3:80", "http://0.0.0.0:80", ""]
        {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_clash_when_one_covers_the_other() {
        let clash = |a: &str, b: &str| clash(a.parse().unwrap(), b.parse().unwrap());
        assert!(clash("127.0.0.1:80", "127.0.0.1:80"));
        assert!(clash("0.0.0.0:80", "127.0.0.1:80"));
        assert!(clash("[::1]:80", "[::]:80"));
        assert!(clash("[::ffff:1.2.3.4]:80", "1.2.3.4:80"));
        assert!(!clash("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!clash("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!clash("127.0.0.1:0", "127.0.0.1:0"));
        assert!(!clash("0.0.0.0:80", "[::1]:80"));
    }

    #[test]
    fn peers_are_host_and_port() {
        for (good, host) in [
            ("10.0.0.11:8080", "10.0.0.11"),
            ("rtms-2.internal:1", "rtms-2.internal"),
            ("rtms_2:65535", "rtms_2"),
            ("[::1]:80", "::1"),
            ("a.b.:80", "a.b."),
        ] {
            assert_eq!(peer_host(good), Ok(host));
        }
        for bad in [
            "a",
            "a:",
            ":80",
            "a:0",
            "a:65536",
            "a:+80",
            "a: 80",
            "::1:80",
            "[::1]",
            "[a]:80",
            "a b:80",
            "-a:80",
            "a..b:80",
            "1.2.3.400:80",
            "1.2:80",
            "http://a:80",
            "a:80/x",
            "user@a:80",
            "é:80",
            "",
        ] {
            assert!(peer_host(bad).is_err(), "{bad}");
        }
    }
}
