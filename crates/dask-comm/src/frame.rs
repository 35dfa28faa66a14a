//! Framing: `L | n | len[0] … len[n-1] | frame[0] … frame[n-1]`, all integers u64 little-endian.
//!
//! Only frame 0 holds the message; the others are Python objects out of band, which we never unpickle, so they
//! are read past without being kept. `L` is the prelude and the frames that a reader may take in one go: it must end
//! on a frame's boundary, and says nothing else, since the frames lie side by side anyhow.

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

pub use crate::value::DecodeError;

/// What a message from the scheduler may cost us, checked before memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole message, prelude included.
    pub message_bytes: u64,
    /// Frames of a message. Each erred record of a task stream brings four.
    pub frames: u64,
    /// Values (of arrays and maps too) in the message's msgpack: a one-byte value takes about 40 bytes once decoded.
    pub values: u64,
    /// Nesting of arrays and maps.
    pub depth: usize,
}

impl Default for Limits {
    /// Twice what a full buffer of 100,000 records needs, even if all of them erred.
    fn default() -> Self {
        Self {
            message_bytes: 256 << 20,
            frames: 800_000,
            values: 10_000_000,
            depth: 256,
        }
    }
}

/// A message that breaks the framing or its bounds.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It claims to be longer than we take.
    #[error("it is {bytes} bytes long, more than the {limit} allowed")]
    TooLong { bytes: u64, limit: u64 },
    /// It claims more frames than we take.
    #[error("it has {frames} frames, more than the {limit} allowed")]
    TooManyFrames { frames: u64, limit: u64 },
    /// Its lengths contradict each other.
    #[error("its lengths contradict each other ({0})")]
    Inconsistent(&'static str),
    /// The stream ended or failed; `UnexpectedEof` where a message would begin is an ordinary goodbye.
    #[error("the stream ended within it")]
    Io(#[from] std::io::Error),
}

/// Memory is taken as data arrives, in steps of this size, not as lengths promise.
const STEP: usize = 64 << 10;
const WORD: u64 = 8;

/// Writes one message of a single frame.
pub fn encode(body: &[u8]) -> Vec<u8> {
    let length = body.len() as u64;
    let mut message = Vec::with_capacity(body.len() + 24);
    message.put_u64_le(2 * WORD + length);
    message.put_u64_le(1);
    message.put_u64_le(length);
    message.put_slice(body);
    message
}

/// Reads one message and returns its frame 0.
///
/// Not cancel-safe: a dropped read leaves the stream in the middle of a message.
///
/// # Errors
/// [`FrameError`]; the stream can't be used after one.
pub async fn read<R: AsyncRead + Unpin>(stream: &mut R, limits: &Limits) -> Result<BytesMut, FrameError> {
    let together = stream.read_u64_le().await?;
    if together > limits.message_bytes {
        return Err(FrameError::TooLong {
            bytes: together,
            limit: limits.message_bytes,
        });
    }
    if together < 2 * WORD {
        return Err(FrameError::Inconsistent("no room for one frame"));
    }
    let frames = stream.read_u64_le().await?;
    if frames == 0 {
        return Err(FrameError::Inconsistent("no frame"));
    }
    if frames > limits.frames {
        return Err(FrameError::TooManyFrames {
            frames,
            limit: limits.frames,
        });
    }
    let prelude = frames
        .checked_add(1)
        .and_then(|words| words.checked_mul(WORD))
        .filter(|prelude| *prelude <= together)
        .ok_or(FrameError::Inconsistent(
            "the lengths reach past the part they are in",
        ))?;

    // Only the first frame's length and where each of them ends matter: none of the others is kept.
    let mut first = 0;
    let mut end = prelude;
    let mut lands_on_boundary = end == together;
    let mut table = take(stream, prelude - WORD).await?;
    for index in 0..frames {
        let length = bytes::Buf::get_u64_le(&mut table);
        if index == 0 {
            first = length;
        }
        end = end
            .checked_add(length)
            .filter(|end| *end <= limits.message_bytes)
            .ok_or(FrameError::TooLong {
                bytes: end.saturating_add(length),
                limit: limits.message_bytes,
            })?;
        lands_on_boundary |= end == together;
    }
    if !lands_on_boundary {
        return Err(FrameError::Inconsistent("the first part ends within a frame"));
    }

    let body = take(stream, first).await?;
    skip(stream, end - prelude - first).await?;
    Ok(body)
}

async fn take<R: AsyncRead + Unpin>(stream: &mut R, bytes: u64) -> Result<BytesMut, FrameError> {
    let mut buffer = BytesMut::new();
    let mut limited = stream.take(bytes);
    while (buffer.len() as u64) < bytes {
        let left = bytes - buffer.len() as u64;
        buffer.reserve(usize::try_from(left).unwrap_or(STEP).min(STEP));
        if limited.read_buf(&mut buffer).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(buffer)
}

async fn skip<R: AsyncRead + Unpin>(stream: &mut R, bytes: u64) -> Result<(), FrameError> {
    let skipped = tokio::io::copy(&mut stream.take(bytes), &mut tokio::io::sink()).await?;
    if skipped < bytes {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a scheduler writes it, with the first `together` frames in the part to be read in one go.
    fn message(frames: &[Vec<u8>], together: usize) -> Vec<u8> {
        let prelude = WORD * (1 + frames.len() as u64);
        let mut bytes = Vec::new();
        bytes.put_u64_le(
            prelude
                + frames[..together]
                    .iter()
                    .map(|frame| frame.len() as u64)
                    .sum::<u64>(),
        );
        bytes.put_u64_le(frames.len() as u64);
        frames
            .iter()
            .for_each(|frame| bytes.put_u64_le(frame.len() as u64));
        frames.iter().for_each(|frame| bytes.put_slice(frame));
        bytes
    }

    fn read_all(mut bytes: &[u8], limits: &Limits) -> Result<(BytesMut, usize), FrameError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime
            .block_on(read(&mut bytes, limits))
            .map(|body| (body, bytes.len()))
    }

    fn any_frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12)
    }

    /// Nothing is refused for its size: only what arrives may be taken.
    const BOUNDLESS: Limits = Limits {
        message_bytes: u64::MAX,
        frames: u64::MAX,
        values: u64::MAX,
        depth: 1,
    };

    proptest! {
        #[test]
        fn the_first_frame_comes_out_and_the_rest_is_passed(
            frames in any_frames(),
            together in any::<prop::sample::Index>(),
            after in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut bytes = message(&frames, together.index(frames.len() + 1));
            bytes.extend(&after);
            let (body, left) = read_all(&bytes, &Limits::default()).expect("reads");
            prop_assert_eq!(&body[..], &frames[0][..]);
            prop_assert_eq!(left, after.len());
        }

        #[test]
        fn what_we_write_we_read(body in prop::collection::vec(any::<u8>(), 0..20_000)) {
            let (read, left) = read_all(&encode(&body), &Limits::default()).expect("reads");
            prop_assert_eq!((&read[..], left), (&body[..], 0));
        }

        #[test]
        fn a_cut_message_is_an_error(frames in any_frames(), cut in any::<prop::sample::Index>()) {
            let bytes = message(&frames, frames.len());
            let error = read_all(&bytes[..cut.index(bytes.len())], &Limits::default()).expect_err("cut");
            prop_assert!(matches!(error, FrameError::Io(_)), "{}", error);
        }

        #[test]
        fn hostile_lengths_take_no_memory(
            words in prop::collection::vec(prop_oneof![0..100_u64, any::<u64>(), Just(u64::MAX), Just(1 << 40)], 1..40),
        ) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            for limits in [Limits::default(), BOUNDLESS] {
                if let Ok((body, _)) = read_all(&bytes, &limits) {
                    prop_assert!(body.len() < bytes.len());
                }
            }
        }
    }

    #[test]
    fn bounds_are_checked_before_anything_is_read() {
        let limits = Limits {
            message_bytes: 1000,
            frames: 3,
            ..Limits::default()
        };
        let claim = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
        let error = |words: &[u64]| read_all(&claim(words), &limits).expect_err("refused").to_string();
        assert!(error(&[1001]).contains("1001 bytes long, more than the 1000"));
        assert!(error(&[16, 1, 5000]).contains("more than the 1000"));
        assert!(error(&[24, 2, 500, u64::MAX]).contains("more than the 1000"));
        assert!(error(&[100, 4]).contains("4 frames, more than the 3"));
        assert!(error(&[8, 1]).contains("no room"));
        assert!(error(&[16, 0, 0]).contains("no frame"));
        assert!(error(&[16, 2, 0, 0]).contains("reach past"));
        assert!(error(&[20, 1, 5]).contains("ends within a frame"));
    }
}
