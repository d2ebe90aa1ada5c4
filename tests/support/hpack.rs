//! Header compression of HTTP/2 (RFC 7541), as far as a test client needs it: it writes every field in full and reads
//! what a server sends that was told to keep no dynamic table.

/// Header fields, in order.
pub type Fields = Vec<(String, String)>;

/// Appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""),
    ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""),
    ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""),
    ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
    ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""),
    ("server", ""), ("set-cookie", ""), ("strict-transport-security", ""), ("transfer-encoding", ""),
    ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
];

/// Appendix B: the lengths of the codes of all bytes. The code is canonical, so they are all there is to know.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26,
];

/// Writes fields, each in full and plain.
pub fn encode(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            put_length(&mut out, text.len());
            out.extend(*text);
        }
    }
    out
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        out.push(u8::try_from(length).expect("under 127"));
        return;
    };
    out.push(127);
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).expect("under 128") | 128);
        rest /= 128;
    }
    out.push(u8::try_from(rest).expect("under 128"));
}

/// Reads a header block; `None` where it can't be.
pub fn decode(mut block: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    while let Some(first) = block.first().copied() {
        if first & 0x80 != 0 {
            let (name, value) = known(integer(&mut block, 7)?)?;
            fields.push((name.into(), value.into()));
        } else if first & 0xe0 == 0x20 {
            // The size of a dynamic table that stays empty.
            integer(&mut block, 5)?;
        } else {
            let name = match integer(&mut block, if first & 0x40 != 0 { 6 } else { 4 })? {
                0 => text(&mut block)?,
                index => known(index)?.0.to_owned(),
            };
            fields.push((name, text(&mut block)?));
        }
    }
    Some(fields)
}

fn known(index: usize) -> Option<(&'static str, &'static str)> {
    STATIC.get(index.checked_sub(1)?).copied()
}

fn integer(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let mask = (1usize << prefix) - 1;
    let mut value = usize::from(*block.split_off_first()?) & mask;
    if value < mask {
        return Some(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = usize::from(*block.split_off_first()?);
        value += (byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

fn text(block: &mut &[u8]) -> Option<String> {
    let huffman = block.first()? & 0x80 != 0;
    let length = integer(block, 7)?;
    let bytes = block.split_off(..length)?;
    let bytes = if huffman { unpack(bytes)? } else { bytes.to_vec() };
    Some(bytes.into_iter().map(char::from).collect())
}

/// The text of a Huffman-coded string.
fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let codes = codes();
    let mut out = Vec::new();
    let (mut code, mut length) = (0u32, 0u8);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        (code, length) = (code << 1 | u32::from(bit), length + 1);
        if let Some(found) = codes.iter().position(|known| *known == (length, code)) {
            out.push(u8::try_from(found).ok()?);
            (code, length) = (0, 0);
        }
    }
    // The rest is padding: the beginning of the code of all ones.
    (length < 8 && code == (1 << length) - 1).then_some(out)
}

/// Length and code of every byte, dealt out in the order of length and byte.
fn codes() -> Vec<(u8, u32)> {
    let mut codes = vec![(0, 0); LENGTHS.len()];
    let mut next = 0;
    for length in 1..=30 {
        next <<= 1;
        for (at, _) in LENGTHS.iter().enumerate().filter(|(_, l)| **l == length) {
            codes[at] = (length, next);
            next += 1;
        }
    }
    codes
}
