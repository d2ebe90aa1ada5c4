//! Headers as balancers send them, and as nobody may.

use proptest::prelude::*;

use super::*;

/// Reads a header that comes in pieces of at most `piece` bytes, as [`read`] asks for them; what it says, and how many
/// bytes it took. `None`: the connection ended before.
fn taken(connection: &[u8], piece: usize) -> Option<Result<(Client, usize), Malformed>> {
    let mut had = 0;
    loop {
        match read(&connection[..had]) {
            Ok(Reading::Needs(_)) if had == connection.len() => return None,
            Ok(Reading::Needs(more)) => had = (had + more.get().min(piece)).min(connection.len()),
            Ok(Reading::Whole { client, skip }) => return Some(Ok((client, had + skip))),
            Err(error) => return Some(Err(error)),
        }
        assert!(had <= MOST, "more than there is room for");
    }
}

/// The same in every way in which it can come; they agree.
fn header(connection: &[u8]) -> Option<Result<(Client, usize), Malformed>> {
    let whole = taken(connection, usize::MAX);
    for piece in 1..MOST {
        assert_eq!(taken(connection, piece), whole, "in pieces of {piece}");
    }
    whole
}

/// What it says, and that it ends where it ends whatever follows.
fn client(bytes: &[u8]) -> Client {
    for after in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"PROXY UNKNOWN\r\n", &[0; 300]] {
        let (client, length) = header(&[bytes, after].concat()).expect("enough bytes").expect("a sound header");
        assert_eq!(length, bytes.len());
        if after.is_empty() {
            continue;
        }
        assert_eq!(header(bytes), Some(Ok((client, length))));
    }
    header(bytes).unwrap().unwrap().0
}

fn at(text: &str) -> Client {
    Client::At(text.parse().unwrap())
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [V2, &[command, family], &length, block].concat()
}

const BLOCK: [u8; INET] = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x34, 1, 0xbb];

