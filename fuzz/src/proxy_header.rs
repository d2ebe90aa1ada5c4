//! The beginning of a connection behind a balancer: a PROXY header, and what follows it.
//!
//! It is read as from a socket, in pieces: whatever their length, what it says and how many bytes it takes is the same,
//! never a byte of what follows, and never more than there is room for. A header of version 1 that names somebody says
//! what the standard library reads in its words; one of version 2 what stands in its bytes.

use std::net::{IpAddr, SocketAddr};

use rtms_gateway::request::proxy_header::{Client, MOST, MOST_V2, Malformed, Reading, read};

/// Tries one input.
pub fn run(input: &[u8]) {
    let whole = taken(input, MOST);
    for piece in [1, 2, 7] {
        assert_eq!(taken(input, piece), whole, "in pieces of {piece}");
    }
    let Some(Ok((client, length))) = whole else { return };
    let header = input.get(..length.min(input.len())).unwrap_or(input);
    if input.starts_with(b"PROXY ") {
        check_v1(header, length, client);
    } else {
        check_v2(header, length, client);
    }
}

/// What a header says that comes in pieces of at most so many bytes, and how long it is. `None`: it isn't whole.
fn taken(input: &[u8], piece: usize) -> Option<Result<(Client, usize), Malformed>> {
    let mut had = 0;
    loop {
        match read(&input[..had]) {
            Ok(Reading::Needs(_)) if had == input.len() => return None,
            Ok(Reading::Needs(more)) => had = (had + more.get().min(piece)).min(input.len()),
            Ok(Reading::Whole { client, skip }) => return Some(Ok((client, had + skip))),
            Err(error) => return Some(Err(error)),
        }
        assert!(had <= MOST, "more than there is room for");
    }
}

/// One line, as it stands.
fn check_v1(header: &[u8], length: usize, client: Client) {
    assert!(length == header.len() && length <= MOST, "its length is its line's");
    let line = header.strip_suffix(b"\r\n").expect("the end of a line");
    assert!(!line.contains(&b'\n'), "two lines");
    let Client::At(from) = client else {
        return assert!(line.starts_with(b"PROXY UNKNOWN"), "nobody is named by UNKNOWN alone");
    };
    let words: Vec<&str> = std::str::from_utf8(line).expect("words").split(' ').collect();
    let [_, family, source, _, port, _] = words[..] else { panic!("six words") };
    let ip: IpAddr = source.parse().expect("an address");
    assert_eq!(from, SocketAddr::new(ip, port.parse().expect("a port")));
    assert_eq!(family, if ip.is_ipv4() { "TCP4" } else { "TCP6" });
}

/// Sixteen bytes that say how many more there are, then the addresses.
fn check_v2(header: &[u8], length: usize, client: Client) {
    let said = usize::from(u16::from_be_bytes([header[14], header[15]]));
    assert!(said <= MOST_V2 && length == 16 + said, "its length is what it says");
    let block = &header[16..];
    let (ip, port): (IpAddr, &[u8]) = match client {
        Client::Peer => return,
        Client::At(SocketAddr::V4(_)) => (<[u8; 4]>::try_from(&block[..4]).expect("4 bytes").into(), &block[8..10]),
        Client::At(SocketAddr::V6(_)) => (<[u8; 16]>::try_from(&block[..16]).expect("16 bytes").into(), &block[32..34]),
    };
    assert_eq!(header[12], 0x21, "a connection of the balancer's own names nobody");
    assert_eq!(client, Client::At(SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]]))));
}
