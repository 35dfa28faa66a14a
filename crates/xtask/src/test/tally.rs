//! How many passed and failed, read from what the runners print.

use std::fmt;
use std::ops::Add;

use anyhow::Result;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Tally {
    /// One thing that passed or failed.
    pub(super) fn of(passed: bool) -> Self {
        Self {
            passed: u64::from(passed),
            failed: u64::from(!passed),
        }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.passed, self.failed) {
            (1, 0) => Ok(()),
            (passed, 0) => write!(f, "{passed} passed"),
            (passed, failed) => write!(f, "{passed} passed, {failed} failed"),
        }
    }
}

/// A runner that failed without counting a failure (it did not compile, say) failed all the same, and one that ran
/// nothing did not pass.
pub(super) fn judge(counted: Tally, outcome: Result<()>) -> Result<Tally> {
    match outcome {
        Err(error) if counted.failed == 0 => Err(error),
        Ok(()) if counted == Tally::default() => anyhow::bail!("no test was found"),
        _ => Ok(counted),
    }
}

/// `Summary [ 1.2s] 34 tests run: 33 passed (1 slow), 1 failed, 0 skipped`
pub(super) fn of_nextest(log: &str) -> Tally {
    let summary = log
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with("Summary ["));
    summary.map_or_else(Tally::default, |line| Tally {
        passed: count(line, "passed"),
        failed: count(line, "failed") + count(line, "timed out") + count(line, "exec failed"),
    })
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored`, once a test binary.
pub(super) fn of_cargo_test(log: &str) -> Tally {
    log.lines()
        .filter(|line| line.starts_with("test result:"))
        .map(|line| Tally {
            passed: count(line, "passed"),
            failed: count(line, "failed"),
        })
        .fold(Tally::default(), Add::add)
}

/// `2 failed, 10 passed, 1 error in 3.21s`
pub(super) fn of_pytest(log: &str) -> Tally {
    let summary = log.lines().rev().find(|line| {
        line.contains(" in ")
            && ["passed", "failed", "error"]
                .iter()
                .any(|word| count(line, word) > 0)
    });
    summary.map_or_else(Tally::default, |line| Tally {
        passed: count(line, "passed"),
        failed: count(line, "failed") + count(line, "error"),
    })
}

/// The number before a word.
fn count(line: &str, word: &str) -> u64 {
    let numbers = line.match_indices(word).filter_map(|(at, _)| {
        let before = line[..at].strip_suffix(' ')?;
        before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_runners_print() {
        let nextest = "  PASS x\n     Summary [   1.2s] 34 tests run: 33 passed (2 slow), 1 failed, 3 skipped\n  FAIL y";
        assert_eq!(
            of_nextest(nextest),
            Tally {
                passed: 33,
                failed: 1
            }
        );
        assert_eq!(of_nextest("error: could not compile"), Tally::default());
        let cargo = "test result: ok. 3 passed; 0 failed; 0 ignored\ntest result: FAILED. 1 passed; 2 failed; 0 ignored";
        assert_eq!(of_cargo_test(cargo), Tally { passed: 4, failed: 2 });
        assert_eq!(
            of_pytest("2 failed, 10 passed, 1 error in 3.21s"),
            Tally {
                passed: 10,
                failed: 3
            }
        );
        assert_eq!(
            of_pytest("15 passed, 2 warnings in 0.20s"),
            Tally {
                passed: 15,
                failed: 0
            }
        );
    }

    #[test]
    fn a_failure_without_a_count_is_one() {
        assert!(judge(Tally::default(), Err(anyhow::anyhow!("it did not compile"))).is_err());
        assert!(judge(Tally::default(), Ok(())).is_err());
        let some = Tally { passed: 1, failed: 1 };
        assert_eq!(judge(some, Err(anyhow::anyhow!("exit code 1"))).unwrap(), some);
    }
}
