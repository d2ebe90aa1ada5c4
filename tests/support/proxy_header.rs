//! Headers of the PROXY protocol, as a balancer would write them.

use std::net::{IpAddr, SocketAddr};

/// Version 1, for a connection from `client`.
pub fn v1(client: &str) -> Vec<u8> {
    let client: SocketAddr = client.parse().expect("an address with a port");
    let (family, to) = if client.is_ipv4() { ("TCP4", "192.0.2.80") } else { ("TCP6", "2001:db8::80") };
    format!("PROXY {family} {} {to} {} 443\r\n", client.ip(), client.port()).into_bytes()
}

/// Version 2, for a connection from `client`, with so many bytes of TLVs behind the addresses.
pub fn v2(client: &str, tlvs: usize) -> Vec<u8> {
    let client: SocketAddr = client.parse().expect("an address with a port");
    let (family, mut block) = match client.ip() {
        IpAddr::V4(ip) => (0x11, [ip.octets(), [192, 0, 2, 80]].concat()),
        IpAddr::V6(ip) => (0x21, [ip.octets(), [0xfd; 16]].concat()),
    };
    block.extend(client.port().to_be_bytes());
    block.extend(443u16.to_be_bytes());
    block.resize(block.len() + tlvs, 0xea);
    v2_raw(0x21, family, &block)
}

/// Version 2 with any command, family and block.
pub fn v2_raw(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut out = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    out.extend([command, family]);
    out.extend(u16::try_from(block.len()).expect("a small block").to_be_bytes());
    out.extend(block);
    out
}
