//! Places at which `make faults` lets a task panic. The installed program has none: they exist only with the feature
//! `fault-points`, which nothing turns on but the program `padan-with-fault-points`.

/// The variable that names the folder with the names of the places at which to panic.
#[cfg(feature = "fault-points")]
const FOLDER: &str = "PADAN_FAULT_POINTS";

/// Panics once if the folder that `PADAN_FAULT_POINTS` names has a file of this name.
///
/// # Panics
///
/// Only with the feature `fault-points`.
#[cfg(feature = "fault-points")]
pub fn fault_point(name: &str) {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let file = std::path::Path::new(&folder).join(name);
    assert!(std::fs::remove_file(file).is_err(), "on purpose");
}

/// Does nothing.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub const fn fault_point(_name: &str) {}