#[test]
fn version_1_names_the_source() {
    assert_eq!(client(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"), at("192.0.2.7:56324"));
    assert_eq!(client(b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), at("255.255.255.255:65535"));
    assert_eq!(client(b"PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n"), at("1.2.3.4:0"));
    assert_eq!(client(b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n"), at("[2001:db8::7]:56324"));
    let longest =
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!(client(longest.as_bytes()), at("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"));
}

#[test]
fn version_1_may_know_nobody() {
    assert_eq!(client(b"PROXY UNKNOWN\r\n"), Client::Peer);
    assert_eq!(client(b"PROXY UNKNOWN 192.0.2.7 whatever \xff\0\r\n"), Client::Peer);
    let longest = [&b"PROXY UNKNOWN "[..], &[b'x'; 91], b"\r\n"].concat();
    assert_eq!((longest.len(), client(&longest)), (MOST, Client::Peer));
}

#[test]
fn version_1_is_read_to_the_letter() {
    let lines: [&[u8]; 29] = [
        b"PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 00\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 99999999999\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +5632 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1  443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 junk\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4\t192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 192.0.02.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 2001:db8::7 ::1 56324 443\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP6 [2001:db8::7] ::1 56324 443\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.7 nowhere 56324 443\r\n",
        b"PROXY tcp4 192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY UNKNOWNS\r\n\r\n",
        b"PROXY UNIX /run/x /run/y 0 0\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\r\n",
        b"PROXY UNKNOWN\n",
        b"PROXY \r\nTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY \xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\r\n",
    ];
    for line in lines {
        // With enough behind them to be asked for: they are wrong, not short.
        let connection = [line, &[b' '; MOST]].concat();
        assert_eq!(header(&connection), Some(Err(Malformed)), "{}", line.escape_ascii());
    }
    let unending = [&b"PROXY UNKNOWN "[..], &[b'x'; MOST]].concat();
    assert_eq!(header(&unending), Some(Err(Malformed)));
}

#[test]
fn a_line_that_goes_on_after_a_bare_carriage_return_ends_at_its_line_feed() {
    assert_eq!(header(b"PROXY UNKNOWN a\rb\r\n").unwrap().unwrap().0, Client::Peer);
    assert_eq!(header(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rb\r\n").unwrap(), Err(Malformed));
}

#[test]
fn what_is_no_header_is_known_by_its_first_bytes() {
    for start in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"proxy TCP4",
        b"PROXY\t",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01",
    ] {
        assert_eq!(read(start), Err(Malformed), "{}", start.escape_ascii());
    }
    assert_eq!(read(b"G"), Err(Malformed));
    assert_eq!(read(b"\r\n\r\n\0\r\nQUIT\r"), Err(Malformed));
}

#[test]
fn version_2_names_the_source() {
    for family in [0x11, 0x12] {
        assert_eq!(client(&v2(0x21, family, &BLOCK)), at("192.0.2.7:4660"));
    }
    let mut block = [0; INET6];
    block[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
    block[32..34].copy_from_slice(&[0, 80]);
    for family in [0x21, 0x22] {
        assert_eq!(client(&v2(0x21, family, &block)), at("[2001:db8::7]:80"));
    }
}

#[test]
fn what_follows_the_addresses_is_skipped_up_to_a_bound() {
    let block = |length: usize| [&BLOCK[..], &vec![0xea; length - INET]].concat();
    for length in [INET + 1, 300, MOST_V2] {
        assert_eq!(client(&v2(0x21, 0x11, &block(length))), at("192.0.2.7:4660"));
    }
    assert_eq!(read(&v2(0x21, 0x11, &block(MOST_V2 + 1))[..FIXED_V2]), Err(Malformed));
    assert_eq!(read(&v2(0x20, 0x00, &vec![0; MOST_V2 + 1])[..FIXED_V2]), Err(Malformed));
}

#[test]
fn version_2_may_name_nobody() {
    // LOCAL: whatever its family says.
    for family in [0x00, 0x11, 0x21, 0x31, 0xff] {
        assert_eq!(client(&v2(0x20, family, b"")), Client::Peer);
        assert_eq!(client(&v2(0x20, family, &BLOCK)), Client::Peer);
    }
    for family in [0x00, 0x01, 0x02, 0x10, 0x20, 0x30, 0x31, 0x32] {
        assert_eq!(client(&v2(0x21, family, b"")), Client::Peer, "{family:#x}");
        assert_eq!(client(&v2(0x21, family, &[0; 216])), Client::Peer, "{family:#x}");
    }
}

#[test]
fn version_2_is_read_to_the_bit() {
    for command in [0x00, 0x01, 0x11, 0x22, 0x2f, 0x31, 0xf1] {
        assert_eq!(read(&v2(command, 0x11, &BLOCK)[..FIXED_V2]), Err(Malformed), "{command:#x}");
    }
    for family in [0x03, 0x13, 0x1f, 0x23, 0x33, 0x41, 0xff] {
        assert_eq!(read(&v2(0x21, family, &BLOCK)[..FIXED_V2]), Err(Malformed), "{family:#x}");
    }
    // Too short for what it says it holds.
    assert_eq!(header(&v2(0x21, 0x11, &BLOCK[..INET - 1])), Some(Err(Malformed)));
    assert_eq!(header(&v2(0x21, 0x21, &[0; INET6 - 1])), Some(Err(Malformed)));
}

#[test]
fn a_header_that_was_cut_off_is_never_whole() {
    let tail = [&BLOCK[..], &[0; 20]].concat();
    for whole in
        [b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n".to_vec(), v2(0x21, 0x11, &tail), v2(0x20, 0, &[0; 4])]
    {
        for cut in 0..whole.len() {
            let taken = header(&whole[..cut]);
            let short = matches!(taken, Some(Ok((_, length))) if length > cut);
            assert!(taken.is_none() || short, "{cut}: {taken:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let _ = header(&bytes);
    }

    #[test]
    fn nor_such_that_begin_well(
        start in prop::sample::select(vec![&b"PROXY "[..], b"PROXY TCP4 ", b"PROXY UNKNOWN", V2, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = header(&[start, &bytes].concat());
    }

    #[test]
    fn every_source_is_named(ip in any::<IpAddr>(), to in any::<IpAddr>(), from_port in any::<u16>(), to_port in any::<u16>()) {
        let wanted = Client::At(SocketAddr::new(ip, from_port));
        let to = match (ip, to) {
            (IpAddr::V4(_), IpAddr::V6(_)) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            (IpAddr::V6(_), IpAddr::V4(_)) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            _ => to,
        };
        let family = if ip.is_ipv4() { 4 } else { 6 };
        prop_assert_eq!(client(format!("PROXY TCP{family} {ip} {to} {from_port} {to_port}\r\n").as_bytes()), wanted);
        let octets = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let block = [octets(ip), octets(to), from_port.to_be_bytes().to_vec(), to_port.to_be_bytes().to_vec()].concat();
        prop_assert_eq!(client(&v2(0x21, if ip.is_ipv4() { 0x11 } else { 0x21 }, &block)), wanted);
    }
}
