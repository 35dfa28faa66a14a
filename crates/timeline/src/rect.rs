//! A rectangle of the task stream, and how it is packed.

use protocol::live::Action;

/// Times lie below this, and above its negative: the year 2112, and room for exact arithmetic on pixels.
pub const MAX_TIME_US: i64 = 1 << 52;

/// From this duration on (36 minutes) whole milliseconds are kept, up to 24 days: four bytes hold both.
const LONG_US: u64 = 1 << 31;

/// What a thread did from one moment to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Microseconds since the Unix epoch.
    pub start_us: i64,
    /// Microseconds; a rectangle of none still covers one.
    pub duration_us: u64,
    /// Id of the key prefix.
    pub prefix: u16,
    pub action: Action,
    /// Number of the task record it belongs to.
    pub record: u64,
}

impl Rect {
    /// The moment after its last one.
    pub fn end_us(&self) -> i64 {
        self.start_us + (self.duration_us.max(1) as i64)
    }
}

/// Four bytes for a duration: microseconds, or from [`LONG_US`] on whole milliseconds with the highest bit set.
pub(crate) fn pack_duration(duration_us: u64) -> u32 {
    match u32::try_from(duration_us) {
        Ok(us) if duration_us < LONG_US => us,
        _ => {
            u32::try_from(duration_us / 1000)
                .unwrap_or(u32::MAX)
                .min(LONG_US as u32 - 1)
                | LONG_US as u32
        }
    }
}

#[inline]
pub(crate) fn unpack_duration(packed: u32) -> u64 {
    let value = u64::from(packed) & (LONG_US - 1);
    if u64::from(packed) < LONG_US {
        value
    } else {
        value * 1000
    }
}

/// Prefix and action in four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Kind(u32);

impl Kind {
    pub(crate) fn new(prefix: u16, action: Action) -> Self {
        Self(u32::from(prefix) << 8 | action as u32)
    }

    pub(crate) fn prefix(self) -> u16 {
        (self.0 >> 8) as u16
    }

    pub(crate) fn action(self) -> Action {
        match self.0 as u8 {
            1 => Action::Transfer,
            2 => Action::DiskRead,
            3 => Action::DiskWrite,
            4 => Action::Deserialize,
            5 => Action::Erred,
            _ => Action::Compute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_survive_packing() {
        for us in [0, 1, 999, LONG_US - 1] {
            assert_eq!(unpack_duration(pack_duration(us)), us);
        }
        for us in [LONG_US, 7_200_000_123, 86_400_000_000] {
            assert_eq!(unpack_duration(pack_duration(us)), us / 1000 * 1000);
        }
        assert!(unpack_duration(pack_duration(u64::MAX)) > 24 * 86_400_000_000);
    }

    #[test]
    fn kinds_survive_packing() {
        use Action::*;
        for action in [Compute, Transfer, DiskRead, DiskWrite, Deserialize, Erred] {
            let kind = Kind::new(65_535, action);
            assert_eq!((kind.prefix(), kind.action()), (65_535, action));
        }
    }
}
