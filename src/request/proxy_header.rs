//! The header by which a balancer names the client of a connection: `HAProxy`'s PROXY protocol, versions 1 and 2
//! (haproxy.org, `proxy-protocol.txt`).
//!
//! [`read`] looks at what has come so far and says how many more bytes are the header's for certain. Who reads just
//! these never takes a byte of what follows. Nothing is guessed: a connection either begins with a header or is wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;

/// As many bytes as [`read`] ever wants to see: the longest header of version 1.
pub const MOST: usize = 107;
/// The longest that version 2 may say it is, its first 16 bytes aside: addresses and TLVs.
pub const MOST_V2: usize = 4096;

const V1: &[u8] = b"PROXY ";
/// The shortest: `PROXY UNKNOWN` and the end of the line.
const LEAST_V1: usize = 15;
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED_V2: usize = 16;
/// Two addresses and two ports.
const INET: usize = 12;
const INET6: usize = 36;

/// How far a header got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// At least so many more bytes belong to it.
    Needs(NonZeroUsize),
    /// Everything that matters is there.
    Whole {
        /// Whom the connection is for.
        client: Client,
        /// So many bytes still belong to the header, and say nothing that matters here (TLVs).
        skip: usize,
    },
}

/// Whom a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The client that the balancer accepted.
    At(SocketAddr),
    /// Nobody but the balancer itself (`LOCAL`: a health check), or somebody without an IP address (`UNKNOWN`, a UNIX
    /// socket): the connection's own other end counts.
    Peer,
}

/// It is no header, or not a sound one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no sound PROXY header")]
pub struct Malformed;

/// Reads the beginning of a connection: all of its bytes so far, none of them beyond what was asked for.
///
/// # Errors
/// No bytes that could follow make this a header.
pub fn read(bytes: &[u8]) -> Result<Reading, Malformed> {
    if begins(bytes, V1) {
        read_v1(bytes)
    } else if begins(bytes, V2) {
        read_v2(bytes)
    } else {
        Err(Malformed)
    }
}

/// Whether `bytes` and `start` agree as far as both go.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(a, b)| a == b)
}

fn needs(more: usize) -> Result<Reading, Malformed> {
    NonZeroUsize::new(more).map(Reading::Needs).ok_or(Malformed)
}

fn read_v1(bytes: &[u8]) -> Result<Reading, Malformed> {
    if bytes.len() < LEAST_V1 {
        // Neither line feed nor carriage return stands where every header has something else.
        return if bytes.contains(&b'\n') { Err(Malformed) } else { needs(LEAST_V1 - bytes.len()) };
    }
    let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
        let more = if bytes.last() == Some(&b'\r') { 1 } else { 2 };
        return if bytes.len() + more > MOST { Err(Malformed) } else { needs(more) };
    };
    if end + 1 != bytes.len() {
        return Err(Malformed);
    }
    let line = bytes.get(V1.len()..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
    Ok(Reading::Whole { client: line_v1(line)?, skip: 0 })
}

/// What stands between `PROXY ` and the end of the line.
fn line_v1(line: &[u8]) -> Result<Client, Malformed> {
    if let Some(rest) = line.strip_prefix(b"UNKNOWN") {
        // Whatever follows is to be ignored.
        return if rest.is_empty() || rest.starts_with(b" ") { Ok(Client::Peer) } else { Err(Malformed) };
    }
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let mut words = line.split(' ');
    let mut next = || words.next().ok_or(Malformed);
    let (family, from, to) = (next()?, next()?, next()?);
    let (from_port, _) = (port(next()?)?, port(next()?)?);
    if words.next().is_some() {
        return Err(Malformed);
    }
    let address = |text: &str| match family {
        "TCP4" => text.parse().map(IpAddr::V4).map_err(|_| Malformed),
        "TCP6" => text.parse().map(IpAddr::V6).map_err(|_| Malformed),
        _ => Err(Malformed),
    };
    let (from, _) = (address(from)?, address(to)?);
    Ok(Client::At(SocketAddr::new(from, from_port)))
}

/// A port in decimal, without leading zeros.
fn port(text: &str) -> Result<u16, Malformed> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

fn read_v2(bytes: &[u8]) -> Result<Reading, Malformed> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_V2>() else {
        return needs(FIXED_V2 - bytes.len());
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST_V2 {
        return Err(Malformed);
    }
    let size = match (command, family) {
        (0x21, 0x11 | 0x12) => INET,
        (0x21, 0x21 | 0x22) => INET6,
        // A balancer's own connection, no family, no transport, or UNIX sockets: nobody is named.
        (0x20, _) | (0x21, 0x00..=0x02 | 0x10 | 0x20 | 0x30..=0x32) => 0,
        _ => return Err(Malformed),
    };
    if length < size || rest.len() > length {
        return Err(Malformed);
    }
    if rest.len() < size {
        return needs(size - rest.len());
    }
    let client = match size {
        INET => named::<INET, 4>(rest, |octets| IpAddr::V4(Ipv4Addr::from(octets)))?,
        INET6 => named::<INET6, 16>(rest, |octets| IpAddr::V6(Ipv6Addr::from(octets)))?,
        _ => Client::Peer,
    };
    Ok(Reading::Whole { client, skip: length - rest.len() })
}

/// The source in a block of source, destination, and their ports; an address is `OCTETS` long.
fn named<const SIZE: usize, const OCTETS: usize>(
    block: &[u8],
    address: impl FnOnce([u8; OCTETS]) -> IpAddr,
) -> Result<Client, Malformed> {
    let block = block.first_chunk::<SIZE>().ok_or(Malformed)?;
    let from = block.first_chunk::<OCTETS>().ok_or(Malformed)?;
    let port = block.get(2 * OCTETS..).and_then(<[u8]>::first_chunk::<2>).ok_or(Malformed)?;
    Ok(Client::At(SocketAddr::new(address(*from), u16::from_be_bytes(*port))))
}

#[cfg(test)]
mod tests;
