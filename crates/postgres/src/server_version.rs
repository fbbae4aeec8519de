//! Which versions of PostgreSQL Padan works with.

/// The oldest major version that `make postgres-versions` tests.
const OLDEST: u32 = 14;

/// Why a server of this version is refused, if it is. The number is the server's `server_version_num`; poolers pass it
/// on, and one that does not is not refused.
pub(crate) fn refusal(number: Option<u32>) -> Option<String> {
    let number = number.filter(|number| number / 10_000 < OLDEST)?;
    let (major, minor) = (number / 10_000, number % 10_000);
    Some(format!("the server is PostgreSQL {major}.{minor}, and Padan needs PostgreSQL {OLDEST} or newer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_that_are_too_old_are_refused() {
        for accepted in [None, Some(140_000), Some(150_013), Some(180_004), Some(190_000)] {
            assert_eq!(refusal(accepted), None, "{accepted:?}");
        }
        assert_eq!(
            refusal(Some(130_023)).as_deref(),
            Some("the server is PostgreSQL 13.23, and Padan needs PostgreSQL 14 or newer")
        );
        assert!(refusal(Some(139_999)).is_some() && refusal(Some(90_624)).is_some());
    }
}
