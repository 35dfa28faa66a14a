//! The log's framing: each frame carries its length and checksum, so that a torn tail is known as one.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// What a log begins with: its name and the version of its layout.
pub(super) const MAGIC: &[u8; 8] = b"GHREC\0\0\x01";

/// Length and checksum, both little-endian.
const HEAD: usize = 8;

/// No frame is longer; a length beyond it is not one.
const MAX_FRAME: usize = 64 << 20;

/// Appends a frame to `out`.
pub(super) fn append(out: &mut Vec<u8>, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// Reads the whole frames of a log, up to its end or to where it is torn.
#[derive(Debug)]
pub(super) struct Frames {
    file: BufReader<File>,
    good: u64,
}

impl Frames {
    /// Opens a log. `None` where it is not even begun.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        if !fill(&mut file, &mut magic)? {
            return Ok(None);
        }
        if magic != *MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is not a log of this version of Gatehouse",
            ));
        }
        Ok(Some(Self {
            file,
            good: MAGIC.len() as u64,
        }))
    }

    /// The next frame's payload; `None` at the end, and where nothing whole follows.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut head = [0; HEAD];
        if !fill(&mut self.file, &mut head)? {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_FRAME {
            return Ok(None);
        }
        let mut payload = vec![0; length];
        if !fill(&mut self.file, &mut payload)?
            || crc32fast::hash(&payload) != u32::from_le_bytes([e, f, g, h])
        {
            return Ok(None);
        }
        self.good += (HEAD + length) as u64;
        Ok(Some(payload))
    }

    /// Bytes up to the end of the last whole frame that was read.
    pub(super) fn good(&self) -> u64 {
        self.good
    }

    /// Bytes that the file has.
    pub(super) fn size(&mut self) -> io::Result<u64> {
        let here = self.file.stream_position()?;
        let size = self.file.seek(SeekFrom::End(0))?;
        self.file.seek(SeekFrom::Start(here))?;
        Ok(size)
    }
}

/// Fills the buffer; whether there was enough.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, bytes).unwrap();
        let mut found = Vec::new();
        let Some(mut frames) = Frames::open(&path).unwrap() else {
            return (found, 0);
        };
        while let Some(payload) = frames.next().unwrap() {
            found.push(payload);
        }
        assert_eq!(frames.size().unwrap(), bytes.len() as u64);
        (found, frames.good())
    }

    #[test]
    fn wherever_it_is_torn_what_is_whole_is_kept() {
        let mut bytes = MAGIC.to_vec();
        let payloads: [&[u8]; 3] = [b"one", b"", b"three is longer"];
        let mut ends = vec![bytes.len()];
        for payload in payloads {
            append(&mut bytes, payload);
            ends.push(bytes.len());
        }
        for cut in 0..=bytes.len() {
            let (found, good) = whole(&bytes[..cut]);
            let expected = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            assert_eq!(found, payloads[..expected], "cut at {cut}");
            if cut >= MAGIC.len() {
                assert_eq!(good, ends[expected] as u64, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_ends_what_is_whole() {
        let mut bytes = MAGIC.to_vec();
        append(&mut bytes, b"one");
        let second = bytes.len();
        append(&mut bytes, b"two");
        for at in second..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(whole(&flipped).0, [b"one"], "byte {at}");
        }
    }
}
