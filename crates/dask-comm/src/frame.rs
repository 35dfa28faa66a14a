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
    /// The stream ended or failed; `UnexpectedEof` at a message's end is an ordinary goodbye.
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
