//! Questions and answers of the domain name system, as much as a gateway needs. (RFC 1035, 4)

use std::net::Ipv4Addr;

/// Bytes of a header.
const HEADER: usize = 12;

/// Bytes of a name, by the specification.
const NAME_LIMIT: usize = 253;

/// Bytes of one label, by the specification; larger numbers are pointers, which a question has no use for.
const LABEL_LIMIT: u8 = 63;

/// Seconds for which an answer holds. Within a step it never changes.
const LIFETIME: u32 = 3600;

const TYPE_A: u16 = 1;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An IPv4 address.
    Address,
    /// Anything else.
    Other,
}

/// A question.
pub(super) struct Question<'a> {
    /// The name in lower case, without a dot at its end.
    pub name: String,
    pub kind: Kind,
    message: &'a [u8],
    /// Where the question ends.
    end: usize,
}

/// What it is answered.
pub(super) enum Answer {
    /// The name has this address.
    Address(Ipv4Addr),
    /// The name is there, and has nothing of that kind.
    Nothing,
}

/// What is no question.
pub(super) struct Malformed<'a>(&'a [u8]);

/// Reads a question.
pub(super) fn parse(message: &[u8]) -> Result<Question<'_>, Malformed<'_>> {
    read(message).ok_or(Malformed(message))
}

fn read(message: &[u8]) -> Option<Question<'_>> {
    let header = message.get(..HEADER)?;
    // A response, an operation that is no query, or not exactly one question.
    if header[2] & 0xf8 != 0 || header[4..6] != [0, 1] {
        return None;
    }
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = *message.get(at)?;
        at += 1;
        if length == 0 {
            break;
        }
        if length > LABEL_LIMIT {
            return None;
        }
        let label = message.get(at..at + usize::from(length))?;
        at += usize::from(length);
        if !name.is_empty() {
            name.push('.');
        }
        // Whatever is no letter of a host name is shown, not obeyed.
        name.extend(label.iter().map(|byte| match byte {
            byte if byte.is_ascii_graphic() && *byte != b'.' => char::from(byte.to_ascii_lowercase()),
            _ => '?',
        }));
        if name.len() > NAME_LIMIT {
            return None;
        }
    }
    let rest = message.get(at..at + 4)?;
    let (kind, class) = (u16::from_be_bytes([rest[0], rest[1]]), u16::from_be_bytes([rest[2], rest[3]]));
    let is_address = matches!(kind, TYPE_A | TYPE_ANY) && class == CLASS_IN && !name.is_empty();
    let kind = if is_address { Kind::Address } else { Kind::Other };
    Some(Question { name, kind, message, end: at + 4 })
}

impl Question<'_> {
    /// The reply, with the question repeated in it.
    pub(super) fn reply(&self, answer: &Answer) -> Vec<u8> {
        let mut reply = header(self.message, 0);
        reply[5] = 1;
        reply.extend(&self.message[HEADER..self.end]);
        if let Answer::Address(address) = answer {
            reply[7] = 1;
            // The name again: a pointer to the question's.
            reply.extend([0xc0, HEADER as u8]);
            reply.extend(TYPE_A.to_be_bytes());
            reply.extend(CLASS_IN.to_be_bytes());
            reply.extend(LIFETIME.to_be_bytes());
            reply.extend([0, 4]);
            reply.extend(address.octets());
        }
        reply
    }
}

impl Malformed<'_> {
    /// That it cannot be read; nothing to what has no number, and nothing to an answer, which could go on for ever.
    pub(super) fn reply(&self) -> Option<Vec<u8>> {
        const FORMAT_ERROR: u8 = 1;
        let is_answer = self.0.get(2)? & 0x80 != 0;
        (self.0.len() >= HEADER && !is_answer).then(|| header(self.0, FORMAT_ERROR))
    }
}

/// A reply's header: the question's number and its wish for recursion.
fn header(question: &[u8], code: u8) -> Vec<u8> {
    let mut header = vec![0; HEADER];
    header[..2].copy_from_slice(&question[..2]);
    header[2] = 0x80 | (question[2] & 0x79);
    header[3] = 0x80 | code;
    header
}

/// Any bytes come back as a question or not.
pub(in crate::gateway) fn fuzz(data: &[u8]) {
    match parse(data) {
        Ok(question) => {
            assert!(question.name.len() <= NAME_LIMIT);
            question.reply(&Answer::Address(Ipv4Addr::LOCALHOST));
        }
        Err(malformed) => drop(malformed.reply()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_question_is_told_so() {
        let query = super::super::tests::question("example.org", 1);
        assert!(parse(&query).is_ok());
        assert_eq!(Malformed(&query[..11]).reply(), None);
        for end in HEADER..query.len() {
            let reply = parse(&query[..end]).err().and_then(|malformed| malformed.reply()).unwrap();
            assert_eq!((reply[2] & 0x80, reply[3] & 0x0f), (0x80, 1), "{end}");
        }
        let mut pointer = query.clone();
        pointer[HEADER] = 0xc0;
        assert!(parse(&pointer).is_err());
        let mut answer = query.clone();
        answer[2] |= 0x80;
        assert_eq!(parse(&answer).err().and_then(|malformed| malformed.reply()), None);
        let long = vec!["a".repeat(60); 5].join(".");
        assert!(parse(&super::super::tests::question(&long, 1)).is_err());
    }
}
